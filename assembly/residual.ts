// Residual R = A - left right of a block, in every norm of the report, without R ever being written.
//
// Layout   X       n x d of S, row-major, or 0 for zeros        left  n x k packed in pairs (gemm.ts)
//          panels  right (k x d) packed (gemm.ts)        s  n f64 or 0 for ones: row weights
//          rows    3 n f64, written: sums of |r|, r^2, |r|^p for each row (p = Infinity: the largest |r|)
//          out     7 f64: sum s |r|^p, sum s |r|, sum s |r_i|_2, sum s r^2, largest |r_i|_2, its row (first + i),
//                  and at p = Infinity the largest |r| of rows with s_i > 0 (the first is then 0)
// Sums     the product in T, everything after the subtraction in f64; entries are multiplied by `unit` first
// Cost     n d k multiply-adds and a few operations an entry; |r|^p by square roots when 4p is whole, else by pow
import { PANEL_ROW, highAsF64, loadAs, loadVector, lowAsF64, panelCount, panelWidth, sumLanes } from "./lanes";
import { multiplyStrip } from "./gemm";

/** |x|^p for two lanes, x >= 0. `quarters` is 4p when that is a whole number below 16, else 0. */
// @ts-ignore: decorator
@inline export function power(x: v128, p: f64, quarters: u32): v128 {
  if (quarters == 0) return f64x2(Math.pow(f64x2.extract_lane(x, 0), p), Math.pow(f64x2.extract_lane(x, 1), p));
  let y = f64x2.splat(1);
  if (quarters & 8) y = f64x2.mul(x, x);
  if (quarters & 4) y = f64x2.mul(y, x);
  if (quarters & 3) {
    const root = f64x2.sqrt(x);
    if (quarters & 2) y = f64x2.mul(y, root);
    if (quarters & 1) y = f64x2.mul(y, f64x2.sqrt(root));
  }
  return y;
}

/** The sums of every row. */
export function residualRows<S, T>(
  rows: usize, X: usize, n: u32, d: u32, left: usize, k: u32, panels: usize, p: f64, unit: f64, strip: usize,
): void {
  const width = panelWidth<T>();
  const count = panelCount<T>(d);
  const lanes = <u32>(16 / sizeof<T>());
  const quarters: u32 = p * 4 == Math.floor(p * 4) && p < 4 ? <u32>(p * 4) : 0;
  const needTop = p == Infinity;
  const needPower = p != 1 && p != 2 && !needTop;
  const u = f64x2.splat(unit);
  memory.fill(rows, 0, 24 * <usize>n);
  for (let j: u32 = 0; j < count; ++j) {
    multiplyStrip<T>(strip, left, n, k, panels + <usize>j * k * PANEL_ROW, k);
    const here = min(width, d - j * width);
    for (let i: u32 = 0; i < n; ++i) {
      const y = strip + <usize>i * PANEL_ROW;
      const x = X + (<usize>i * d + j * width) * sizeof<S>();
      let one = f64x2.splat(0), two = one, pow = one;
      let c: u32 = 0;
      for (; c + lanes <= here; c += lanes) {
        const o = <usize>c * sizeof<T>();
        let r = v128.load(y + o);
        if (X) r = v128.sub<T>(loadVector<S, T>(x + <usize>c * sizeof<S>()), r);
        let a = f64x2.mul(f64x2.abs(lowAsF64<T>(r)), u);
        one = f64x2.add(one, a);
        two = f64x2.add(two, f64x2.mul(a, a));
        if (needPower) pow = f64x2.add(pow, power(a, p, quarters));
        else if (needTop) pow = f64x2.max(pow, a);
        if (sizeof<T>() == 4) {
          a = f64x2.mul(f64x2.abs(highAsF64(r)), u);
          one = f64x2.add(one, a);
          two = f64x2.add(two, f64x2.mul(a, a));
          if (needPower) pow = f64x2.add(pow, power(a, p, quarters));
          else if (needTop) pow = f64x2.max(pow, a);
        }
      }
      for (; c < here; ++c) {
        const o = <usize>c * sizeof<T>();
        const xc: T = X ? loadAs<S, T>(x + <usize>c * sizeof<S>()) : <T>0;
        const a = f64x2(<f64>abs<T>(xc - load<T>(y + o)) * unit, 0);
        one = f64x2.add(one, a);
        two = f64x2.add(two, f64x2.mul(a, a));
        if (needPower) pow = f64x2.add(pow, f64x2.replace_lane(power(a, p, quarters), 1, 0));
        else if (needTop) pow = f64x2.max(pow, a);
      }
      const row = rows + 24 * <usize>i;
      store<f64>(row, load<f64>(row) + sumLanes(one));
      store<f64>(row, load<f64>(row, 8) + sumLanes(two), 8);
      const third = load<f64>(row, 16);
      if (needTop) store<f64>(row, max(third, max(f64x2.extract_lane(pow, 0), f64x2.extract_lane(pow, 1))), 16);
      else store<f64>(row, third + sumLanes(pow), 16);
    }
  }
}

/** The sums of the block, from those of its rows. */
export function residualSums(out: usize, rows: usize, n: u32, s: usize, p: f64, first: u32): void {
  let lp: f64 = 0, l1: f64 = 0, l21: f64 = 0, l2: f64 = 0, top: f64 = 0, worst: f64 = -1, worstRow: u32 = first;
  for (let i: u32 = 0; i < n; ++i) {
    const row = rows + 24 * <usize>i;
    const one = load<f64>(row), two = load<f64>(row, 8);
    const pow = p == 1 ? one : p == 2 ? two : load<f64>(row, 16);
    const norm = sqrt<f64>(two);
    const si = s ? load<f64>(s + (<usize>i << 3)) : 1;
    if (p != Infinity) lp += si * pow;
    else if (si > 0) top = max(top, pow);
    l1 += si * one;
    l21 += si * norm;
    l2 += si * two;
    if (norm > worst) {
      worst = norm;
      worstRow = first + i;
    }
  }
  store<f64>(out, lp);
  store<f64>(out, l1, 8);
  store<f64>(out, l21, 16);
  store<f64>(out, l2, 24);
  store<f64>(out, worst, 32);
  store<f64>(out, <f64>worstRow, 40);
  store<f64>(out, top, 48);
}
