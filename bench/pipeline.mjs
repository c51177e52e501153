// The main job against numpy.linalg.svd(A, full_matrices=False), both on one thread, in turn, best of `runs`.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tall } from "./matrix.mjs";
import { print } from "./table.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const python = process.env.LOEWNER_PYTHON ?? "python3";
const oneThread = { OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };

export function numpy(file, { rows, cols }) {
  try {
    return Number(
      execFileSync(python, [here("numpy-svd.py"), file, rows, cols], {
        env: { ...process.env, ...oneThread },
        stdio: ["ignore", "pipe", "ignore"],
      }),
    );
  } catch {
    return NaN;
  }
}

export async function pipeline({ rows, cols, rank, runs = 2, seed = 1 }) {
  const jobs = [
    ["p = 2", false, { rank, p: 2 }, 0.4],
    ["p = 1, lewis", false, { rank, p: 1, method: "lewis" }, 0.9],
    ["p = 1, auto", false, { rank, p: 1 }, 1.5],
    ["p = 2, steep: f64 sums", true, { rank, p: 2 }, 0.5],
  ];
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-"));
  const table = [
    ["job", "seconds", "numpy SVD", "ratio", "limit", "MB beyond matrix and factors", "distortion / d^|1/p-1/2|"],
  ];
  let measured = true;
  try {
    for (const steep of [false, true]) {
      const shape = { rows, cols, steep, seed };
      const file = join(folder, "A.f32");
      writeFileSync(file, new Uint8Array(tall(shape).data.buffer));
      let peer = Infinity;
      const least = new Map();
      for (let run = 0; run < runs; ++run) {
        peer = Math.min(peer, numpy(file, shape));
        for (const [name, isSteep, options] of jobs) {
          if (isSteep !== steep) continue;
          const result = JSON.parse(
            execFileSync(process.execPath, [here("one.mjs"), JSON.stringify({ shape, options })], { encoding: "utf8" }),
          );
          if (!(result.seconds > least.get(name)?.seconds)) least.set(name, result);
        }
      }
      measured &&= Number.isFinite(peer);
      for (const [name, isSteep, { p }, limit] of jobs) {
        if (isSteep !== steep) continue;
        const { seconds, beyond, distortion } = least.get(name);
        const ideal = cols ** Math.abs(1 / p - 0.5);
        table.push([
          name,
          seconds.toFixed(2),
          Number.isFinite(peer) ? peer.toFixed(2) : "-",
          Number.isFinite(peer) ? (seconds / peer).toFixed(2) : "not measured",
          `<= ${limit}`,
          beyond.toFixed(0),
          (distortion / ideal).toFixed(4),
        ]);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  print(
    `lowRank, ${rows} x ${cols} f32, rank ${rank}, seed ${seed}, one thread, best of ${runs}; memory limit 200 MB`,
    table,
  );
  if (!measured)
    console.log(`  numpy was not found by ${python}: pip install numpy, or name another Python in LOEWNER_PYTHON.`);
  return table;
}
