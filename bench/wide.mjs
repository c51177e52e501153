// Matrices as wide as tables of language models: dense steps on d x d are most of the work. Against numpy's Gram matrix, eigh and product,
// both with as many threads, in turn, each job in a process of its own; then the eigen solver alone, two threads against one.
import { ThreadsEngine } from "../build/lib/engine/threads/engine.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { workerScript } from "../build/lib/schedule/worker-script.js";
import { tallFile } from "./matrix.mjs";
import { measure as measureJob } from "./pipeline.mjs";
import { numpy } from "./python.mjs";
import { print, seconds } from "./table.mjs";
import { measure } from "./threads.mjs";

const jobs = [
  { name: "lowRank p = 2", p: 2, limit: 1.3 },
  { name: "lowRank p = 1, lewis", p: 1, method: "lewis", limit: 2.8 },
];

function against({ rows, cols, rank, seed, runs, threads }) {
  const shape = { rows, cols, seed };
  const file = tallFile(shape);
  const least = new Map();
  let peer = Infinity;
  for (let run = 0; run < runs; ++run) {
    peer = Math.min(peer, numpy(file, shape, { threads, kind: "gram", rank }));
    for (const { name, p, method } of jobs) {
      const result = measureJob({ file, rows, cols, threads, options: { rank, p, method } });
      if (!(result.seconds > least.get(name)?.seconds)) least.set(name, result);
    }
  }
  const table = [["job", "seconds", "numpy A'A, eigh, product, s", "ratio", "limit", "MB beyond matrix and factors"]];
  for (const { name, limit } of jobs) {
    const { seconds: own, beyond } = least.get(name);
    const ratio = Number.isFinite(peer) ? (own / peer).toFixed(2) : "not measured";
    table.push([name, seconds(own), seconds(peer), ratio, `<= ${limit}`, beyond.toFixed(0)]);
  }
  const best = runs > 1 ? `, best of ${runs}` : "";
  print(`${rows} x ${cols} f32, rank ${rank}, seed ${seed}, ${threads} threads each, in turn${best}`, table);
}

/** A symmetric matrix with an even spectrum. */
function symmetric(n) {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; ++i)
    for (let j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = Math.sin(i * 7 + j * j);
  return matrix;
}

async function eigen(n, count, runs) {
  const matrix = symmetric(n);
  const least = [1, 2].map(() => ({ seconds: Infinity, path: Infinity }));
  for (let run = 0; run < runs; ++run) {
    for (const [at, best] of least.entries()) {
      const engine = await ThreadsEngine.create(await inlinedKernel(), { threads: at + 1 }, workerScript);
      // The workers start, and what is compiled first is.
      await engine.dense("eigen", { matrix: symmetric(512), n: 512 });
      const measured = await measure(() => engine.dense("eigen", { matrix, n, count }));
      engine.dispose();
      for (const key of ["seconds", "path"]) best[key] = Math.min(best[key], measured[key]);
    }
  }
  const [one, two] = least;
  const ratio = (key) => (one[key] / two[key]).toFixed(2);
  return [`${n} x ${n}, ${count} vectors`, seconds(one.seconds), seconds(two.seconds), ratio("seconds"), ratio("path")];
}

export async function wide({ rows, cols, rank, seed = 1, runs = 1, threads = 2 }) {
  against({ rows, cols, rank, seed, runs, threads });
  const table = [["eigenvalues and vectors", "1 thread, s", "2 threads, s", "times as fast", "by processor time"]];
  table.push(await eigen(cols / 2, rank / 2, 2), await eigen(cols, rank, 1));
  print("Symmetric matrices, two threads against one", table);
}
