// 20 steps of entrywise l_1 low rank against numpy.linalg.svd(A, full_matrices=False), in turn, both on one thread.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLoewner } from "../dist/index.js";
import { tall } from "./matrix.mjs";
import { numpy } from "./python.mjs";
import { print } from "./table.mjs";

export async function entrywise({ rows, cols, rank, runs = 1, seed = 1 }) {
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-"));
  const shape = { rows, cols, seed };
  const a = tall(shape);
  const file = join(folder, "A.f32");
  let [peer, seconds] = [Infinity, Infinity];
  let result;
  try {
    writeFileSync(file, new Uint8Array(a.data.buffer));
    for (let run = 0; run < runs; ++run) {
      peer = Math.min(peer, numpy(file, shape));
      const loewner = await createLoewner();
      result = await loewner.entrywiseLowRank(a, { rank, p: 1, method: "splitting", maxIterations: 20, starts: 0 });
      seconds = Math.min(seconds, result.seconds);
      loewner.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const known = Number.isFinite(peer);
  const table = [["job", "seconds", "numpy SVD", "ratio", "limit", "l_1 against SVD's", "against Lewis'"]];
  const [svd, lewis] = result.report.starts;
  table.push([
    "p = 1, 20 steps",
    seconds.toFixed(2),
    known ? peer.toFixed(2) : "-",
    known ? (seconds / peer).toFixed(2) : "not measured",
    "<= 10",
    (result.objective.l1 / svd.projection - 1).toFixed(4),
    (result.objective.l1 / lewis.projection - 1).toFixed(4),
  ]);
  print(`entrywiseLowRank, ${rows} x ${cols} f32, rank ${rank}, seed ${seed}, one thread, best of ${runs}`, table);
  await smallMatrices();
  return table;
}

/** The default against 60 random starts, on small matrices with spikes. */
export async function smallMatrices({ count = 40, rows = 30, cols = 8, rank = 2, starts = 60 } = {}) {
  const loewner = await createLoewner();
  let [seconds, secondsOfStarts] = [0, 0];
  const gaps = [];
  for (let seed = 1; seed <= count; ++seed) {
    const a = spiked({ rows, cols, rank, seed });
    const ours = await loewner.entrywiseLowRank(a, { rank, p: 1 });
    const best = await loewner.entrywiseLowRank(a, { rank, p: 1, starts, seed });
    gaps.push(ours.objective.lp / best.objective.lp - 1);
    seconds += ours.seconds;
    secondsOfStarts += best.seconds;
  }
  loewner.dispose();
  gaps.sort((a, b) => a - b);
  print(`entrywiseLowRank, ${count} matrices of ${rows} x ${cols}, rank ${rank}, 5 % spikes, p = 1`, [
    ["against", "least", "median", "most", "above 1e-3", "seconds", "theirs"],
    [
      `${starts} random starts`,
      ...[gaps[0], gaps[count >> 1], gaps[count - 1]].map((gap) => gap.toExponential(1)),
      gaps.filter((gap) => gap > 1e-3).length,
      seconds.toFixed(2),
      secondsOfStarts.toFixed(2),
    ],
  ]);
}

function spiked({ rows, cols, rank, seed }) {
  let state = seed * 7919;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const left = Array.from({ length: rows * rank }, normal);
  const right = Array.from({ length: rank * cols }, normal);
  const data = Float64Array.from({ length: rows * cols }, (_, at) => {
    let x = 0.05 * normal();
    for (let k = 0; k < rank; ++k) x += left[Math.floor(at / cols) * rank + k] * right[k * cols + (at % cols)];
    return uniform() < 0.05 ? x + 10 * normal() : x;
  });
  return { data, rows, cols };
}
