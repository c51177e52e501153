// A random rotation of k coordinates: the orthonormal factor of a Gaussian matrix.
//
// Yamamoto, Nakatsukasa, Yanagisawa, Fukaya, Roundoff error analysis of the CholeskyQR2 algorithm (2015): G = L Q with
// L L' = G G' loses digits with the square of the condition of G, and doing it twice wins them back.
import type { Run } from "../run.js";
import { inverseCholesky, transpose } from "../basis/small-dense.js";

/** Stream of the random generator. */
const rotationStream = 64;

/** k x k, orthogonal to working precision, the same for the same seed in every engine. Cost: 5 k^3 multiply-adds. */
export async function randomRotation({ engine }: Run, k: number, seed: number): Promise<Float64Array> {
  const draw = { kind: "normal", seed, stream: rotationStream, first: 0, count: k * k } as const;
  let rows = await engine.dense("random", draw);
  const size = { rows: k, inner: k, cols: k };
  for (let pass = 0; pass < 2; ++pass) {
    const gram = await engine.dense("multiply", { left: rows, right: transpose(rows, k, k), ...size });
    const inverse = transpose(await inverseCholesky(engine, gram, k), k, k);
    rows = await engine.dense("multiply", { left: inverse, right: rows, ...size });
  }
  return rows;
}
