// The main job against numpy.linalg.svd(A, full_matrices=False), both with as many threads, in turn, best of `runs`.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { tallFile } from "./matrix.mjs";
import { numpy } from "./python.mjs";
import { note, print, seconds } from "./table.mjs";

const one = fileURLToPath(new URL("one.mjs", import.meta.url));

/** A job of the library in a process of its own. */
export function measure(job) {
  return JSON.parse(
    execFileSync(process.execPath, [one, JSON.stringify(job)], { encoding: "utf8", maxBuffer: 1 << 28 }),
  );
}

/** What is measured: of which matrix, by which method, and the ratio to numpy that it should stay below. */
const jobs = (rank) => [
  { name: "lowRank p = 1, lewis", options: { rank, p: 1, method: "lewis" }, limit: 0.6 },
  { name: "lowRank p = 2", options: { rank, p: 2 }, limit: 0.35 },
  { name: "lowRank p = 2, report: false", options: { rank, p: 2, report: false }, limit: 0.25 },
  {
    name: "robustSubspace p = 1, tolerance 1e-3",
    method: "robustSubspace",
    options: { rank, p: 1, tolerance: 1e-3 },
    limit: 1.2,
  },
  { name: "lowRank p = 1, auto", options: { rank, p: 1 } },
  { name: "lowRank p = 2, steep: f64 sums", options: { rank, p: 2 }, steep: true },
];

export async function pipeline({ rows, cols, rank, runs = 3, seed = 1, threads = 2 }) {
  const table = [
    [
      "job",
      "seconds",
      "numpy SVD, s",
      "ratio",
      "limit",
      "sweeps",
      "distortion / d^|1/p-1/2|",
      "MB beyond matrix and factors",
    ],
  ];
  for (const steep of [false, true]) {
    const shape = { rows, cols, steep, seed };
    const file = tallFile(shape);
    const wanted = jobs(rank).filter((job) => (job.steep ?? false) === steep);
    let peer = Infinity;
    const least = new Map();
    for (let run = 0; run < runs; ++run) {
      const svd = numpy(file, shape, { threads });
      peer = Number.isNaN(svd) ? NaN : Math.min(peer, svd);
      for (const { name, method, options } of wanted) {
        const result = measure({ file, rows, cols, method, options, threads });
        if (!(result.seconds > least.get(name)?.seconds)) least.set(name, result);
      }
    }
    for (const { name, options, limit } of wanted) {
      const { seconds: own, iterations, beyond, distortion } = least.get(name);
      const ideal = cols ** Math.abs(1 / options.p - 0.5);
      table.push([
        ...[name, seconds(own), seconds(peer), Number.isFinite(peer) ? (own / peer).toFixed(2) : "not measured"],
        ...[
          limit ? `<= ${limit}` : "",
          iterations,
          distortion ? (distortion / ideal).toFixed(4) : "",
          beyond.toFixed(0),
        ],
      ]);
    }
  }
  print(`${rows} x ${cols} f32, rank ${rank}, seed ${seed}, ${threads} threads each, in turn, best of ${runs}`, table);
  note(
    "Each job in a process of its own; seconds are those of the call, memory with the rows that workers keep. numpy is numpy.linalg.svd(A, full_matrices=False).",
  );
  return table;
}
