// Kronecker rotations: orthogonal matrices that mix all coordinates and take few bytes and operations. Plain arithmetic, no kernel.
//
// Hadamard factors and random signs make the entries of a row nearly normal whatever they were: Ailon, Chazelle, The fast
// Johnson-Lindenstrauss transform (2009); Tseng, Chee, Sun, Kuleshov, De Sa, QuIP# (2024, arXiv 2402.04396). Sizes that are no powers of
// two get a small orthogonal matrix as the other factor.
import type { KroneckerRotation } from "./types/index.js";

/** The other factor has at least so many rows where there are as many, so that it mixes too, and at most so many. */
const leastOrder = 8;
const mostOrder = 128;

/** Coordinates of rows of `cols` entries, and the order of the factor beside the Hadamard matrix. Few sizes are filled up, by 1/64 at most. */
export function rotationSizes(cols: number): { size: number; order: number } {
  let hadamard = 1;
  while (cols % (2 * hadamard) === 0 && cols / (2 * hadamard) >= leastOrder) hadamard *= 2;
  while (Math.ceil(cols / hadamard) > mostOrder) hadamard *= 2;
  const order = Math.ceil(cols / hadamard);
  return { size: order * hadamard, order };
}

/** X <- Q'X, or Q X where it goes back, of the rotation Q and X (D lines of `width`). Cost: (order + log2(D / order)) D width. */
export function rotate(
  X: Float64Array,
  width: number,
  { order, mixing, signs }: KroneckerRotation,
  back: boolean,
): void {
  const lines = signs.length / order;
  if (back) mix(X, width, order, lines, mixing, true);
  else negate(X, width, signs);
  for (let step = 1; step < lines; step *= 2) {
    for (let first = 0; first < signs.length; ++first) {
      if (first & step) continue;
      const end = (first + 1) * width;
      for (let a = first * width, b = a + step * width; a < end; ++a, ++b) {
        const [x, y] = [X[a], X[b]];
        X[a] = x + y;
        X[b] = x - y;
      }
    }
  }
  if (back) negate(X, width, signs);
  else mix(X, width, order, lines, mixing, false);
}

function negate(X: Float64Array, width: number, signs: Int8Array): void {
  signs.forEach((sign, k) => {
    if (sign < 0) for (let i = k * width; i < (k + 1) * width; ++i) X[i] = -X[i];
  });
}

/** Of the lines t, t + lines, t + 2 lines, ... those that mixing' makes of them, or mixing. */
function mix(X: Float64Array, width: number, order: number, lines: number, mixing: Float32Array, back: boolean): void {
  const old = new Float64Array(order * width);
  for (let t = 0; t < lines; ++t) {
    for (let i = 0; i < order; ++i) {
      const from = (i * lines + t) * width;
      old.set(X.subarray(from, from + width), i * width);
    }
    for (let i = 0; i < order; ++i) {
      const out = X.subarray((i * lines + t) * width, (i * lines + t + 1) * width).fill(0);
      for (let k = 0; k < order; ++k) {
        const factor = back ? mixing[i * order + k] : mixing[k * order + i];
        for (let j = 0, at = k * width; j < width; ++j, ++at) out[j] += factor * old[at];
      }
    }
  }
}
