// The way back from whitened coordinates (whiten.ts): P with y = P x for x = T y, and P x = 0 on the null space of G.
import type { Whitening } from "./whiten.js";

/** @returns P, rank x d, row-major. Cost: d^3 / 6 divisions and multiply-adds, or rank d */
export function whitenInverse(
  { transform, rank, triangular: isTriangular }: Whitening,
  G: Float64Array,
  d: number,
): Float64Array {
  return isTriangular ? triangular(transform, d) : spectral(transform, G, d, rank);
}

/** Of an upper triangular matrix. */
function triangular(T: Float64Array, d: number): Float64Array {
  const R = new Float64Array(d * d);
  for (let j = 0; j < d; ++j) {
    R[j * d + j] = 1 / T[j * d + j];
    for (let i = j - 1; i >= 0; --i) {
      let sum = 0;
      for (let k = i + 1; k <= j; ++k) sum += T[i * d + k] * R[k * d + j];
      R[i * d + j] = -sum / T[i * d + i];
    }
  }
  return R;
}

/** T = S V D^(-1/2) with S = diag(G)^(-1/2) and V orthonormal (whiten.ts), so D^(1/2) V' S^-1 = D T' S^-2 inverts it, 1 / D = |S^-1 T_k|^2. */
function spectral(T: Float64Array, G: Float64Array, d: number, rank: number): Float64Array {
  const P = new Float64Array(rank * d);
  for (let k = 0; k < rank; ++k) {
    let size = 0;
    for (let j = 0; j < d; ++j) size += T[j * rank + k] * T[j * rank + k] * G[j * d + j];
    for (let j = 0; j < d; ++j) P[k * d + j] = (T[j * rank + k] * G[j * d + j]) / size;
  }
  return P;
}
