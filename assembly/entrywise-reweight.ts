// Alternating reweighted least squares for the least sum_ij s_i |A - X Y|_ij^p: what one block adds to it.
//
// With w_ij = s_i (r_ij^2 + eps^2)^(p/2-1), each row x_i of X solves a k x k system, sum_j w_ij y_j y_j' dx = sum_j w_ij r_ij y_j,
// and each column y_j of Y likewise, summed over the rows. All systems of a block at once are products of the weights with
// packed outer products: rows W (n x d) times (d x k(k+1)/2), columns W' (d x n) times (n x k(k+1)/2), both by gemm.ts.
// Reweighting for l_p: Lawson 1961; Osborne, Finite algorithms in optimization and data analysis (1985); each step lowers the
// smoothed sum for p <= 2. For p > 2 a step of 1 / (p - 1) of it is Newton's.
//
// Layout   A  n x d of S       Y  n x d f64: X Y       W, WR  n x d f64 (or d x n, `across`): w, w r
//          outer products and systems: k(k+1)/2 f64, (a, b), b <= a, at a(a+1)/2 + b
// Memory   the caller owns all of it
// Cost     of a step: n (2 d (k(k+1)/2 + 2k) + k^3/6) multiply-adds
import { choleskySmall } from "./cholesky";
import { power } from "./entrywise-split";

/** W = weights, WR = weights times residuals of unit A - Y; out: sum s |r|^p. s = 0 for ones. */
export function reweight<S>(
  W: usize, WR: usize, A: usize, Y: usize, s: usize, n: u32, d: u32, p: f64, unit: f64, eps: f64, across: bool, out: usize,
): void {
  const quarters: u32 = p * 4 == Math.floor(p * 4) && p < 4 ? <u32>(p * 4) : 0;
  const exponent = 0.5 * p - 1;
  const floor = eps * eps;
  let sum: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const weight: f64 = s ? load<f64>(s + (<usize>i << 3)) : 1;
    let here: f64 = 0;
    for (let j: u32 = 0; j < d; ++j) {
      const from = <usize>i * d + j;
      const r = <f64>load<S>(A + from * sizeof<S>()) * unit - load<f64>(Y + (from << 3));
      here += p == 1 ? Math.abs(r) : power(Math.abs(r), p, quarters);
      const square = r * r + floor;
      const w = weight * (p == 1 ? 1 / sqrt<f64>(square) : Math.pow(square, exponent));
      const to = (across ? <usize>j * n + i : from) << 3;
      store<f64>(W + to, w);
      store<f64>(WR + to, w * r);
    }
    sum += weight * here;
  }
  store<f64>(out, sum);
}

/** Packed outer products of `count` vectors of length k, row-major. */
export function outerProducts(P: usize, x: usize, count: u32, k: u32): void {
  for (let i: u32 = 0; i < count; ++i) {
    const row = x + ((<usize>i * k) << 3);
    for (let a: u32 = 0; a < k; ++a) {
      const xa = load<f64>(row + (<usize>a << 3));
      for (let b: u32 = 0; b <= a; ++b) {
        store<f64>(P, xa * load<f64>(row + (<usize>b << 3)));
        P += 8;
      }
    }
  }
}

/** What is added to a system's diagonal, relative to its largest entry: a step is held back where nothing determines it. */
// @ts-ignore: decorator
@inline const RIDGE: f64 = 1e-13;

/**
 * x_i += damping (G_i + ridge)^-1 b_i for `count` systems. `work`: k x k f64. A system that is zero, or not positive definite
 * for all its ridge, leaves its x as it was.
 */
export function solveSystems(x: usize, G: usize, b: usize, count: u32, k: u32, damping: f64, work: usize): void {
  const packed = (<usize>k * (k + 1)) << 2;
  for (let i: u32 = 0; i < count; ++i) {
    let from = G + i * packed;
    let top: f64 = 0;
    for (let a: u32 = 0; a < k; ++a) {
      const row = work + ((<usize>a * k) << 3);
      memory.copy(row, from, <usize>(a + 1) << 3);
      top = max(top, load<f64>(row + (<usize>a << 3)));
      from += <usize>(a + 1) << 3;
    }
    if (!(top > 0)) continue;
    for (let a: u32 = 0; a < k; ++a) {
      const at = work + ((<usize>a * (k + 1)) << 3);
      store<f64>(at, load<f64>(at) + RIDGE * top);
    }
    if (choleskySmall(work, k, 0) >= 0) continue;
    const y = b + ((<usize>i * k) << 3);
    substitute(work, y, k);
    const to = x + ((<usize>i * k) << 3);
    for (let a: usize = 0; a < <usize>k << 3; a += 8) store<f64>(to + a, load<f64>(to + a) + damping * load<f64>(y + a));
  }
}

/** y <- (L L')^-1 y */
function substitute(L: usize, y: usize, k: u32): void {
  for (let a: u32 = 0; a < k; ++a) {
    const row = L + ((<usize>a * k) << 3);
    let sum = load<f64>(y + (<usize>a << 3));
    for (let b: u32 = 0; b < a; ++b) sum -= load<f64>(row + (<usize>b << 3)) * load<f64>(y + (<usize>b << 3));
    store<f64>(y + (<usize>a << 3), sum / load<f64>(row + (<usize>a << 3)));
  }
  for (let a: u32 = k; a-- > 0;) {
    const row = L + ((<usize>a * k) << 3);
    const x = load<f64>(y + (<usize>a << 3)) / load<f64>(row + (<usize>a << 3));
    store<f64>(y + (<usize>a << 3), x);
    for (let b: u32 = 0; b < a; ++b) {
      const at = y + (<usize>b << 3);
      store<f64>(at, load<f64>(at) - x * load<f64>(row + (<usize>b << 3)));
    }
  }
}
