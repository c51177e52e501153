// ml-matrix's singular value decomposition of a raw f32 file: node ml-matrix.mjs FILE ROWS COLS CALLS. Prints seconds, the fastest.
import { readFileSync } from "node:fs";
import { Matrix, SingularValueDecomposition } from "ml-matrix";

const [file, ...sizes] = process.argv.slice(2);
const [rows, cols, calls] = sizes.map(Number);
const a = Matrix.from1DArray(
  rows,
  cols,
  Float64Array.from(new Float32Array(readFileSync(file).buffer, 0, rows * cols)),
);
let least = Infinity;
for (let call = 0; call < calls; ++call) {
  const start = performance.now();
  new SingularValueDecomposition(a);
  least = Math.min(least, performance.now() - start);
}
console.log(least / 1000);
