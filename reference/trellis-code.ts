// Trellis codes of equal bits by the definition: the rotation entry by entry, bits read one by one, and feedback as the minimiser that it is.
//
// Shapes   code: as src/types/trellis-code.ts has it, D coordinates; table: the values of its windows; moments: cols x cols
// Cost     D^2 n to decode; of feedback D systems of equations, each by Cholesky: D^4
import { cholesky, solveRows } from "./cholesky.js";
import { type Dense, fill, multiply, transpose, zeros } from "./matrix.js";
import { windowsOf } from "./trellis.js";

export interface Rotation {
  readonly order: number;
  readonly mixing: ArrayLike<number>;
  readonly signs: ArrayLike<number>;
}

export interface EqualBits {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly windowBits: number;
  readonly segment: number;
  readonly codes: Uint8Array;
  readonly scales: ArrayLike<number>;
  readonly scaleLevels: ArrayLike<number>;
  readonly rotation: Rotation;
}

/** D x D */
export function rotationMatrix({ order, mixing, signs }: Rotation): Dense {
  const h = signs.length / order;
  const hadamard = (s: number, t: number) => ((s & t).toString(2).replaceAll("0", "").length % 2 ? -1 : 1);
  return fill(
    signs.length,
    signs.length,
    (r, c) => signs[r] * mixing[Math.floor(r / h) * order + Math.floor(c / h)] * hadamard(r % h, c % h),
  );
}

/** D x (rows, each circle filled up): values of coordinates, before scales. */
export function codedLines({ bits, windowBits, segment, codes, rows, rotation }: EqualBits, table: ArrayLike<number>) {
  const segments = Math.ceil(rows / segment);
  const bytes = (segment * bits) / 8;
  const lines = zeros(rotation.signs.length, segments * segment);
  for (let circle = 0; circle < codes.length / bytes; ++circle)
    windowsOf(codes.subarray(circle * bytes, (circle + 1) * bytes), segment, { bits, windowBits }).forEach(
      (window, i) => (lines.data[circle * segment + i] = table[window]),
    );
  return lines;
}

export function decodeTrellis(code: EqualBits, table: ArrayLike<number>): Dense {
  const { rows, cols, scales, scaleLevels, rotation } = code;
  const whole = transpose(multiply(rotationMatrix(rotation), codedLines(code, table)));
  return fill(rows, cols, (i, j) => scaleLevels[scales[i]] * whole.data[i * whole.cols + j]);
}

/** A times the rotation, zeros beyond its columns. */
export function rotated(a: Dense, rotation: Rotation): Dense {
  const lines = rotation.signs.length;
  const padded = fill(a.rows, lines, (i, j) => (j < a.cols ? a.data[i * a.cols + j] : 0));
  return multiply(padded, rotationMatrix(rotation));
}

/** H + damping, in rotated coordinates: D x D. */
export function rotatedMoments(moments: Dense, rotation: Rotation, damping: number): Dense {
  const d = moments.cols;
  const mean = moments.data.reduce((sum, x, i) => (i % (d + 1) ? sum : sum + x / d), 0);
  const Q = rotationMatrix(rotation);
  const turned = fill(Q.rows, d, (i, j) => Q.data[j * Q.cols + i]);
  const H = multiply(turned, rotated(moments, rotation));
  return fill(Q.rows, Q.rows, (i, j) => H.data[i * Q.rows + j] + (i === j ? damping * mean : 0));
}

/**
 * What line k of a row is to be coded as, after earlier ones erred by `errors`: its own entry less the error that it had best have, if it
 * and all later ones could err by any numbers.
 */
export function bestTarget(H: Dense, k: number, own: number, errors: ArrayLike<number>): number {
  const rest = H.cols - k;
  const G = fill(rest, rest, (i, j) => H.data[(k + i) * H.cols + k + j]);
  const gradient = fill(1, rest, (_, j) => {
    let sum = 0;
    for (let i = 0; i < k; ++i) sum += errors[i] * H.data[i * H.cols + k + j];
    return sum;
  });
  // z G = -gradient; its first entry, by G = L L': z = y L^-1 for y = -gradient L^-T
  const L = cholesky(G);
  const y = solveRows(L, gradient);
  const z = new Float64Array(rest);
  for (let j = rest - 1; j >= 0; --j) {
    let sum = -y.data[j];
    for (let i = j + 1; i < rest; ++i) sum -= z[i] * L.data[i * rest + j];
    z[j] = sum / L.data[j * rest + j];
  }
  return own - z[0];
}

/** tr(E H E') */
export function outputSquares(E: Dense, H: Dense): number {
  const product = multiply(E, H);
  return product.data.reduce((sum, x, i) => sum + x * E.data[i], 0);
}
