// Cholesky factor of a symmetric positive definite matrix, and the inverse of a triangular one.
//
// Golub, Van Loan, Matrix computations, 4.2 (row by row: every sum is a dot product of two contiguous rows) and 3.1.
//
// Layout   A, L  n x n f64, row-major; only the lower triangle is read and written
// Memory   in place
// Cost     n^3 / 6 multiply-adds each
import { at, dot } from "./lanes";

/**
 * A = L L', L in A's lower triangle. Returns -1, or the index of the first pivot that is not above `tolerance` times its
 * own diagonal entry, or not finite; A is then half done.
 */
export function cholesky(A: usize, n: u32, tolerance: f64): i32 {
  for (let i: u32 = 0; i < n; ++i) {
    const row = A + ((<usize>i * n) << 3);
    for (let j: u32 = 0; j < i; ++j) {
      const other = A + ((<usize>j * n) << 3);
      store<f64>(at(row, j), (load<f64>(at(row, j)) - dot(row, other, j)) / load<f64>(at(other, j)));
    }
    const diagonal = load<f64>(at(row, i));
    const pivot = diagonal - dot(row, row, i);
    if (!(pivot > tolerance * diagonal) || pivot == Infinity) return <i32>i;
    store<f64>(at(row, i), sqrt<f64>(pivot));
  }
  return -1;
}

/** L <- L^-1. Row i of the inverse is -1 / l_ii times the sum of l_ik times its rows k < i, and 1 / l_ii on the diagonal. */
export function triangularInverse(L: usize, n: u32): void {
  for (let i: u32 = 0; i < n; ++i) {
    const row = L + ((<usize>i * n) << 3);
    // Place k is read before anything is added to it: rows before k end before it.
    for (let k: u32 = 0; k < i; ++k) {
      const l = load<f64>(at(row, k));
      store<f64>(at(row, k), 0);
      addScaled(row, l, L + ((<usize>k * n) << 3), k + 1);
    }
    const inverse = 1 / load<f64>(at(row, i));
    for (let k: u32 = 0; k < i; ++k) store<f64>(at(row, k), -inverse * load<f64>(at(row, k)));
    store<f64>(at(row, i), inverse);
  }
}

/** y += a x, n entries. */
// @ts-ignore: decorator
@inline function addScaled(y: usize, a: f64, x: usize, n: u32): void {
  const s = f64x2.splat(a);
  let i: u32 = 0;
  for (; i + 2 <= n; i += 2) v128.store(at(y, i), f64x2.add(v128.load(at(y, i)), f64x2.mul(s, v128.load(at(x, i)))));
  if (i < n) store<f64>(at(y, i), load<f64>(at(y, i)) + a * load<f64>(at(x, i)));
}
