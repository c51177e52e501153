// Cholesky factor A = L L' and inverse of a triangular factor, both in place.
//
// Golub, Van Loan, Matrix Computations, 4th edition, 4.2.9 (the dot-product form, by blocks); Higham, Accuracy and
// Stability of Numerical Algorithms, 14.2 (method 1 by rows). Row-major storage makes every inner loop run along rows.
//
// Large matrices are taken by blocks of columns or rows, and what earlier ones do to a block is a product of packed panels.
//
// Layout   A, L  n x n f64, row-major, lower triangle. The strict upper triangle is not read; work `factorWorkBytes(n)`
// Memory   the caller owns all of it
// Cost     n^3 / 6 multiply-adds each
import { packTransposed } from "./eigen-back";
import { copyRow } from "./eigen-rotations";
import { addStrip } from "./gemm";
import { PANEL_ROW, at, dot } from "./lanes";
import { addRow, addRows, dotsFrom } from "./row-tile";

/** Columns (Cholesky) or rows (inverse) finished together: 32 rows of 768 stay in the second-level cache. A multiple of 4. */
// @ts-ignore: decorator
@inline const BLOCK: u32 = 32;

/** Columns of the inverse taken at a time: a block of rows, cut to these, stays in the first-level cache. A multiple of 4. */
// @ts-ignore: decorator
@inline const STRIP: u32 = 96;

/** Columns or rows of a large block. A multiple of BLOCK and 8. */
// @ts-ignore: decorator
@inline const WIDE: u32 = 128;

/** Rows that are packed together. Even. */
// @ts-ignore: decorator
@inline const CHUNK: u32 = 32;

/** Bytes of panels of up to n rows, a chunk in pairs, a strip of a chunk, what an odd number of rows spills, the diagonal. */
export function factorWorkBytes(n: u32): usize {
  return ((<usize>n * (WIDE + CHUNK + 1)) << 3) + <usize>(CHUNK + 2) * PANEL_ROW;
}

// @ts-ignore: decorator
@inline function entry(A: usize, n: u32, i: u32, j: u32): usize {
  return A + ((<usize>i * n + j) << 3);
}

/**
 * Replaces the lower triangle of A by L, A = L L'.
 *
 * @returns -1, or the index of the first pivot that is not positive, not above `tolerance` times the diagonal entry of A it
 * came from, or not finite (NaN and infinity anywhere to its left end up in it); rows from there on are then unfinished.
 */
export function choleskySmall(A: usize, n: u32, tolerance: f64): i32 {
  return columns(A, n, 0, n, 0, tolerance);
}

/** The same, faster for large A; above the diagonal A is overwritten. */
export function cholesky(A: usize, n: u32, tolerance: f64, work: usize): i32 {
  const lda = <usize>n << 3;
  const diagonal = work, panels = diagonal + lda;
  for (let i: u32 = 0; i < n; ++i) store<f64>(at(diagonal, i), load<f64>(entry(A, n, i, i)));
  for (let j0: u32 = 0; j0 < n; j0 += WIDE) {
    const j1 = min(j0 + WIDE, n);
    if (j0 > 0) {
      const pairs = panels + ((<usize>WIDE * j0) << 3);
      const whole = (j1 - j0) & ~7;
      packTransposed(panels, entry(A, n, j0, 0), lda, whole, j0);
      for (let r = j0; r < n; r += CHUNK) {
        const rows = min(CHUNK, n - r);
        packScaled(pairs, entry(A, n, r, 0), lda, rows, j0, -1);
        const room = pairs + ((<usize>CHUNK * j0) << 3);
        for (let c: u32 = 0; c < whole && j0 + c < r + rows; c += 8) {
          addStrip(entry(A, n, r, j0 + c), lda, pairs, rows, j0, panels + ((<usize>c * j0) << 3), j0, room);
        }
        // Up to seven columns that fill no panel.
        for (let c = j0 + whole; c < j1; ++c) {
          for (let i = max(r, c); i < r + rows; ++i) {
            const to = entry(A, n, i, c);
            store<f64>(to, load<f64>(to) - dot(entry(A, n, i, 0), entry(A, n, c, 0), j0));
          }
        }
      }
    }
    const bad = columns(A, n, j0, j1, diagonal, tolerance);
    if (bad >= 0) return bad;
  }
  return -1;
}

/** `count` entries of rows `lda` bytes apart, times `factor`, in pairs; an odd last row is paired with itself. */
function packScaled(pairs: usize, X: usize, lda: usize, rows: u32, count: u32, factor: f64): void {
  const f = f64x2.splat(factor);
  for (let i: u32 = 0; i < rows; i += 2, X += lda << 1) {
    let y = i + 1 < rows ? X + lda : X;
    for (let x = X, end = at(X, count); x < end; x += 16, y += 16, pairs += 32) {
      const a = f64x2.mul(f, v128.load(x)), b = f64x2.mul(f, v128.load(y));
      v128.store(pairs, v128.shuffle<f64>(a, b, 0, 2));
      v128.store(pairs, v128.shuffle<f64>(a, b, 1, 3), 16);
    }
  }
}

/**
 * Columns `from` to `to` - 1 of the factor, those before `from` having been taken off already; `diagonal`: of A as it was, 0
 * where it still is.
 */
function columns(A: usize, n: u32, from: u32, to: u32, diagonal: usize, tolerance: f64): i32 {
  const stride = <usize>n << 3;
  for (let j0 = from; j0 < to; j0 += BLOCK) {
    const j1 = min(j0 + BLOCK, to);
    for (let i = j0; i < n; i += 4) {
      const end = min(i + 4, n);
      const below = min(i, j1);
      for (let j = j0; j < below; j += 4) {
        for (let r = i; r < end; r += 2) {
          const row = entry(A, n, r, from);
          const L = entry(A, n, j, from);
          if (r + 1 < end) {
            dotsFrom(row, row + stride, L, stride, j - from, entry(A, n, r, j), entry(A, n, r + 1, j));
            solveFour(entry(A, n, r + 1, j), entry(A, n, j, j), stride);
          } else {
            for (let k: u32 = 0; k < 4; ++k) {
              const to = entry(A, n, r, j + k);
              store<f64>(to, load<f64>(to) - dot(row, entry(A, n, j + k, from), j - from));
            }
          }
          solveFour(entry(A, n, r, j), entry(A, n, j, j), stride);
        }
      }
      if (i < j1) {
        const bad = diagonalFour(A, n, from, i, end, diagonal, tolerance);
        if (bad >= 0) return bad;
      }
    }
  }
  return -1;
}

/** x (4 f64) <- x L4^-T, L4 the 4 x 4 triangle at L: the last step of four entries of a row. */
// @ts-ignore: decorator
@inline function solveFour(x: usize, L: usize, stride: usize): void {
  const L1 = L + stride, L2 = L1 + stride, L3 = L2 + stride;
  const x0 = load<f64>(x) / load<f64>(L);
  const x1 = (load<f64>(x, 8) - x0 * load<f64>(L1)) / load<f64>(L1, 8);
  const x2 = (load<f64>(x, 16) - x0 * load<f64>(L2) - x1 * load<f64>(L2, 8)) / load<f64>(L2, 16);
  const x3 = (load<f64>(x, 24) - x0 * load<f64>(L3) - x1 * load<f64>(L3, 8) - x2 * load<f64>(L3, 16)) / load<f64>(L3, 24);
  store<f64>(x, x0);
  store<f64>(x, x1, 8);
  store<f64>(x, x2, 16);
  store<f64>(x, x3, 24);
}

/** Rows i ... end - 1 of the factor, from column i on; all columns before are finished, those before `from` are taken off. The bad pivot, or -1. */
function diagonalFour(A: usize, n: u32, from: u32, i: u32, end: u32, diagonal: usize, tolerance: f64): i32 {
  for (let r = i; r < end; ++r) {
    const row = entry(A, n, r, from);
    for (let c = i; c < r; ++c) {
      const to = entry(A, n, r, c);
      store<f64>(to, (load<f64>(to) - dot(row, entry(A, n, c, from), c - from)) / load<f64>(entry(A, n, c, c)));
    }
    const to = entry(A, n, r, r);
    const before = diagonal ? load<f64>(at(diagonal, r)) : load<f64>(to);
    const pivot = load<f64>(to) - dot(row, row, r - from);
    // Written so that NaN, which no comparison holds for, counts as bad.
    if (!(pivot > 0 && pivot > tolerance * before && pivot < Infinity)) return r;
    store<f64>(to, sqrt<f64>(pivot));
  }
  return -1;
}

/**
 * Replaces the lower triangular L by its inverse X.
 *
 * Row i of X is -(sum over k < i of l_ik x_k) / l_ii, x_k the rows before. Entry (i, k) is l_ik until row k has been taken
 * and a sum from then on, so k must go up; and no sum left of column k needs l_ik' with k' < k, so strips of columns may
 * be finished one after the other.
 */
export function triangularInverse(L: usize, n: u32, work: usize): void {
  for (let first: u32 = 0; first < n; first += WIDE) {
    const end = min(first + WIDE, n);
    if (first > 0) multiplyBlock(L, n, first, end, work);
    invertRows(L, n, first, end);
  }
}

/** Columns before `first` of rows `first` to `end` - 1 become L X; X: the rows above, which are finished. */
function multiplyBlock(L: usize, n: u32, first: u32, end: u32, work: usize): void {
  const lda = <usize>n << 3;
  const panel = work, pairs = panel + <usize>first * PANEL_ROW;
  const chunk = (<usize>CHUNK * first) << 3;
  const room = pairs + ((<usize>WIDE * first) << 3);
  for (let r = first, to = pairs; r < end; r += CHUNK, to += chunk) {
    const rows = min(CHUNK, end - r);
    packScaled(to, entry(L, n, r, 0), lda, rows, first, 1);
    for (let i = r; i < r + rows; ++i) memory.fill(entry(L, n, i, 0), 0, <usize>first << 3);
  }
  for (let c: u32 = 0; c < first; c += 8) {
    // The panel's first rows end at the diagonal.
    memory.fill(panel, 0, PANEL_ROW << 3);
    for (let k = c, to = panel; k < c + 8; ++k, to += PANEL_ROW) {
      memory.copy(to, entry(L, n, k, c), <usize>(k + 1 - c) << 3);
    }
    let to = panel + (PANEL_ROW << 3);
    for (let from = entry(L, n, c + 8, c), rest = first - c - 8; rest > 0; --rest, from += lda, to += PANEL_ROW) copyRow(to, from);
    for (let r = first, from = pairs + (<usize>c << 4); r < end; r += CHUNK, from += chunk) {
      addStrip(entry(L, n, r, c), lda, from, min(CHUNK, end - r), first, panel, first - c, room);
    }
  }
}

/** Rows `first` to `end` - 1; columns before `first` hold what the rows above add to them already. */
function invertRows(L: usize, n: u32, first: u32, end: u32): void {
  for (let i0 = first; i0 < end; i0 += BLOCK) {
    const i1 = min(i0 + BLOCK, end);
    for (let j0: u32 = 0; j0 < i0; j0 += STRIP) {
      const j1 = min(j0 + STRIP, i0);
      for (let k = max(j0, first); k < i0; k += 4) addFour(L, n, i0, i1, k, j0, min(k, j1), k < j1);
    }
    for (let i = i0; i < i1; ++i) {
      const row = entry(L, n, i, 0);
      for (let k = i0; k < i; ++k) {
        const factor = load<f64>(row + (<usize>k << 3));
        const X = entry(L, n, k, 0);
        store<f64>(row + (<usize>k << 3), 0);
        addRow(row, factor, X, k + 1);
      }
      const scale = 1 / load<f64>(row + (<usize>i << 3));
      for (let to = row, end = row + (<usize>i << 3); to < end; to += 8) store<f64>(to, -scale * load<f64>(to));
      store<f64>(row + (<usize>i << 3), scale);
    }
  }
}

/** Adds l_ik x_k for k ... k + 3 to rows i0 ... i1 - 1, columns j0 ... j1 - 1, and to columns k ... k + 3 when `corner`. */
function addFour(L: usize, n: u32, i0: u32, i1: u32, k: u32, j0: u32, j1: u32, corner: bool): void {
  const stride = <usize>n << 3;
  const X = entry(L, n, k, j0);
  const X0 = entry(L, n, k, k), X1 = X0 + stride, X2 = X1 + stride, X3 = X2 + stride;
  for (let i = i0; i < i1; i += 2) {
    const last = i + 1 == i1;
    const l = entry(L, n, i, k);
    const row = entry(L, n, i, j0);
    if (!last) addRows(row, row + stride, X, stride, j1 - j0, l, l + stride);
    else for (let t: u32 = 0; t < 4; ++t) addRow(row, load<f64>(l + (<usize>t << 3)), X + stride * t, j1 - j0);
    if (!corner) continue;
    for (let from = l, end = last ? l : l + stride; from <= end; from += stride) {
      const l0 = load<f64>(from), l1 = load<f64>(from, 8), l2 = load<f64>(from, 16), l3 = load<f64>(from, 24);
      store<f64>(from, l0 * load<f64>(X0) + l1 * load<f64>(X1) + l2 * load<f64>(X2) + l3 * load<f64>(X3));
      store<f64>(from, l1 * load<f64>(X1, 8) + l2 * load<f64>(X2, 8) + l3 * load<f64>(X3, 8), 8);
      store<f64>(from, l2 * load<f64>(X2, 16) + l3 * load<f64>(X3, 16), 16);
      store<f64>(from, l3 * load<f64>(X3, 24), 24);
    }
  }
}
