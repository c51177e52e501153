// robustSubspace at 50265 x 768 f32, rank 544, p = 1, tolerance 1e-3, against numpy.linalg.svd of the same matrix, one thread,
// in turn, best of `runs`: node bench/subspace.mjs [runs]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLoewner } from "../dist/index.js";
import { tall } from "./matrix.mjs";
import { print } from "./table.mjs";

const runs = Number(process.argv[2] ?? 2);
const [rows, cols, rank, limit] = [50265, 768, 544, 3];
const python = process.env.LOEWNER_PYTHON ?? "python3";
const oneThread = { OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
const folder = mkdtempSync(join(tmpdir(), "loewner-bench-"));
const table = [["matrix", "seconds", "numpy SVD", "ratio", "limit", "sweeps", "below PCA's sum"]];
try {
  const loewner = await createLoewner();
  for (const steep of [false, true]) {
    const a = tall({ rows, cols, steep });
    const file = join(folder, "A.f32");
    writeFileSync(file, new Uint8Array(a.data.buffer));
    let peer = Infinity;
    let least;
    for (let run = 0; run < runs; ++run) {
      const script = fileURLToPath(new URL("numpy-svd.py", import.meta.url));
      const env = { ...process.env, ...oneThread };
      peer = Math.min(peer, Number(execFileSync(python, [script, file, rows, cols], { env, encoding: "utf8" })));
      const result = await loewner.robustSubspace(a, { rank, tolerance: 1e-3 });
      if (!(result.seconds > least?.seconds)) least = result;
    }
    const pca = await loewner.robustSubspace(a, { rank, p: 2 });
    const gain = 1 - least.objective / pca.distances.reduce((sum, x) => sum + x, 0);
    table.push([
      ...[
        steep ? "steep" : "heavy tails",
        least.seconds.toFixed(2),
        peer.toFixed(2),
        (least.seconds / peer).toFixed(2),
      ],
      ...[`<= ${limit}`, least.iterations, `${(100 * gain).toFixed(2)} %`],
    ]);
  }
  loewner.dispose();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
print(`robustSubspace, ${rows} x ${cols} f32, rank ${rank}, p = 1, tolerance 1e-3, one thread, best of ${runs}`, table);
