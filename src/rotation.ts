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
  let step = 1;
  for (; 2 * step < lines; step *= 4) hadamardTwice(X, width, signs.length, step);
  if (step < lines) hadamard(X, width, signs.length, step);
  if (back) negate(X, width, signs);
  else mix(X, width, order, lines, mixing, false);
}

/** Sums and differences of lines that are `step` apart. */
function hadamard(X: Float64Array, width: number, lines: number, step: number): void {
  for (let first = 0; first < lines; ++first) {
    if (first & step) continue;
    const end = (first + 1) * width;
    for (let a = first * width, b = a + step * width; a < end; ++a, ++b) {
      const [x, y] = [X[a], X[b]];
      X[a] = x + y;
      X[b] = x - y;
    }
  }
}

/** The same, and then of lines that are 2 * step apart. */
function hadamardTwice(X: Float64Array, width: number, lines: number, step: number): void {
  const apart = step * width;
  for (let first = 0; first < lines; ++first) {
    if (first & (3 * step)) continue;
    for (let a = first * width, end = a + width; a < end; ++a) {
      const b = a + apart,
        c = b + apart,
        d = c + apart;
      const w = X[a] + X[b],
        x = X[a] - X[b],
        y = X[c] + X[d],
        z = X[c] - X[d];
      X[a] = w + y;
      X[b] = x + z;
      X[c] = w - y;
      X[d] = x - z;
    }
  }
}

function negate(X: Float64Array, width: number, signs: Int8Array): void {
  signs.forEach((sign, k) => {
    if (sign < 0) for (let i = k * width; i < (k + 1) * width; ++i) X[i] = -X[i];
  });
}

/** Of the lines t, t + lines, t + 2 lines, ... those that mixing' makes of them, or mixing. Columns in strips that stay near. */
function mix(X: Float64Array, width: number, order: number, lines: number, mixing: Float32Array, back: boolean): void {
  const strip = Math.min(width, 256);
  const old = new Float64Array(order * strip);
  const factors = new Float64Array(order * order);
  for (let i = 0; i < order; ++i)
    for (let k = 0; k < order; ++k) factors[i * order + k] = back ? mixing[i * order + k] : mixing[k * order + i];
  for (let t = 0; t < lines; ++t) {
    for (let first = 0; first < width; first += strip) {
      const count = Math.min(strip, width - first);
      for (let i = 0; i < order; ++i) {
        const from = (i * lines + t) * width + first;
        for (let j = 0; j < count; ++j) old[i * strip + j] = X[from + j];
      }
      for (let i = 0; i < order; ++i)
        addLines(X, (i * lines + t) * width + first, count, factors, i * order, order, old, strip);
    }
  }
}

/** Line `out` of X: the sum of the lines of `old`, each times its factor, in order. */
function addLines(
  X: Float64Array,
  out: number,
  count: number,
  factors: Float64Array,
  from: number,
  order: number,
  old: Float64Array,
  strip: number,
): void {
  X.fill(0, out, out + count);
  let k = 0;
  for (; k + 4 <= order; k += 4) {
    const [a, b, c, d] = [factors[from + k], factors[from + k + 1], factors[from + k + 2], factors[from + k + 3]];
    const p = k * strip;
    const q = p + strip;
    const r = q + strip;
    const s = r + strip;
    for (let j = 0; j < count; ++j)
      X[out + j] = X[out + j] + a * old[p + j] + b * old[q + j] + c * old[r + j] + d * old[s + j];
  }
  for (; k < order; ++k) {
    const factor = factors[from + k];
    for (let j = 0, at = k * strip; j < count; ++j, ++at) X[out + j] += factor * old[at];
  }
}
