// Rows times the orthogonal matrix of a tridiagonal reduction, R <- R Q' = R H_2 ... H_n-1: from eigenvectors of T to those of A.
//
// Schreiber, Van Loan, A storage-efficient WY representation for products of Householder transformations, SIAM J. Sci. Stat.
// Comput. 10 (1989). Reflectors are applied in blocks: R <- R (I - U S U') as R + P W with P = R U, W = -S U'.
//
// Layout   A      n x n f64, row i the reflector u_i, tau n f64: as eigen-tridiagonal.ts leaves them; or packed, one reflector
//                 behind the other
//          pairs  R, `rowPairBytes`: pairs of rows side by side (gemm.ts), each `rowWidth(n)` columns, zeros behind the n-th
//          work   `reflectorWorkBytes(n)`
// Memory   the caller owns all of it
// Cost     2 n^2 flops a row
import { addPairs, packPanels } from "./gemm";
import { PANEL_ROW, at, dot } from "./lanes";
import { addRows } from "./row-tile";

/** Reflectors applied together. A multiple of 8. */
// @ts-ignore: decorator
@inline const BLOCK: u32 = 32;
/** Rows of R taken at a time, even: they stay in the second-level cache from one product to the next. */
// @ts-ignore: decorator
@inline const ROWS: u32 = 64;

/** Columns of a packed row: n rounded up to whole panels. */
// @ts-ignore: decorator
@inline export function rowWidth(n: u32): u32 {
  return (n + 7) & ~7;
}

/** Bytes of `count` packed rows. */
export function rowPairBytes(n: u32, count: u32): usize {
  return (<usize>rowWidth(n) * ((count + 1) & ~1)) << 3;
}

/** Bytes that `applyReflectors` needs: U and W, both again in panels, S, P. */
export function reflectorWorkBytes(n: u32): usize {
  return ((<usize>4 * BLOCK * rowWidth(n) + BLOCK * BLOCK + ROWS * BLOCK) << 3);
}

/** Bytes before reflector i where they are packed; before the n-th, all of them. */
export function reflectorOffset(i: u32): usize {
  return (<usize>i * (i - 1)) << 2;
}

/** R <- R Q', for `count` rows. */
export function applyReflectors(A: usize, packed: bool, n: u32, tau: usize, pairs: usize, count: u32, work: usize): void {
  const block = (<usize>BLOCK * rowWidth(n)) << 3;
  const U = work, W = U + block, panelsU = W + block, panelsW = panelsU + block;
  const S = panelsW + block, P = S + ((BLOCK * BLOCK) << 3);
  const pair = <usize>rowWidth(n) << 4;
  for (let i0: u32 = 1; i0 < n; i0 += BLOCK) {
    const here = min(BLOCK, n - i0);
    const length = i0 + here - 1;
    const width = rowWidth(length);
    const stride = <usize>width << 3;
    // Zeros behind short reflectors, and whole rows of them in the last block, make all sizes those of panels.
    const depth = (here + 7) & ~7;
    for (let k: u32 = 0; k < depth; ++k) {
      const i = min(i0 + k, n - 1);
      const filled = k < here ? <usize>i << 3 : 0;
      memory.copy(U + k * stride, A + (packed ? reflectorOffset(i) : (<usize>i * n) << 3), filled);
      memory.fill(U + k * stride + filled, 0, stride - filled);
    }
    combine(U, W, S, stride, here, depth, width, at(tau, i0));
    packTransposed(panelsU, U, stride, depth, width);
    packPanels<f64>(panelsW, W, depth, width);
    for (let r: u32 = 0; r < count; r += ROWS) {
      const rows = min(ROWS, count - r);
      const R = pairs + (r >> 1) * pair;
      memory.fill(P, 0, (<usize>depth * ((rows + 1) & ~1)) << 3);
      for (let k: u32 = 0; k < depth; k += 8) {
        addPairs(P + (<usize>k << 4), <usize>depth << 4, R, rows, rowWidth(n), panelsU + (<usize>k * stride), length);
      }
      for (let c: u32 = 0; c < width; c += 8) {
        addPairs(R + (<usize>c << 4), pair, P, rows, depth, panelsW + ((<usize>c * depth) << 3), depth);
      }
    }
  }
}

/** R = the last `count` rows of V, from the last one up; V in panels of n rows. */
export function packReversed(pairs: usize, V: usize, n: u32, count: u32): void {
  const pair = <usize>rowWidth(n) << 4;
  for (let c: u32 = 0; c < n; c += 8, V += <usize>n * PANEL_ROW) {
    let to = pairs + (<usize>c << 4);
    let from = V + <usize>(n - 1) * PANEL_ROW;
    for (let r: u32 = 0; r < count; r += 2, to += pair, from -= PANEL_ROW << 1) {
      for (let o: usize = 0; o < PANEL_ROW; o += 16) {
        const a = v128.load(from + o);
        const b = r + 1 < count ? v128.load(from + o - PANEL_ROW) : f64x2.splat(0);
        v128.store(to + (o << 1), v128.shuffle<f64>(a, b, 0, 2));
        v128.store(to + (o << 1), v128.shuffle<f64>(a, b, 1, 3), 16);
      }
    }
  }
}

/** Row r of A, n f64 each = row r of R, `count` of them. */
export function unpackRows(A: usize, pairs: usize, n: u32, count: u32): void {
  const pair = <usize>rowWidth(n) << 4;
  for (let r: u32 = 0; r < count; ++r) {
    let from = pairs + (r >> 1) * pair + (<usize>(r & 1) << 3);
    for (let end = A + (<usize>n << 3); A < end; A += 8, from += 16) store<f64>(A, load<f64>(from));
  }
}

/** The first `length` entries of `depth` rows of U, `stride` bytes apart, as the columns of panels; depth a multiple of 8. */
export function packTransposed(panels: usize, U: usize, stride: usize, depth: u32, length: u32): void {
  for (let k: u32 = 0; k < depth; k += 8) {
    let from = U + k * stride;
    for (const end = at(from, length); from < end; from += 8, panels += PANEL_ROW) {
      for (let m: u32 = 0; m < 8; ++m) store<f64>(panels + (<usize>m << 3), load<f64>(from + m * stride));
    }
  }
}

/** W = -S U', S upper triangular with H_first ... H_last = I - U S U'; `depth` - `count` rows of W are zeros. */
function combine(U: usize, W: usize, S: usize, stride: usize, count: u32, depth: u32, length: u32, tau: usize): void {
  memory.fill(S, 0, (BLOCK * BLOCK) << 3);
  for (let k: u32 = 0; k < count; ++k) {
    const t = load<f64>(at(tau, k));
    const uk = U + k * stride;
    // W's first entries serve as room for U' u_k.
    for (let m: u32 = 0; m < k; ++m) store<f64>(at(W, m), dot(U + m * stride, uk, length));
    for (let l: u32 = 0; l < k; ++l) {
      let sum: f64 = 0;
      for (let m = l; m < k; ++m) sum += load<f64>(at(S, l * BLOCK + m)) * load<f64>(at(W, m));
      store<f64>(at(S, l * BLOCK + k), -t * sum);
    }
    store<f64>(at(S, k * BLOCK + k), t);
  }
  for (let to = S, end = S + ((BLOCK * BLOCK) << 3); to < end; to += 8) store<f64>(to, -load<f64>(to));
  memory.fill(W, 0, depth * stride);
  for (let k: u32 = 0; k < depth; k += 2) {
    const s0 = at(S, k * BLOCK), s1 = at(S, (k + 1) * BLOCK);
    for (let l = k & ~3; l < depth; l += 4) {
      addRows(W + k * stride, W + (k + 1) * stride, U + l * stride, stride, length, at(s0, l), at(s1, l));
    }
  }
}
