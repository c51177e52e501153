// Leverage scores of a block of rows: q_i = |a_i T|_2^2, where T T' is the (pseudo-)inverse of a Gram matrix.
//
// With T = L^-T (G = L L') this is a_i' G^-1 a_i; T upper triangular halves the work. With T = V_r D_r^-1/2 it serves
// matrices whose rank r is below d.
//
// Layout   X  n x d of T, row-major        panels  T packed (gemm.ts), d x m        q  n f64, written
// Memory   the caller owns all of it, the strip too
// Cost     n d m multiply-adds, half of that when triangular
import { PANEL_ROW, highAsF64, lowAsF64, panelCount, panelWidth, sumLanes } from "./lanes";
import { multiplyStrip } from "./gemm";

export function leverageBlock<T>(q: usize, X: usize, n: u32, d: u32, panels: usize, m: u32, triangular: bool, strip: usize): void {
  memory.fill(q, 0, <usize>n << 3);
  const width = panelWidth<T>();
  const count = panelCount<T>(m);
  for (let j: u32 = 0; j < count; ++j) {
    const depth = triangular ? min(d, (j + 1) * width) : d;
    multiplyStrip<T>(strip, X, n, <usize>d * sizeof<T>(), panels + <usize>j * d * PANEL_ROW, depth);
    for (let i: u32 = 0; i < n; ++i) {
      const to = q + (<usize>i << 3);
      store<f64>(to, load<f64>(to) + squares<T>(strip + <usize>i * PANEL_ROW));
    }
  }
}

/** Sum of squares of one 64-byte row, in f64: a row of 1e-30 must not vanish. */
// @ts-ignore: decorator
@inline function squares<T>(row: usize): f64 {
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
