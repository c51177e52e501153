// @jax-js/jax's singular value decomposition on its wasm backend, of a raw f32 file: node jax.mjs FILE ROWS COLS CALLS. Prints
// seconds, the fastest; it computes when its results are asked for.
import { readFileSync } from "node:fs";
import { defaultDevice, init, numpy } from "@jax-js/jax";

const [file, ...sizes] = process.argv.slice(2);
const [rows, cols, calls] = sizes.map(Number);
const data = new Float32Array(readFileSync(file).buffer, 0, rows * cols);
await init("wasm");
defaultDevice("wasm");
let least = Infinity;
for (let call = 0; call < calls; ++call) {
  const a = numpy.array(data.slice(), { shape: [rows, cols] });
  await a.ref.data();
  const start = performance.now();
  const results = numpy.linalg.svd(a, { fullMatrices: false });
  for (const result of results) await result.data();
  least = Math.min(least, performance.now() - start);
}
console.log(least / 1000);
