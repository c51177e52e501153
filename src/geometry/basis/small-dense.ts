// Dense steps on small matrices held by a driver, f64, + - * / and sqrt only, so the same bits in every engine.
// The kernel's own (run.engine.dense) serve d x d steps between sweeps; these serve loops that touch one row at a time.
import type { Engine } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";

/** x . y of two runs of entries. Four partial sums. */
export function dot(x: Float64Array, xAt: number, y: Float64Array, yAt: number, count: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let e = 0;
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    a += x[xAt + k] * y[yAt + k];
    b += x[xAt + k + 1] * y[yAt + k + 1];
    c += x[xAt + k + 2] * y[yAt + k + 2];
    e += x[xAt + k + 3] * y[yAt + k + 3];
  }
  for (; k < count; ++k) a += x[xAt + k] * y[yAt + k];
  return a + b + (c + e);
}

/** Columns that are factored together, so that the rest of the matrix is read once for all of them. */
const panel = 48;

/**
 * Cholesky factor in place: the lower triangle of G (n x n, row-major) becomes L, G = L L'; the upper is not touched.
 * @returns -1, or the first pivot that was not above `tolerance` times its diagonal entry. Cost: n^3 / 6 multiply-adds.
 */
export function choleskyInPlace(G: Float64Array, n: number, tolerance = 0): number {
  const diagonal = new Float64Array(n);
  for (let i = 0; i < n; ++i) diagonal[i] = G[i * n + i];
  for (let from = 0; from < n; from += panel) {
    const to = Math.min(n, from + panel);
    for (let i = from; i < n; ++i) {
      for (let j = from; j < Math.min(i, to); ++j) {
        G[i * n + j] = (G[i * n + j] - dot(G, i * n + from, G, j * n + from, j - from)) / G[j * n + j];
      }
      if (i >= to) continue;
      const pivot = G[i * n + i] - dot(G, i * n + from, G, i * n + from, i - from);
      if (!(pivot > tolerance * diagonal[i])) return i;
      G[i * n + i] = Math.sqrt(pivot);
    }
    subtractOuter(G, n, from, to);
  }
  return -1;
}

/** G_ij -= sum of L_ik L_jk over the panel's columns k, for to <= j <= i; two rows and two columns at a time. */
function subtractOuter(G: Float64Array, n: number, from: number, to: number): void {
  for (let i = to; i < n; i += 2) {
    const pair = i + 1 < n ? n : 0;
    for (let j = to; j <= i; j += 2) {
      const next = j + 1 < n ? n : 0;
      let a = 0;
      let b = 0;
      let c = 0;
      let e = 0;
      for (let x = i * n + from, y = j * n + from; x < i * n + to; ++x, ++y) {
        a += G[x] * G[y];
        b += G[x] * G[y + next];
        c += G[x + pair] * G[y];
        e += G[x + pair] * G[y + next];
      }
      G[i * n + j] -= a;
      if (next && j < i) G[i * n + j + 1] -= b;
      if (pair) G[(i + 1) * n + j] -= c;
      if (pair && next) G[(i + 1) * n + j + 1] -= e;
    }
  }
}

/** B <- B L^-T for the rows of B (m x n). Cost: m n^2 / 2 multiply-adds. */
export function solveRowsInPlace(L: Float64Array, n: number, B: Float64Array, m: number): void {
  for (let i = 0; i < m; ++i) {
    const row = i * n;
    for (let j = 0; j < n; ++j) B[row + j] = (B[row + j] - dot(B, row, L, j * n, j)) / L[j * n + j];
  }
}

/** x <- (L L')^-1 x. */
export function solveInPlace(L: Float64Array, n: number, x: Float64Array): void {
  solveRowsInPlace(L, n, x, 1);
  for (let j = n - 1; j >= 0; --j) {
    x[j] /= L[j * n + j];
    for (let k = 0; k < j; ++k) x[k] -= L[j * n + k] * x[j];
  }
}

/** sum_i u_i b_i b_i' of the rows of B (m x d), both triangles. Rows of weight 0 cost nothing. */
export function weightedGram(B: Float64Array, m: number, d: number, u: Float64Array): Float64Array {
  const G = new Float64Array(d * d);
  for (let i = 0; i < m; ++i) {
    if (u[i] === 0) continue;
    for (let p = 0; p < d; ++p) {
      const x = u[i] * B[i * d + p];
      for (let q = 0; q <= p; ++q) G[p * d + q] += x * B[i * d + q];
    }
  }
  for (let p = 0; p < d; ++p) for (let q = 0; q < p; ++q) G[q * d + p] = G[p * d + q];
  return G;
}

/** M x */
export function timesVector(M: Float64Array, x: Float64Array): Float64Array {
  const d = x.length;
  const y = new Float64Array(M.length / d);
  for (let i = 0; i < y.length; ++i) y[i] = dot(M, i * d, x, 0, d);
  return y;
}

export function sumOfSquares(x: Float64Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return sum;
}

/** diag(scale) M, M row-major with as many rows as there are scales. */
export function scaleRows(matrix: Float64Array, scale: Float64Array): Float64Array {
  const width = matrix.length / scale.length;
  const result = new Float64Array(matrix.length);
  for (let i = 0; i < scale.length; ++i) {
    for (let k = i * width; k < (i + 1) * width; ++k) result[k] = matrix[k] * scale[i];
  }
  return result;
}

export function transpose(matrix: Float64Array, rows: number, cols: number): Float64Array {
  const result = new Float64Array(rows * cols);
  // In strips of columns, whose rows of the result stay near.
  for (let first = 0; first < cols; first += 16) {
    const end = Math.min(cols, first + 16);
    for (let i = 0; i < rows; ++i) for (let j = first; j < end; ++j) result[j * rows + i] = matrix[i * cols + j];
  }
  return result;
}

/** X (n x n) transposed in its own memory. */
export function transposeInPlace(X: Float64Array, n: number): void {
  for (let first = 0; first < n; first += 16) {
    const end = Math.min(n, first + 16);
    for (let i = first + 1; i < n; ++i) {
      for (let j = first; j < Math.min(end, i); ++j) {
        const x = X[i * n + j];
        X[i * n + j] = X[j * n + i];
        X[j * n + i] = x;
      }
    }
  }
}

/** Sum of the diagonal of H (d x d). */
export function trace(H: Float64Array, d: number): number {
  let sum = 0;
  for (let at = 0; at < d * d; at += d + 1) sum += H[at];
  return sum;
}

/** X (m x k) times Y (k x d). */
export function product(X: Float64Array, Y: Float64Array, m: number, k: number, d: number): Float64Array {
  const Z = new Float64Array(m * d);
  for (let i = 0; i < m; ++i) {
    for (let l = 0; l < k; ++l) {
      const x = X[i * k + l];
      if (x !== 0) for (let j = 0; j < d; ++j) Z[i * d + j] += x * Y[l * d + j];
    }
  }
  return Z;
}

/** X X' of X (m x k), both triangles. */
export function outer(X: Float64Array, m: number, k: number): Float64Array {
  const G = new Float64Array(m * m);
  for (let i = 0; i < m; ++i) {
    for (let j = 0; j <= i; ++j) G[i * m + j] = G[j * m + i] = dot(X, i * k, X, j * k, k);
  }
  return G;
}

/** Makes each of `count` rows of length D orthogonal to a unit vector. */
export function removeAlong(rows: Float64Array, unit: Float64Array, count: number, D: number): void {
  for (let i = 0; i < count; ++i) {
    const along = dot(rows, i * D, unit, 0, D);
    for (let j = 0; j < D; ++j) rows[i * D + j] -= along * unit[j];
  }
}

/**
 * Orthonormal basis of the span of the rows of B (m x d), as columns: d x rank. Each is the farthest from the span of those
 * before; its largest entry is positive.
 */
export function orthonormalSpan(B: Float64Array, m: number, d: number, rank: number): Float64Array {
  const rest = B.slice();
  const Q = new Float64Array(d * rank);
  const units: Float64Array[] = [];
  for (let k = 0; k < rank; ++k) {
    let far = 0;
    let size = -1;
    for (let i = 0; i < m; ++i) {
      const square = dot(rest, i * d, rest, i * d, d);
      if (square > size) [far, size] = [i, square];
    }
    let unit = rest.slice(far * d, (far + 1) * d);
    // What is left of a row may be little: a second pass makes it orthogonal to working precision.
    for (let pass = 0; pass < 2; ++pass) {
      for (const before of units) removeAlong(unit, before, 1, d);
      const length = Math.sqrt(dot(unit, 0, unit, 0, d));
      unit = unit.map((x) => x / length);
    }
    const top = unit.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
    if (top < 0) unit = unit.map((x) => -x);
    units.push(unit);
    for (let j = 0; j < d; ++j) Q[j * rank + k] = unit[j];
    removeAlong(rest, unit, m, d);
  }
  return Q;
}

/** log |det X| of X (n x n), by elimination with pivots, rows scaled first; 0 for n = 0. */
export async function logAbsDeterminant(engine: Engine, X: Float64Array, n: number): Promise<number> {
  const A = X.slice();
  const factors = new Float64Array(2 * n);
  for (let i = 0; i < n; ++i) {
    let top = 0;
    for (let j = 0; j < n; ++j) top = Math.max(top, Math.abs(A[i * n + j]));
    factors[n + i] = top;
    for (let j = 0; j < n; ++j) A[i * n + j] /= top;
  }
  for (let k = 0; k < n; ++k) {
    let pivot = k;
    for (let i = k + 1; i < n; ++i) if (Math.abs(A[i * n + k]) > Math.abs(A[pivot * n + k])) pivot = i;
    for (let j = k; j < n; ++j) [A[k * n + j], A[pivot * n + j]] = [A[pivot * n + j], A[k * n + j]];
    factors[k] = Math.abs(A[k * n + k]);
    for (let i = k + 1; i < n; ++i) {
      const x = A[i * n + k] / A[k * n + k];
      for (let j = k; j < n; ++j) A[i * n + j] -= x * A[k * n + j];
    }
  }
  const logs = await engine.dense("log", factors);
  return logs.reduce((sum, x) => sum + x, 0);
}

/** L^-T of G = L L', for a G that is near the identity or was made of independent rows. */
export async function inverseCholesky(engine: Engine, G: Float64Array, n: number): Promise<Float64Array> {
  const result = await engine.dense("inverseCholesky", { matrix: G, n, tolerance: 0 });
  if ("inverse" in result) return result.inverse;
  throw new InvalidInputError(
    `A ${n} x ${n} Gram matrix is not positive definite (pivot ${result.failedPivot}): its rows depend on each other.`,
  );
}
