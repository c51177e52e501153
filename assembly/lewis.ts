// One row's step towards its Lewis weight, and what a certificate needs to know of it.
//
// Cohen, Peng, l_p row sampling by Lewis weights (arXiv 1412.0588): w <- q^(p/2) contracts for p < 4; for p >= 2 Lee's
// w <- tau = w^(1-2/p) q contracts faster. Both are maps of log w with a Jacobian of spectrum [0, r], so a Chebyshev
// semi-iteration (Golub, Varga 1961) applies: next = omega (gamma (f - now) + now - before) + before.
//
// p = Infinity: r = 1, nothing contracts, and w <- w q is averaged over the iterates instead (Cohen, Cousins, Lee, Yang,
// arXiv 1905.11580): `before` holds the running sum of gamma w, not of logarithms, and omega = 2 takes gamma times that sum
// in the place of a step.
//
// With row weights s the rows are b_i = s_i^(1/p) a_i, so q(b_i) = s_i^(2/p) q(a_i). All of it in logarithms: w underflows.
//
// Layout   q       n f64: a_i' G^-1 a_i (start: |a_i|^2)      s  n f64 or 0 for ones
//          now     n f64: log w_i of the weights that G was made with; the new ones on return (-Infinity: a zero row)
//          before  n f64: the previous log w_i; the old `now` on return (p = Infinity: the sum of w so far)
//          r       n f64, written: the new row scales s^(1/p) w^(1/2-1/p) of the Gram matrix, 0 for a zero row
//          out     3 f64: sum of old w; max of distortionTerm; max |tau_i / w_i - 1|
//          terms   n f64, written: distortionTerm of each row, -Infinity for a zero row; or 0
// Cost     three logarithms and exponentials a row

/** Row scale of the Gram matrix for one row. */
// @ts-ignore: decorator
@inline function rowScale(logWeight: f64, logS: f64, p: f64): f64 {
  return Math.exp(logS / p + (0.5 - 1 / p) * logWeight);
}

/**
 * Start: w_i proportional to s_i |a_i|^p up to p = 2. Above, uniform, so that M is A itself: rows a thousand times larger would
 * get weights 1000^p apart, and a Gram matrix that is singular in f64.
 */
export function lewisStart(q: usize, s: usize, now: usize, r: usize, n: u32, p: f64): void {
  for (let o: usize = 0, end = <usize>n << 3; o < end; o += 8) {
    const si = s ? load<f64>(s + o) : 1;
    const qi = load<f64>(q + o);
    if (!(qi > 0) || !(si > 0)) {
      store<f64>(now + o, -Infinity);
      store<f64>(r + o, 0);
      continue;
    }
    const logS = s ? Math.log(si) : 0;
    const w = p <= 2 ? 0.5 * p * Math.log(qi) + logS : 0;
    store<f64>(now + o, w);
    store<f64>(r + o, rowScale(w, logS, p));
  }
}

/** log of q^(p/2) / w for p < 2; of (q^((p-2)/2) w^(2/p-1))^(1/p) above, which is q^(1/2) at p = Infinity. */
// @ts-ignore: decorator
@inline function distortionTerm(lq: f64, w: f64, p: f64): f64 {
  return p < 2 ? 0.5 * p * lq - w : (0.5 - 1 / p) * lq + (2 / p - 1) * (w / p);
}

/** The certificate's terms for the old weights, then (unless omega is 0) the step to new ones. */
export function lewisStep(q: usize, s: usize, now: usize, before: usize, r: usize, out: usize, terms: usize, n: u32, p: f64, gamma: f64, omega: f64): void {
  let sum: f64 = 0, distortion: f64 = -Infinity, residual: f64 = 0;
  for (let o: usize = 0, end = <usize>n << 3; o < end; o += 8) {
    const w = load<f64>(now + o);
    const qi = load<f64>(q + o);
    // NaN is no zero row: it must reach the certificate, which then proves nothing.
    if (w == -Infinity || qi <= 0) {
      store<f64>(r + o, 0);
      if (terms) store<f64>(terms + o, -Infinity);
      if (omega != 0) store<f64>(now + o, -Infinity);
      // A row that the old Gram matrix holds with weight but T does not see has no leverage: its weight still counts.
      if (w != -Infinity) sum += Math.exp(w), (residual = max(residual, 1));
      continue;
    }
    const logS = s ? Math.log(load<f64>(s + o)) : 0;
    const lq = Math.log(qi) + (2 / p) * logS;
    sum += Math.exp(w);
    const term = distortionTerm(lq, w, p);
    if (terms) store<f64>(terms + o, term);
    distortion = max(distortion, term);
    residual = max(residual, abs(Math.exp(lq - (2 / p) * w) - 1));
    if (p == Infinity && omega != 0) {
      const total = load<f64>(before + o) + (omega == 2 ? 1 : gamma) * Math.exp(w);
      store<f64>(before + o, total);
      const next = omega == 2 ? Math.log(total * gamma) : w + lq;
      store<f64>(now + o, next);
      store<f64>(r + o, rowScale(next, logS, p));
    } else if (omega != 0) {
      const f = p < 2 ? 0.5 * p * lq : (1 - 2 / p) * w + lq;
      const old = load<f64>(before + o);
      const next = omega == 1 ? gamma * (f - w) + w : omega * (gamma * (f - w) + w - old) + old;
      store<f64>(before + o, w);
      store<f64>(now + o, next);
      store<f64>(r + o, rowScale(next, logS, p));
    }
  }
  store<f64>(out, sum);
  store<f64>(out + 8, distortion);
  store<f64>(out + 16, residual);
}
