// Leverage scores of a block of rows: q_i = |a_i T|_2^2, where T T' is the (pseudo-)inverse of a Gram matrix.
//
// With T = L^-T (G = L L') this is a_i' G^-1 a_i; T upper triangular halves the work. With T = V_r D_r^-1/2 it serves
// matrices whose rank r is below d.
//
// Layout   pairs  X, n x d, packed (gemm.ts)        panels  T packed (gemm.ts), d x m        q  n f64, written
// Memory   the caller owns all of it, the strip too
// Cost     n d m multiply-adds, half of that when triangular
import { PANEL_ROW, highAsF64, lowAsF64, panelCount, panelWidth, sumLanes } from "./lanes";
import { multiplyStrip } from "./gemm";

export function leverageBlock<T>(q: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, triangular: bool, strip: usize): void {
  memory.fill(q, 0, <usize>n << 3);
  const width = panelWidth<T>();
  const count = panelCount<T>(m);
  for (let j: u32 = 0; j < count; ++j) {
    const depth = triangular ? min(d, (j + 1) * width) : d;
    multiplyStrip<T>(strip, pairs, n, d, panels + <usize>j * d * PANEL_ROW, depth);
    for (let i: u32 = 0; i < n; ++i) {
      const to = q + (<usize>i << 3);
      store<f64>(to, load<f64>(to) + rowSquares<T>(strip + <usize>i * PANEL_ROW));
    }
  }
}

/** Sum of squares of one 64-byte row, in f64: a row of 1e-30 must not vanish. */
// @ts-ignore: decorator
@inline function rowSquares<T>(row: usize): f64 {
  let sum = f64x2.splat(0);
  for (let v: usize = 0; v < PANEL_ROW; v += 16) {
    const x = v128.load(row + v);
    const low = lowAsF64<T>(x);
    sum = f64x2.add(sum, f64x2.mul(low, low));
    if (sizeof<T>() == 4) {
      const high = highAsF64(x);
      sum = f64x2.add(sum, f64x2.mul(high, high));
    }
  }
  return sumLanes(sum);
}

/**
 * q_i <- (sqrt(q_i) + factor |x_i|)^2, an upper bound of the true q_i when `factor` bounds the error of the product beside
 * |x_i|; `squares` holds |x_i|^2. What a certificate takes from f32 products must err on the safe side.
 */
export function inflate(q: usize, squares: usize, n: u32, factor: f64): void {
  for (let o: usize = 0, end = <usize>n << 3; o < end; o += 8) {
    const root = sqrt<f64>(load<f64>(q + o)) + factor * sqrt<f64>(load<f64>(squares + o));
    store<f64>(q + o, root * root);
  }
}
