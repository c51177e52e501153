// Divide and conquer for the symmetric tridiagonal eigenproblem T = V' diag(d) V.
//
// Cuppen, A divide and conquer method for the symmetric tridiagonal eigenproblem, Numer. Math. 36 (1981); Gu, Eisenstat, A
// divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem, SIAM J. Matrix Anal. Appl. 16 (1995). T is torn
// into two halves and a matrix of rank one, the halves are solved, and their vectors V are updated: eigen-merge.ts.
//
// Layout   d  n f64, diagonal, becomes the eigenvalues, ascending      e  n f64, off-diagonal, destroyed
//          V  panels of 8 columns, each n rows of 64 bytes: row j belongs to d[j]. Halves begin at multiples of 8 rows, so
//             that no panel holds columns of both. Without vectors there are two panels, which hold what the update needs:
//             panel 0 in lane 0 the first entry of each row of its half, panel 1 in lane 7 the last
//          work  `mergeBytes(n)`      pairs  `mergePairBytes(n, wanted)`
// Memory   the caller owns all of it
// Cost     with all vectors up to n^3 / 3 + n^2 wanted flops; less where much deflates
import { implicitQL } from "./eigen-ql";
import { firstHalf, merge } from "./eigen-merge";
import { swapRows } from "./eigen-rotations";
import { PANEL_ROW, at } from "./lanes";

/** Rows that QL solves. At least 16: halves are rounded up to 8. */
// @ts-ignore: decorator
@inline const LEAF: u32 = 32;

/** Bytes of V. */
export function vectorPanelBytes(n: u32, vectors: bool): usize {
  return <usize>n * (vectors ? (n + 7) >> 3 : 2) * PANEL_ROW;
}

/**
 * Eigenvalues in d, ascending, and the vectors of the last `wanted` of them in V's rows; the other rows are unspecified. The
 * eigenvalues' bits do not depend on `wanted`.
 *
 * @returns 0, or 1 + the index of an eigenvalue that did not converge
 */
export function divideAndConquer(d: usize, e: usize, n: u32, V: usize, wanted: u32, work: usize, pairs: usize): i32 {
  memory.fill(V, 0, vectorPanelBytes(n, wanted > 0));
  return solve(d, e, 0, n, n, V, wanted > 0, wanted, work, pairs);
}

/** The same for rows `low` to `low + size - 1` of n; V is zeroed already. */
export function solve(d: usize, e: usize, low: u32, size: u32, n: u32, V: usize, vectors: bool, wanted: u32, work: usize, pairs: usize): i32 {
  const stride = <usize>n * PANEL_ROW;
  const first = vectors ? low >> 3 : 0;
  // Nobody asks for the ends of the whole matrix's vectors.
  const end: u32 = vectors ? (low + size + 7) >> 3 : size < n ? 2 : 0;
  const rows = V + first * stride + <usize>low * PANEL_ROW;
  if (size <= LEAF) {
    if (vectors) {
      for (let i: u32 = 0; i < size; ++i) {
        store<f64>(at(rows + <usize>(i >> 3) * stride + <usize>i * PANEL_ROW, i & 7), 1);
      }
    } else {
      store<f64>(rows, 1);
      store<f64>(rows + stride + <usize>(size - 1) * PANEL_ROW, 1, 56);
    }
    const failed = implicitQL(at(d, low), at(e, low), size, rows, end - first, stride, work);
    if (failed) return failed + <i32>low;
    sortAscending(at(d, low), size, rows, end - first, stride);
    return 0;
  }
  const half = firstHalf(size);
  const cut = low + half;
  const coupling = load<f64>(at(e, cut - 1));
  store<f64>(at(e, cut - 1), 0);
  store<f64>(at(d, cut - 1), load<f64>(at(d, cut - 1)) - abs<f64>(coupling));
  store<f64>(at(d, cut), load<f64>(at(d, cut)) - abs<f64>(coupling));
  let failed = solve(d, e, low, half, n, V, vectors, half, work, pairs);
  if (!failed) failed = solve(d, e, cut, size - half, n, V, vectors, size - half, work, pairs);
  if (failed) return failed;
  failed = merge(at(d, low), size, half, coupling, rows, stride, vectors, wanted, work, pairs);
  return failed ? failed + <i32>low : 0;
}

/** Few rows: by selection, so that each is moved once. */
function sortAscending(d: usize, n: u32, rows: usize, panels: u32, stride: usize): void {
  for (let i: u32 = 0; i + 1 < n; ++i) {
    let least = i;
    for (let j = i + 1; j < n; ++j) if (load<f64>(at(d, j)) < load<f64>(at(d, least))) least = j;
    if (least == i) continue;
    const x = load<f64>(at(d, i));
    store<f64>(at(d, i), load<f64>(at(d, least)));
    store<f64>(at(d, least), x);
    swapRows(rows, panels, stride, i, least);
  }
}
