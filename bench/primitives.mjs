// Every public method once, on one thread: seconds and rows a second, of the second of two calls or later.
import { createLoewner } from "../dist/index.js";
import { tall } from "./matrix.mjs";
import { note, print, seconds } from "./table.mjs";

/** The same rows in f64. */
const wide = ({ data, rows, cols }) => ({ data: Float64Array.from(data), rows, cols });

/** @param n rows of the methods that sweep over a few columns many times or over many columns a few times */
function jobs(n, seed) {
  const a = tall({ rows: n, cols: 256, seed });
  const narrow = wide(tall({ rows: n, cols: 16, seed }));
  const small = wide(tall({ rows: Math.min(n, 300), cols: 5, seed }));
  const rank = 64;
  let factors;
  const pair = async (loewner) => (factors ??= await loewner.lowRank(a, { rank, p: 2 }));
  return [
    ["leverageScores", a, "", (l) => l.leverageScores(a)],
    ["lewisWeights", a, "p = 1", (l) => l.lewisWeights(a, { p: 1 })],
    ["lewisWeights", a, "p = 4", (l) => l.lewisWeights(a, { p: 4 })],
    ["lewisWeights", a, "p = inf, 20 sweeps", (l) => l.lewisWeights(a, { p: Infinity, maxIterations: 20 })],
    ["singularValues", a, "", (l) => l.singularValues(a)],
    ["lowRank", a, `rank ${rank}, p = 2`, (l) => l.lowRank(a, { rank, p: 2 })],
    ["lowRank", a, `rank ${rank}, p = 1, lewis`, (l) => l.lowRank(a, { rank, p: 1, method: "lewis" })],
    ["residual", a, `rank ${rank}`, async (l) => l.residual(a, await pair(l))],
    ["certify", a, `rank ${rank}, p = 1`, async (l) => l.certify(a, (await pair(l)).right, { p: 1 })],
    ["multiply", a, `rank ${rank}`, async (l) => l.multiply(await pair(l), () => {})],
    ["quantise", a, "4 bits", (l) => l.quantise(a, { bits: 4 })],
    ["transformCode", a, "1.5 bits an entry", (l) => l.transformCode(a, { bitsPerEntry: 1.5 })],
    ["robustSubspace", a, `rank ${rank}, tolerance 1e-3`, (l) => l.robustSubspace(a, { rank, tolerance: 1e-3 })],
    [
      "entrywiseLowRank",
      a,
      "rank 8, 20 steps",
      (l) => l.entrywiseLowRank(a, { rank: 8, maxIterations: 20, starts: 0 }),
    ],
    ["sensitivities", a, "p = 1", (l) => l.sensitivities(a, { p: 1 })],
    ["coreset", a, "p = 1, size 2000", (l) => l.coreset(a, { p: 1, size: Math.min(2000, n / 4), seed })],
    ["coresetStream", a, "p = 1, size 2000", (l) => streamed(l, a, Math.min(2000, n / 4), seed)],
    ["minVolumeEllipsoid", narrow, "free centre", (l) => l.minVolumeEllipsoid(narrow, { freeCenter: true })],
    ["johnEllipsoid", narrow, "", (l) => l.johnEllipsoid(narrow)],
    ["levelSetEllipsoid", small, "p = 1", (l) => l.levelSetEllipsoid(small, { p: 1 })],
  ];
}

/** In eight pieces. */
async function streamed(loewner, { data, rows, cols }, size, seed) {
  const stream = loewner.coresetStream({ p: 1, size, seed, cols });
  const most = Math.ceil(rows / 8);
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    await stream.push({ data: data.subarray(first * cols, (first + count) * cols), rows: count, cols });
  }
  return stream.finish();
}

export async function primitives({ n = 20000, seed = 1, runs = 2 }) {
  const loewner = await createLoewner();
  const table = [["method", "matrix", "options", "sweeps or steps", "seconds", "rows/s"]];
  for (const [name, { data, rows, cols }, options, call] of jobs(n, seed)) {
    let least = Infinity;
    let result = await call(loewner);
    for (let run = 1; run < Math.max(2, runs); ++run) {
      const start = performance.now();
      result = await call(loewner);
      least = Math.min(least, (performance.now() - start) / 1000);
    }
    const type = data instanceof Float32Array ? "f32" : "f64";
    const rate = rows / least;
    table.push([
      ...[name, `${rows} x ${cols} ${type}`, options, result?.iterations ?? ""],
      ...[seconds(least), rate >= 1e6 ? `${(rate / 1e6).toFixed(1)} M` : `${(rate / 1e3).toPrecision(3)} k`],
    ]);
  }
  loewner.dispose();
  print(`Every method, one thread, seed ${seed}, best of ${Math.max(1, runs - 1)} after one to warm up`, table);
  note("Unless they are given, options are the defaults: Lewis weights to 1e-6, ellipsoids of points to 1e-7.");
}
