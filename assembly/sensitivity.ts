// From Lewis weights to what rows may weigh in |Ax|_p^p: each row's sensitivity bound, its place in the order of sampling, and
// the norms |Ax|_p with their gradients that a coreset is measured by.
//
// Sensitivity of row i: sup_x s_i |a_i x|^p / |Ax|_p^p. With lower |Mx|_2 <= |Ax|_p (certificate.ts) and |a_i x| <= q_i^(1/2) |Mx|_2
// it is at most s_i q_i^(p/2) / lower^p, for any p and any positive weights (Cohen, Peng 2015, arXiv 1412.0588, with
// converged weights: w_i for p <= 2, d^(p/2-1) w_i for p >= 2).
//
// Layout   w      n f64: weights                                 s      n f64 or 0 for ones: row weights
//          log    n f64: log w_i, -Infinity: a row of weight 0   scale  n f64: s_i^(1/p) w_i^(1/2-1/p), 0 for such a row
//          pairs  X, n x d f64, packed (gemm.ts)                 panels T or B packed (gemm.ts), d x m f64
// Memory   the caller owns all of it
import { PANEL_ROW, at, panelCount, panelWidth } from "./lanes";
import { multiplyStrip } from "./gemm";
import { power } from "./residual";

/** log w and the row scales of M = W^(1/2-1/p) A. `live` becomes 1 for rows that count: |a_i|^2 > 0 (in `squares`), s_i > 0. */
export function lewisScale(w: usize, s: usize, squares: usize, log: usize, scale: usize, live: usize, n: u32, p: f64): void {
  for (let i: u32 = 0; i < n; ++i) {
    const wi = load<f64>(at(w, i));
    const si = s ? load<f64>(at(s, i)) : 1;
    const counts = load<f64>(at(squares, i)) > 0 && si > 0;
    store<f64>(at(live, i), counts ? 1 : 0);
    if (!counts || !(wi > 0)) {
      store<f64>(at(log, i), -Infinity);
      store<f64>(at(scale, i), 0);
      continue;
    }
    const logW = Math.log(wi);
    store<f64>(at(log, i), logW);
    store<f64>(at(scale, i), Math.exp((s ? Math.log(si) / p : 0) + (0.5 - 1 / p) * logW));
  }
}

/**
 * q_i = |y_i|^2 of the whitened rows y_i = a_i T (d x m), and order_i = 2 (j m + k) + sign: j and k are the coordinates with the
 * largest and second largest |y_i|, sign is 1 when those two differ in sign. Rows with the same number point alike.
 */
export function whitenedRows(q: usize, order: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, triangular: bool, strip: usize, work: usize): void {
  const width = panelWidth<f64>();
  const count = panelCount<f64>(m);
  memory.fill(q, 0, <usize>n << 3);
  // 4 f64 a row: the largest and the second largest y (signed), and their columns.
  memory.fill(work, 0, <usize>n << 5);
  for (let c: u32 = 0; c < count; ++c) {
    const depth = triangular ? min(d, (c + 1) * width) : d;
    multiplyStrip<f64>(strip, pairs, n, d, panels + <usize>c * d * PANEL_ROW, depth);
    const here = min(width, m - c * width);
    for (let i: u32 = 0; i < n; ++i) {
      const y = strip + <usize>i * PANEL_ROW;
      const best = work + (<usize>i << 5);
      let sum: f64 = 0;
      for (let k: u32 = 0; k < here; ++k) {
        const x = load<f64>(at(y, k));
        sum += x * x;
        if (abs(x) > abs(load<f64>(best))) {
          store<f64>(best, load<f64>(best), 8);
          store<f64>(best, load<f64>(best, 16), 24);
          store<f64>(best, x);
          store<f64>(best, <f64>(c * width + k), 16);
        } else if (abs(x) > abs(load<f64>(best, 8))) {
          store<f64>(best, x, 8);
          store<f64>(best, <f64>(c * width + k), 24);
        }
      }
      store<f64>(at(q, i), load<f64>(at(q, i)) + sum);
    }
  }
  for (let i: u32 = 0; i < n; ++i) {
    const best = work + (<usize>i << 5);
    const differ = load<f64>(best) * load<f64>(best, 8) < 0;
    store<f64>(at(order, i), 2 * (load<f64>(best, 16) * m + load<f64>(best, 24)) + (differ ? 1 : 0));
  }
}

/**
 * score_i = s_i q_i^(p/2); out: sum of w, max log of the certificate's distortion term, max |tau_i / w_i - 1| (as in lewis.ts,
 * whose rows are s_i^(1/p) a_i).
 */
export function sensitivityTerms(score: usize, q: usize, s: usize, log: usize, out: usize, n: u32, p: f64): void {
  let sum: f64 = 0, distortion: f64 = -Infinity, residual: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const logW = load<f64>(at(log, i));
    const qi = load<f64>(at(q, i));
    const si = s ? load<f64>(at(s, i)) : 1;
    if (qi <= 0 || !(si > 0)) {
      store<f64>(at(score, i), 0);
      if (logW != -Infinity) sum += Math.exp(logW), (residual = max(residual, 1));
      continue;
    }
    const logQ = Math.log(qi) + (s ? (2 / p) * Math.log(si) : 0);
    store<f64>(at(score, i), p == 1 ? si * sqrt<f64>(qi) : Math.exp(0.5 * p * logQ));
    if (logW == -Infinity) continue;
    sum += Math.exp(logW);
    distortion = max(distortion, p < 2 ? 0.5 * p * logQ - logW : (0.5 * p - 1) * logQ + (2 / p - 1) * logW);
    residual = max(residual, abs(Math.exp(logQ - (2 / p) * logW) - 1));
  }
  store<f64>(out, sum);
  store<f64>(out, distortion, 8);
  store<f64>(out, residual, 16);
}

/**
 * norms_j = sum_i s_i |y_ij|^p for Y = X B, B d x m; with `gradients` (not 0; in panels of 8 columns, each d x 8 f64) also
 * sum_i s_i |y_ij|^(p-1) sign(y_ij) x_i, column j of which is the gradient of norms_j / p. Cost: n d m, twice with gradients.
 */
export function normsBlock(
  norms: usize, gradients: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, s: usize, p: f64, strip: usize,
): void {
  const width = panelWidth<f64>();
  const count = panelCount<f64>(m);
  const quarters: u32 = p * 4 == Math.floor(p * 4) && p < 4 ? <u32>(p * 4) : 0;
  if (gradients) memory.fill(gradients, 0, <usize>count * d * PANEL_ROW);
  for (let c: u32 = 0; c < count; ++c) {
    multiplyStrip<f64>(strip, pairs, n, d, panels + <usize>c * d * PANEL_ROW, d);
    let n0 = f64x2.splat(0), n1 = n0, n2 = n0, n3 = n0;
    for (let i: u32 = 0; i < n; ++i) {
      const y = strip + <usize>i * PANEL_ROW;
      const si = f64x2.splat(s ? load<f64>(at(s, i)) : 1);
      n0 = f64x2.add(n0, term(y, si, p, quarters));
      n1 = f64x2.add(n1, term(y + 16, si, p, quarters));
      n2 = f64x2.add(n2, term(y + 32, si, p, quarters));
      n3 = f64x2.add(n3, term(y + 48, si, p, quarters));
    }
    const sums = strip + <usize>n * PANEL_ROW;
    v128.store(sums, n0);
    v128.store(sums, n1, 16);
    v128.store(sums, n2, 32);
    v128.store(sums, n3, 48);
    memory.copy(norms + (<usize>(c * width) << 3), sums, <usize>min(width, m - c * width) << 3);
    if (gradients) addRows(gradients + <usize>c * d * PANEL_ROW, pairs, n, d, strip);
  }
}

/** s |y|^p of two lanes; y becomes s |y|^(p-1) sign(y), 0 for 0. */
// @ts-ignore: decorator
@inline function term(y: usize, s: v128, p: f64, quarters: u32): v128 {
  const x = v128.load(y);
  const size = f64x2.abs(x);
  const value = f64x2.mul(s, power(size, p, quarters));
  const slope = f64x2.div(value, x);
  v128.store(y, v128.and(slope, f64x2.gt(size, f64x2.splat(0))));
  return value;
}

/** G (d x 8) += X' Phi, X packed in pairs of rows (n x d), Phi n x 8. */
function addRows(G: usize, pairs: usize, n: u32, d: u32, phi: usize): void {
  for (let i: u32 = 0; i < n; ++i) {
    let x = pairs + (<usize>(i & ~1) * d << 3) + (<usize>(i & 1) << 3);
    const f = phi + <usize>i * PANEL_ROW;
    const f0 = v128.load(f), f1 = v128.load(f, 16), f2 = v128.load(f, 32), f3 = v128.load(f, 48);
    for (let g = G, end = G + <usize>d * PANEL_ROW; g < end; g += PANEL_ROW, x += 16) {
      const a = v128.load64_splat(x);
      v128.store(g, f64x2.add(v128.load(g), f64x2.mul(a, f0)));
      v128.store(g, f64x2.add(v128.load(g, 16), f64x2.mul(a, f1)), 16);
      v128.store(g, f64x2.add(v128.load(g, 32), f64x2.mul(a, f2)), 32);
      v128.store(g, f64x2.add(v128.load(g, 48), f64x2.mul(a, f3)), 48);
    }
  }
}
