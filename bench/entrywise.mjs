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
  return table;
}
