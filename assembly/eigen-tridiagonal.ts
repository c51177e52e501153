// Householder reduction of a symmetric matrix to tridiagonal form, A = Q T Q'.
//
// Dongarra, Hammarling, Sorensen, Block reduction of matrices to condensed forms for eigenvalue computations, LAPACK Working
// Note 2 (1987); LAPACK dlatrd. The last row first, so that reflectors are rows. Within a block of rows, what is left of the
// matrix is read once a row and not written: what earlier rows of the block take off, sum u w' + w u', is subtracted from the
// products, and from the matrix when the block is done.
//
// Layout   A     n x n f64, row-major, lower triangle; row i becomes reflector u_i (i entries, the last one 1), H_i =
//                I - tau_i u_i u_i', and Q = H_n-1 ... H_2. What lies above the diagonal is overwritten
//          d     n f64, diagonal of T      e    n f64, e[i] between d[i] and d[i + 1]; the last one 0
//          X     u and w of a block, side by side, `rowBytes(n)` each, and coefficients behind them: `blockBytes(n)`
//          work  `tridiagonalBytes(n)`: X, products of parts of the matrix (eigen-symmetric.ts), and room for the update
// Memory   the caller owns all of it
// Cost     4 n^3 / 3 flops, half of them in products of matrices
import { addFours, addParts, dotFours, multiplyParts, partsOf, subtractBlock, updateBytes } from "./eigen-symmetric";
import { at, dot } from "./lanes";

/** Rows of a block. An even number, and at least 7: `subtractBlock` writes as many columns beyond the matrix it updates. */
// @ts-ignore: decorator
@inline export const BLOCK: u32 = 16;

/** Where squares would lose digits to underflow, a row is measured 2^500 times larger. */
const TINY: f64 = reinterpret<f64>(<u64>(1023 - 400) << 52);
const UP: f64 = reinterpret<f64>(<u64>(1023 + 500) << 52);
const DOWN: f64 = reinterpret<f64>(<u64>(1023 - 500) << 52);

/** Bytes of a vector in X. */
// @ts-ignore: decorator
@inline export function rowBytes(n: u32): usize {
  return ((<usize>n + 1) & ~1) << 3;
}

/** Bytes of X, which is to be zeroed once: what is read beyond what was written must be numbers. */
export function blockBytes(n: u32): usize {
  return 2 * BLOCK * (rowBytes(n) + 8);
}

export function tridiagonalBytes(n: u32): usize {
  return blockBytes(n) + partsOf(n) * rowBytes(n) + updateBytes(n, 2 * BLOCK);
}

/** First row of the block that ends before row `end`. */
// @ts-ignore: decorator
@inline export function blockStart(end: u32): u32 {
  return end > BLOCK ? end - BLOCK : 1;
}

/** T in d and e, reflectors in A and tau. Entries of A are at most 4. */
export function tridiagonalise(A: usize, n: u32, d: usize, e: usize, tau: usize, work: usize): void {
  const stride = rowBytes(n), parts = partsOf(n);
  const X = work, Y = X + blockBytes(n), room = Y + parts * stride;
  memory.fill(X, 0, blockBytes(n));
  store<f64>(at(e, n - 1), 0);
  store<f64>(tau, 0);
  for (let end = n; end > 1; ) {
    const start = blockStart(end);
    let some = false;
    for (let i = end - 1; i >= start; --i) {
      // Nothing to reflect: a diagonal matrix costs n^2.
      if (!reflectRow(A + ((<usize>i * n) << 3), n, i, end, X, d, e, tau, some)) continue;
      const u = X + 2 * <usize>(end - 1 - i) * stride;
      multiplyParts(Y, stride, A, n, false, i, u, 0, parts);
      addParts(Y, stride, i, parts);
      finishRow(Y, n, i, end, X, load<f64>(at(tau, i)), some);
      some = true;
    }
    if (start == 1) store<f64>(A, lastEntry(load<f64>(A), n, end, X));
    else if (some) subtractBlock(A, n, false, start, X, stride, 2 * BLOCK, 0, parts, room);
    end = start;
  }
  store<f64>(d, load<f64>(A));
}

/**
 * Row i of a block that ends before row `end` becomes u_i, in X too, and its w_i there zeros; d_i, e_i-1 and tau_i are found.
 * `some`: a reflector of this block is not I.
 *
 * @returns whether this one is not
 */
export function reflectRow(row: usize, n: u32, i: u32, end: u32, X: usize, d: usize, e: usize, tau: usize, some: bool): bool {
  const stride = rowBytes(n), c = X + 2 * BLOCK * stride;
  const before: u32 = 2 * (end - 1 - i);
  const u = X + before * stride;
  if (some) {
    for (let k: u32 = 0; k < before; ++k) store<f64>(at(c, k), load<f64>(at(X + k * stride, i)));
    crossNegated(c, before);
    addFours(row, X, stride, before, i + 1, c);
  }
  store<f64>(at(d, i), load<f64>(at(row, i)));
  const t = reflector(row, i, at(e, i - 1));
  store<f64>(at(tau, i), t);
  memory.copy(u, row, <usize>i << 3);
  memory.fill(u + stride, 0, <usize>i << 3);
  return t != 0;
}

/** w_i from y = A u_i, A as it was when the block began. */
export function finishRow(y: usize, n: u32, i: u32, end: u32, X: usize, t: f64, some: bool): void {
  const stride = rowBytes(n), c = X + 2 * BLOCK * stride;
  const before: u32 = 2 * (end - 1 - i);
  const u = X + before * stride, w = u + stride;
  memory.copy(w, y, <usize>i << 3);
  if (some) {
    dotFours(c, u, X, stride, before, i);
    crossNegated(c, before);
    addFours(w, X, stride, before, i, c);
  }
  const half = 0.5 * t * t * dot(w, u, i);
  for (let j: usize = 0; j < <usize>i << 3; j += 8) store<f64>(w + j, t * load<f64>(w + j) - half * load<f64>(u + j));
}

/** The first entry of A after the last block, which ended before row `end`, from what it was before. */
export function lastEntry(corner: f64, n: u32, end: u32, X: usize): f64 {
  const stride = rowBytes(n);
  for (let k: u32 = 0, count: u32 = 2 * (end - 1); k < count; k += 2) {
    corner -= 2 * load<f64>(X + k * stride) * load<f64>(X + (k + 1) * stride);
  }
  return corner;
}

/**
 * What the vectors u and w of a block measured becomes the coefficients that take sum u w' + w u' off: each gets its partner's,
 * negated. Those that fill `count` up to a multiple of four become 0.
 */
function crossNegated(c: usize, count: u32): void {
  for (let k: u32 = 0; k < count; k += 2, c += 16) {
    const both = v128.load(c);
    v128.store(c, f64x2.neg(v128.shuffle<f64>(both, both, 1, 0)));
  }
  if (count & 2) v128.store(c, f64x2.splat(0));
}

/** Makes x (count entries) the u, u[count - 1] = 1, of the reflector that leaves `beta` as x's last entry alone; its tau. */
function reflector(x: usize, count: u32, beta: usize): f64 {
  const last = x + (<usize>(count - 1) << 3);
  let peak: f64 = 0;
  for (let at = x; at < last; at += 8) peak = max<f64>(peak, abs<f64>(load<f64>(at)));
  let alpha = load<f64>(last);
  const small = max<f64>(peak, abs<f64>(alpha)) < TINY;
  if (small) {
    for (let at = x; at < last; at += 8) store<f64>(at, load<f64>(at) * UP);
    alpha *= UP;
  }
  const sigma = dot(x, x, count - 1);
  store<f64>(last, 1);
  if (sigma == 0) {
    store<f64>(beta, small ? alpha * DOWN : alpha);
    memory.fill(x, 0, last - x);
    return 0;
  }
  const r = sqrt<f64>(alpha * alpha + sigma);
  const b = alpha > 0 ? -r : r;
  const scale = 1 / (alpha - b);
  for (let at = x; at < last; at += 8) store<f64>(at, load<f64>(at) * scale);
  store<f64>(beta, small ? b * DOWN : b);
  return (b - alpha) / b;
}
