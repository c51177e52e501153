// One row's part in a robust subspace: its distance's power, and its weight in the next weighted Gram matrix.
//
// Lerman, Maunu, Fast, robust and non-convex subspace recovery (arXiv 1406.6145): sum_i s_i dist_i^p is lowered by taking the
// top eigenvectors of sum_i w_i a_i a_i', w_i = s_i / max(dist_i^(2-p), p delta). Here the smoothing is given as a distance,
// floor^(2-p) = p delta, so that w_i = s_i max(dist_i, floor)^(p-2). Each such step lowers the smoothed sum, whose terms are
// dist^p from `floor` up and the parabola (p/2) floor^(p-2) dist^2 + (1 - p/2) floor^p that touches it there below.
//
// Layout   q         n f64, `stride` bytes apart: squared distances        squares  n f64: |a_i|^2
//          s         n f64 or 0 for ones: row weights
//          r         n f64, written: sqrt(s_i) (max(dist_i, floor) / unit)^(p/2-1), row scales of the Gram matrix
//          distance  n f64, written, or 0
//          out       5 f64: sum s dist^p, the smoothed sum, sum s dist, sum s, sum s (error |a|)^p
// Rows in the subspace to the last bit (zero rows above all) add nothing to either sum: no smaller floor moves them.
// `unit` > 0 is a distance that keeps r near 1, for f32. `error` bounds the error of dist_i beside |a_i|, so that the last sum
// says what the first is worth.
// Cost     a square root a row; two powers more unless p is 1 or 2

/** x^p for x > 0. */
// @ts-ignore: decorator
@inline function power(x: f64, p: f64): f64 {
  return p == 1 ? x : p == 2 ? x * x : Math.pow(x, p);
}

export function subspaceRows(
  q: usize, stride: u32, squares: usize, s: usize, r: usize, distance: usize, out: usize, n: u32, p: f64, floor: f64, unit: f64, error: f64,
): void {
  let sum: f64 = 0, smooth: f64 = 0, distances: f64 = 0, weights: f64 = 0, rounding: f64 = 0;
  // floor 0: nothing is smoothed.
  const low = floor > 0 ? power(floor, p) : 0;
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    const si = s ? load<f64>(s + o) : 1;
    const d = sqrt<f64>(load<f64>(q + <usize>i * stride));
    const held = max(d, floor);
    // 0 only for a row in the subspace under floor 0, whose weight would be infinite: it stays where it is.
    const x = held / unit;
    store<f64>(r + o, x > 0 ? sqrt<f64>(si * (p == 2 ? 1 : p == 1 ? 1 / x : Math.pow(x, p - 2))) : 0);
    if (distance) store<f64>(distance + o, d);
    if (d > 0) {
      const term = power(d, p);
      sum += si * term;
      const ratio = d / floor;
      smooth += si * (d >= floor ? term : (0.5 * p * ratio * ratio + (1 - 0.5 * p)) * low);
      distances += si * d;
    }
    weights += si;
    const size = error * sqrt<f64>(load<f64>(squares + o));
    if (size > 0) rounding += si * power(size, p);
  }
  store<f64>(out, sum);
  store<f64>(out, smooth, 8);
  store<f64>(out, distances, 16);
  store<f64>(out, weights, 24);
  store<f64>(out, rounding, 32);
}
