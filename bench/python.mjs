// The peers in Python, each job in a process of its own.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { note } from "./table.mjs";

const python = process.env.LOEWNER_PYTHON ?? "python3";
const script = fileURLToPath(new URL("numpy-svd.py", import.meta.url));

/** BLAS gets as many threads as it is compared with, and chooses its kernels for the processor by itself. */
function environment(threads) {
  const env = { ...process.env };
  for (const name of ["OPENBLAS", "OMP", "MKL"]) env[`${name}_NUM_THREADS`] = String(threads);
  for (const name of ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]) delete env[name];
  return env;
}

function run(args, threads) {
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...args.map(String)], {
    env: environment(threads),
    encoding: "utf8",
  });
  if (error) return { missing: `${python} could not be started; name a Python with numpy in LOEWNER_PYTHON.` };
  if (status === 3)
    return {
      missing: `${python} has no ${stdout.trim()}: ${python} -m pip install ${stdout.trim()}, or name another in LOEWNER_PYTHON.`,
    };
  if (status !== 0) return { missing: `${python} ${script} failed: ${stderr.trim().split("\n").pop()}` };
  return { text: stdout.trim() };
}

const told = new Set();

/**
 * Seconds that a decomposition of the f32 matrix in `file` takes; NaN when it cannot be had, which is said once.
 * @param options.kind "svd", "gram" or "randomized": see numpy-svd.py
 */
export function numpy(file, { rows, cols }, { threads = 1, kind = "svd", rank = cols } = {}) {
  const { text, missing } = run([file, rows, cols, kind, rank], threads);
  if (missing && !told.has(missing)) note(`Not measured: ${missing}`);
  told.add(missing);
  return text === undefined ? NaN : Number(text);
}

/** Python, numpy with its BLAS, scikit-learn; or what is missing. */
export function pythonVersions() {
  const { text, missing } = run(["-", 0, 0, "version"], 1);
  return text ?? missing;
}
