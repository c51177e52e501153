// Symmetric eigenproblem A = V' diag(w) V: reduction to tridiagonal form, implicit QL, vectors as the rows of V.
//
// Golub, Van Loan, Matrix Computations, 4th edition, 8.3; the steps are in eigen-tridiagonal.ts, eigen-ql.ts and
// eigen-rotations.ts. Rotations of QL act on Q formed beforehand, so that no back-transform is left.
//
// Layout   A     n x n f64, row-major; read: the lower triangle; overwritten: all of it
//          w     n f64
//          work  `eigenWorkBytes(n)`, 16-byte aligned, no zeroing:
//                off-diagonal e (n), reflector scales tau (n), three vectors (n each), reflector block, R = Q', the last
//                panel, rotations
// Memory   the caller owns all of it
// Cost     4 n^3 / 3 flops for the tridiagonal form; with vectors 4 n^3 / 3 for Q and about 8 n^3 for rotations
import { panelRows, rowsFromPanels, rotationBytes } from "./eigen-rotations";
import { formQ, formQBytes, rowStride, tridiagonalise } from "./eigen-tridiagonal";
import { implicitQL } from "./eigen-ql";

/** Bytes of one n-vector, a multiple of 16. */
// @ts-ignore: decorator
@inline function vectorBytes(n: u32): usize {
  return (((<usize>n + 1) & ~1) << 3) + 16;
}

/** Bytes that `eigen` needs as work space, whether with vectors or without. */
export function eigenWorkBytes(n: u32): usize {
  return 5 * vectorBytes(n) + formQBytes(n) + rotationBytes(n);
}

/**
 * Eigenvalues, largest first, in w; when `vectors` is not 0, row j of A becomes the unit eigenvector of w[j].
 *
 * The same bits on every engine; eigenvalues are the same with and without vectors. Off by a few n epsilon |A|.
 *
 * @returns 0, or 1 + the index of an eigenvalue that did not converge, A and w then being unspecified; 1 when the lower
 * triangle holds NaN or infinity.
 */
export function eigen(A: usize, w: usize, n: u32, work: usize, vectors: i32): i32 {
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
  const block = scratch + 3 * vectorBytes(n);
  const rotations = block + formQBytes(n);
  tridiagonalise(A, n, w, e, tau, scratch, vectorBytes(n));

  let R: usize = 0;
  if (vectors) {
    R = formQ(A, n, tau, block);
    panelRows(A, R, rowStride(n), n, rotations);
  }
  const failed = implicitQL(w, e, n, vectors ? A : 0, rotations);
  if (failed) return failed;

  if (vectors) {
    // e holds the order from here on: n places of 8 bytes for n u32.
    sortDescending(w, n, e, true);
    rowsFromPanels(R, A, n, rotations, e);
    memory.copy(A, R, (<usize>n * n) << 3);
  } else sortDescending(w, n, e, false);
  if (shift != 0) {
    const scale = powerOfTwo(shift);
    for (let to = w, end = w + (<usize>n << 3); to < end; to += 8) store<f64>(to, load<f64>(to) * scale);
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

/** Sorts w, largest first, equal ones in the order they came; order[j] (u32) = where w[j] was, when `track`. */
function sortDescending(w: usize, n: u32, order: usize, track: bool): void {
  if (track) store<u32>(order, 0);
  for (let i: u32 = 1; i < n; ++i) {
    const x = load<f64>(w + (<usize>i << 3));
    let j = i;
    for (; j > 0; --j) {
      const before = load<f64>(w + (<usize>(j - 1) << 3));
      if (before >= x) break;
      store<f64>(w + (<usize>j << 3), before);
      if (track) store<u32>(order + (<usize>j << 2), load<u32>(order + (<usize>(j - 1) << 2)));
    }
    store<f64>(w + (<usize>j << 3), x);
    if (track) store<u32>(order + (<usize>j << 2), i);
  }
}
