// Symmetric eigenproblem A = V' diag(w) V: reduction to tridiagonal form, divide and conquer, vectors as the rows of V.
//
// Golub, Van Loan, Matrix Computations, 4th edition, 8.3 and 8.4; the steps are in eigen-tridiagonal.ts, eigen-divide.ts and
// eigen-back.ts.
//
// Layout   A     n x n f64, row-major; read: the lower triangle; overwritten: all of it
//          w     n f64
//          work  `eigenWorkBytes(n, count)`, 16-byte aligned, no zeroing: off-diagonal e (n), reflector scales tau (n), room
//                for the reduction or one merge, the tridiagonal's vectors V, a merge's vectors S or the rows asked for
// Memory   the caller owns all of it. Beyond A about 8 n^2 + 8 n max(count, n / 4) bytes, without vectors about 1300 n
// Cost     4 n^3 / 3 flops for the tridiagonal form; with vectors at most n^3 / 3 + n^2 count for V, and 2 n^2 count for what
//          the reflectors make of them
import { applyReflectors, packReversed, reflectorWorkBytes, rowPairBytes, unpackRows } from "./eigen-back";
import { divideAndConquer, vectorPanelBytes } from "./eigen-divide";
import { mergeBytes, mergePairBytes } from "./eigen-merge";
import { tridiagonalBytes, tridiagonalise } from "./eigen-tridiagonal";
import { at } from "./lanes";

/** Bytes of one n-vector, a multiple of 16. */
// @ts-ignore: decorator
@inline function vectorBytes(n: u32): usize {
  return (((<usize>n + 1) & ~1) << 3) + 16;
}

/** Bytes of V, whose place the reflectors take when it is done with. */
// @ts-ignore: decorator
@inline function panelsBytes(n: u32, count: u32): usize {
  return count ? max<usize>(vectorPanelBytes(n, true), reflectorWorkBytes(n)) : vectorPanelBytes(n, false);
}

/** Bytes that `eigen` needs as work space. */
export function eigenWorkBytes(n: u32, count: u32): usize {
  const rows = count ? max<usize>(mergePairBytes(n, count), rowPairBytes(n, count)) : 0;
  return 2 * vectorBytes(n) + max<usize>(tridiagonalBytes(n), mergeBytes(n)) + panelsBytes(n, count) + rows;
}

/**
 * Eigenvalues, largest first, in w; row j of A, j < count, becomes the unit eigenvector of w[j], the other rows are then
 * unspecified.
 *
 * The same bits on every engine; eigenvalues are the same for every count, and vectors too. Off by a few n epsilon |A|.
 *
 * @returns 0, or 1 + the index of an eigenvalue that did not converge, A and w then being unspecified; 1 when the lower
 * triangle holds NaN or infinity.
 */
export function eigen(A: usize, w: usize, n: u32, work: usize, count: u32): i32 {
  if (n == 0) return 0;
  const peak = largest(A, n);
  if (!(peak < Infinity)) return 1;
  // 2^-shift brings the largest entry near 1 and is a normal number, as is its inverse.
  const exponent = <i32>(reinterpret<u64>(peak) >> 52) - 1023;
  const shift = peak == 0 ? 0 : max(-1022, min(1022, exponent));
  if (shift != 0) scaleLower(A, n, powerOfTwo(-shift));

  const e = work;
  const tau = e + vectorBytes(n);
  const scratch = tau + vectorBytes(n);
  const V = scratch + max<usize>(tridiagonalBytes(n), mergeBytes(n));
  tridiagonalise(A, n, w, e, tau, scratch);

  // Without vectors the reflectors are not needed: their place is.
  const pairs = count ? V + panelsBytes(n, count) : A;
  const failed = divideAndConquer(w, e, n, V, count, scratch, pairs);
  if (failed) return failed;
  if (count) {
    packReversed(pairs, V, n, count);
    applyReflectors(A, false, n, tau, pairs, count, V);
    unpackRows(A, pairs, n, count);
  }

  const scale = powerOfTwo(shift);
  for (let i: u32 = 0, j = n - 1; i <= j; ++i, --j) {
    const x = load<f64>(at(w, i)) * scale;
    store<f64>(at(w, i), load<f64>(at(w, j)) * scale);
    store<f64>(at(w, j), x);
    if (j == 0) break;
  }
  return 0;
}

// @ts-ignore: decorator
@inline function powerOfTwo(exponent: i32): f64 {
  return reinterpret<f64>(<u64>(exponent + 1023) << 52);
}

/** Largest magnitude in the lower triangle; NaN or infinity when there is one. */
function largest(A: usize, n: u32): f64 {
  let peak: f64 = 0;
  let poison: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const row = A + ((<usize>i * n) << 3);
    for (let at = row, end = row + (<usize>i << 3); at <= end; at += 8) {
      const x = abs<f64>(load<f64>(at));
      // 0 for finite x, else NaN.
      poison += x - x;
      peak = x > peak ? x : peak;
    }
  }
  return peak + poison;
}

function scaleLower(A: usize, n: u32, scale: f64): void {
  for (let i: u32 = 0; i < n; ++i) {
    const row = A + ((<usize>i * n) << 3);
    for (let at = row, end = row + (<usize>i << 3); at <= end; at += 8) store<f64>(at, load<f64>(at) * scale);
  }
}
