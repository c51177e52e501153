// Singular value decompositions that others offer, in turn with ours: all d of them at the sizes that packages of npm manage, on one
// thread; the leading ones of the large table by numpy and scikit-learn, on two.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { tallFile } from "./matrix.mjs";
import { install } from "./peers/install.mjs";
import { measure } from "./pipeline.mjs";
import { numpy } from "./python.mjs";
import { note, print, seconds } from "./table.mjs";

let versions;
let failure;

/** Seconds of a package of npm, NaN when it cannot be had; that is said once. */
export function npmPeer(name, file, { rows, cols }, calls = 1) {
  try {
    versions ??= failure ? undefined : install();
  } catch (error) {
    failure = error.message;
    note(`Not measured, ml-matrix and @jax-js/jax: ${failure}`);
  }
  if (!versions) return NaN;
  const script = fileURLToPath(new URL(`peers/${name}.mjs`, import.meta.url));
  const args = [script, file, rows, cols, calls].map(String);
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status === 0) return Number(stdout);
  note(`Not measured, ${name} at ${rows} x ${cols}: it failed with "${stderr.trim().split("\n").pop()}".`);
  return NaN;
}

const packageOf = { "ml-matrix": "ml-matrix", jax: "@jax-js/jax, wasm" };

/** Ours and one package, in turn; both warm up in the first of three calls. It knows no rank, so that ours is there at half and at all. */
function small(name, shape, goal, runs) {
  const { rows, cols } = shape;
  const file = tallFile(shape);
  const calls = 3;
  const jobs = [
    { what: "p = 2", options: { rank: cols / 2, p: 2 }, wanted: `>= ${goal} x` },
    { what: "p = 1, lewis", options: { rank: cols / 2, p: 1, method: "lewis" }, wanted: "" },
    { what: "p = 2", options: { rank: cols, p: 2 }, wanted: "" },
  ];
  const least = jobs.map(() => Infinity);
  let peer = Infinity;
  for (let run = 0; run < runs; ++run) {
    peer = Math.min(peer, npmPeer(name, file, shape, calls));
    for (const [k, { options }] of jobs.entries())
      least[k] = Math.min(least[k], measure({ file, rows, cols, options, calls }).seconds);
  }
  return jobs.map(({ what, options, wanted }, k) => [
    ...[`${rows} x ${cols}`, packageOf[name], seconds(peer), what, options.rank, seconds(least[k])],
    ...[Number.isFinite(peer) ? `${(peer / least[k]).toFixed(0)} x` : "not measured", wanted],
  ]);
}

function large({ rows, cols, rank, seed, runs, threads }) {
  const shape = { rows, cols, seed };
  const file = tallFile(shape);
  const jobs = {
    "lowRank p = 2": () => measure({ file, rows, cols, threads, options: { rank, p: 2 } }).seconds,
    "lowRank p = 1, lewis": () =>
      measure({ file, rows, cols, threads, options: { rank, p: 1, method: "lewis" } }).seconds,
    "numpy.linalg.svd": () => numpy(file, shape, { threads }),
    "numpy A'A, eigh, product": () => numpy(file, shape, { threads, kind: "gram", rank }),
    "scikit-learn randomized_svd": () => numpy(file, shape, { threads, kind: "randomized", rank }),
  };
  const least = new Map(Object.keys(jobs).map((name) => [name, Infinity]));
  for (let run = 0; run < runs; ++run)
    for (const [name, job] of Object.entries(jobs)) least.set(name, Math.min(least.get(name), job()));
  const own = least.get("lowRank p = 2");
  const table = [["what", "seconds", "over lowRank p = 2"]];
  for (const [name, time] of least)
    table.push([name, seconds(time), Number.isFinite(time) ? (time / own).toFixed(2) : "not measured"]);
  print(`${rows} x ${cols} f32, rank ${rank}, seed ${seed}, ${threads} threads each, in turn, best of ${runs}`, table);
  note(
    "Ours with the error in three norms and a certificate; the others are factors alone. randomized_svd is for small ranks.",
  );
}

export async function peers({ rows, cols, rank, seed = 1, runs = 3, threads = 2, shrink = 1 }) {
  const rounds = Math.min(runs, 2);
  const table = [
    ["matrix", "peer", "its svd, s", "lowRank", "rank", "seconds", "times as fast", "goal"],
    ...small("ml-matrix", { rows: 2000 / shrink, cols: 256, seed }, 40, rounds),
    ...small("jax", { rows: 8192 / shrink, cols: 256, seed }, 20, rounds),
  ];
  print(`Packages of npm, one thread, f32 in, seed ${seed}, in turn, fastest call of ${3 * rounds}`, table);
  if (versions) note(`ml-matrix ${versions["ml-matrix"]}, @jax-js/jax ${versions["@jax-js/jax"]}.`);
  note("At full rank the smallest singular values count, and sums over f32 rows are taken in f64.");
  large({ rows, cols, rank, seed, runs: rounds, threads });
}
