// The matrix that is measured: 50265 x 768 f32 like RoBERTa's table, low rank plus noise with the condition of a trained table
// (sigma_1 / sigma_d about 30), row norms with a heavy tail; or, "steep":
// rows 1000 times larger than the rest and a spectrum j^-1.5, where f32 sums do not suffice.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { uniform } from "../examples/embedding.mjs";

const bell = (seed, i) => (uniform(seed, 3 * i) + uniform(seed, 3 * i + 1) + uniform(seed, 3 * i + 2) - 1.5) * 2;

export function tall({ rows, cols, steep = false, seed = 1 }) {
  const data = new Float32Array(rows * cols);
  const rank = steep ? 0 : Math.min(cols >> 2, 64);
  const directions = Float32Array.from({ length: rank * cols }, (_, i) => bell(seed, i));
  const decay = Float32Array.from({ length: cols }, (_, j) => (j + 1) ** -1.5);
  const row = new Float32Array(cols);
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < cols; ++j) row[j] = bell(seed + 1, i * cols + j) * (steep ? decay[j] : 0.5);
    for (let k = 0; k < rank; ++k) {
      const w = bell(seed + 2, i * rank + k) / Math.sqrt(k + 4);
      for (let j = 0; j < cols; ++j) row[j] += w * directions[k * cols + j];
    }
    const u = uniform(seed + 3, i);
    const size = steep ? (u < 0.02 ? 1000 : 1) : u ** -0.4;
    for (let j = 0; j < cols; ++j) data[i * cols + j] = size * row[j];
  }
  return { data, rows, cols };
}

/**
 * The same in a file of raw f32, for programs beside this one. It takes 20 s to make at full size, and is kept in build/bench/ as
 * long as this script is what it was.
 */
export function tallFile({ rows, cols, steep = false, seed = 1 }) {
  const made = createHash("sha256")
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest("hex")
    .slice(0, 8);
  const folder = fileURLToPath(new URL("../build/bench/", import.meta.url));
  const file = `${folder}${rows}x${cols}${steep ? "-steep" : ""}-${seed}-${made}.f32`;
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${file}.part`, tall({ rows, cols, steep, seed }).data);
  renameSync(`${file}.part`, file);
  return file;
}

/** `tall`, read from its file. */
export function loadTall(shape) {
  const { rows, cols } = shape;
  return { data: new Float32Array(readFileSync(tallFile(shape)).buffer, 0, rows * cols), rows, cols };
}

/** Heavy-tailed rows again, 4096 directions that return at other lengths: a gigabyte takes a second or two. */
export function long({ rows, cols, seed = 1 }) {
  const some = tall({ rows: Math.min(rows, 4096), cols, seed });
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const from = (i % some.rows) * cols;
    const length = uniform(seed + 4, i) ** -0.25;
    for (let j = 0, to = i * cols; j < cols; ++j) data[to + j] = length * some.data[from + j];
  }
  return { data, rows, cols };
}
