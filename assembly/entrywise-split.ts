// One step of the splitting A = L + S, L of rank k, for the least sum_ij s_i |A - L|_ij^p: the alternating direction method
// of multipliers, one row state and no more.
//
// Boyd, Parikh, Chu, Peleato, Eckstein, Distributed optimization and statistical learning via the alternating direction
// method of multipliers (2011), 6.1 (least absolute deviations) with the regression replaced by the best rank-k
// approximation, as in Candes, Li, Ma, Wright, Robust principal component analysis? (2011). With the scaled dual u and
// v = A - L + u:
//
//   S = prox(v),  u = v - S = c(v)      c clips v to +-t at p = 1 (the soft threshold's other half)
//   Z = A - S + u = A - v + 2 c(v)      the target
//   L = Z (I - V_perp V_perp')          or Z V V'; V from the Gram matrix of Z, rows weighted by s_i t_i^(p-2)
//   v = A - L + u
//
// so v alone carries everything from sweep to sweep. The penalty of row i is t_i^(p-2), t_i = level times the row's mean
// |residual| at the start; as the level shrinks, u is rescaled by `keep`.
//
// Layout   A, v, Z  n x d of S, row-major       Y  n x d of T: Z V_perp V_perp' (or Z V V')       base  n f64: t_i / level
//          table    shares of the proximal map, see below; 0 at p = 1
// Memory   the caller owns all of it
// Cost     a few operations an entry

import { highAsF64, lowAsF64, sumLanes } from "./lanes";

// c(v) = v share(|v| / t): a table over the exponent and five bits of the fraction, linear between. For p = 1 none is used.

// @ts-ignore: decorator
@inline const LOWEST: u64 = (1023 - 40) << 5;
// @ts-ignore: decorator
@inline const PIECES: u32 = 80 << 5;

/** Bytes of the table. */
export function shareBytes(): usize {
  return <usize>(PIECES + 1) << 3;
}

/** share(x), x > 0: 1 - s / x where s >= 0 minimises s^p / p + (s - x)^2 / 2. */
function shareOf(x: f64, p: f64): f64 {
  const q = p - 1;
  if (q > 0 && q <= 1) {
    // y = s^q solves y + y^(1/q) = x, convex: Newton from above.
    let y = min(x, Math.pow(x, q));
    for (let i = 0; i < 60; ++i) {
      const power = Math.pow(y, 1 / q);
      const next = y - (y + power - x) / (1 + power / (q * y));
      if (!(next < y)) break;
      y = next;
    }
    return y / x;
  }
  if (q > 1) {
    let s = min(x, Math.pow(x, 1 / q));
    for (let i = 0; i < 60; ++i) {
      const power = Math.pow(s, q);
      const next = s - (s + power - x) / (1 + (q * power) / s);
      if (!(next < s)) break;
      s = next;
    }
    return 1 - s / x;
  }
  if (q == 0) return min<f64>(1, 1 / x);
  // p < 1: the larger root of s + s^(p-1) = x, or 0 where that is lower.
  let s = x;
  for (let i = 0; i < 60; ++i) {
    const power = Math.pow(s, q);
    const slope = 1 + (q * power) / s;
    if (!(slope > 0)) return 1;
    const next = s - (s + power - x) / slope;
    if (!(next < s)) break;
    if (!(next > 0)) return 1;
    s = next;
  }
  return Math.pow(s, p) / p + 0.5 * (s - x) * (s - x) < 0.5 * x * x ? 1 - s / x : 1;
}

/** Fills the table. */
export function shareTable(table: usize, p: f64): void {
  for (let i: u32 = 0; i <= PIECES; ++i) {
    store<f64>(table + (<usize>i << 3), shareOf(reinterpret<f64>((LOWEST + i) << 47), p));
  }
}

/** share(x) from the table; beyond its ends the end. */
export function shareAt(table: usize, x: f64): f64 {
  const bits = reinterpret<u64>(x);
  const at = bits >> 47;
  if (at < LOWEST) return load<f64>(table);
  if (at >= LOWEST + PIECES) return load<f64>(table + (<usize>PIECES << 3));
  const from = table + (<usize>(at - LOWEST) << 3);
  const part = <f64>(bits & ((<u64>1 << 47) - 1)) * (1 / <f64>(<u64>1 << 47));
  const low = load<f64>(from);
  return low + part * (load<f64>(from, 8) - low);
}

/** c(v). */
// @ts-ignore: decorator
@inline function dual<S>(v: S, t: S, inverse: f64, table: usize): S {
  if (!table) return max<S>(min<S>(v, t), -t);
  return <S>(<f64>v * shareAt(table, Math.abs(<f64>v) * inverse));
}

/** Z = unit A - v + 2 c(v). v = 0 (none): Z = unit A. */
export function splitTarget<S>(Z: usize, A: usize, v: usize, n: u32, d: u32, base: usize, level: f64, unit: f64, table: usize): void {
  const lanes = <u32>(16 / sizeof<S>());
  const u = v128.splat<S>(<S>unit);
  const row = <usize>d * sizeof<S>();
  for (let i: u32 = 0; i < n; ++i) {
    const t = v ? load<f64>(base + (<usize>i << 3)) * level : 0;
    const inverse = 1 / t;
    const start = <usize>i * row;
    let o: usize = start;
    const whole = table ? start : start + <usize>(d / lanes) * 16, end = start + row;
    const high = v128.splat<S>(<S>t), low = v128.splat<S>(<S>-t);
    for (; o < whole; o += 16) {
      let z = v128.mul<S>(v128.load(A + o), u);
      if (v) {
        const x = v128.load(v + o);
        const c = v128.pmax<S>(v128.pmin<S>(x, high), low);
        z = v128.add<S>(v128.sub<S>(z, x), v128.add<S>(c, c));
      }
      v128.store(Z + o, z);
    }
    for (; o < end; o += sizeof<S>()) {
      let z: S = load<S>(A + o) * <S>unit;
      if (v) {
        const x = load<S>(v + o);
        const c = dual<S>(x, <S>t, inverse, table);
        z = z - x + (c + c);
      }
      store<S>(Z + o, z);
    }
  }
}

/**
 * From the target and its projection to the residual, the next v and the next target. Y is what leaves the subspace,
 * Z V_perp V_perp' (`outside`), or what stays in it: R = unit A - Z + Y or unit A - Y.
 *
 * v <- R + keep c(v), c at the old level `level`; then, unless `next` is 0, Z <- unit A - v + 2 c(v) at the level `next`.
 * With no v to begin with (`fresh`) the row's base is set first: mean |R|, no lower than `floor`; c(v) is 0.
 * sums: sum |r|^p of each row, n f64; p by square roots where 4p is whole.
 */
export function splitUpdate<S, T>(
  Z: usize, A: usize, v: usize, Y: usize, n: u32, d: u32, base: usize, sums: usize,
  p: f64, unit: f64, outside: bool, fresh: bool, level: f64, next: f64, keep: f64, floor: f64, table: usize,
): void {
  const quarters: u32 = p * 4 == Math.floor(p * 4) && p < 4 ? <u32>(p * 4) : 0;
  const lanes = <u32>(16 / sizeof<S>());
  // Whole vectors where all is of one type and the map is a clip; entries one by one elsewhere, and at the end of a row.
  const whole: u32 = sizeof<S>() == sizeof<T>() && !table ? (d / lanes) * lanes : 0;
  const u = v128.splat<S>(<S>unit), k = v128.splat<S>(<S>keep);
  for (let i: u32 = 0; i < n; ++i) {
    const first = <usize>i * d;
    let t = fresh ? 0 : load<f64>(base + (<usize>i << 3)) * level;
    let inverse = 1 / t;
    let pow: f64 = 0;
    let high = v128.splat<S>(<S>t), low = v128.splat<S>(<S>-t);
    let sum = f64x2.splat(0);
    for (let o = first * sizeof<S>(), end = o + <usize>whole * sizeof<S>(); o < end; o += 16) {
      const a = v128.mul<S>(v128.load(A + o), u), y = v128.load(Y + o);
      const r = outside ? v128.add<S>(v128.sub<S>(a, v128.load(Z + o)), y) : v128.sub<S>(a, y);
      const size = v128.abs<S>(r);
      sum = f64x2.add(sum, lowAsF64<S>(size));
      if (sizeof<S>() == 4) sum = f64x2.add(sum, highAsF64(size));
      const c = v128.pmax<S>(v128.pmin<S>(v128.load(v + o), high), low);
      v128.store(v + o, fresh ? r : v128.add<S>(r, v128.mul<S>(k, c)));
    }
    let one = sumLanes(sum);
    for (let j = whole; j < d; ++j) {
      const o = (first + j) * sizeof<S>();
      const a: S = load<S>(A + o) * <S>unit;
      const y = load<T>(Y + (first + j) * sizeof<T>());
      const r: S = outside ? <S>(<T>(a - load<S>(Z + o)) + y) : <S>(<T>a - y);
      const size = <f64>abs<S>(r);
      one += size;
      if (p != 1) pow += power(size, p, quarters);
      if (fresh) store<S>(v + o, r);
      else store<S>(v + o, r + <S>keep * dual<S>(load<S>(v + o), <S>t, inverse, table));
    }
    store<f64>(sums + (<usize>i << 3), p == 1 ? one : pow);
    if (fresh) store<f64>(base + (<usize>i << 3), max(one / <f64>d, floor));
    if (next == 0) continue;
    t = load<f64>(base + (<usize>i << 3)) * next;
    inverse = 1 / t;
    high = v128.splat<S>(<S>t);
    low = v128.splat<S>(<S>-t);
    for (let o = first * sizeof<S>(), end = o + <usize>whole * sizeof<S>(); o < end; o += 16) {
      const x = v128.load(v + o);
      const c = v128.pmax<S>(v128.pmin<S>(x, high), low);
      v128.store(Z + o, v128.add<S>(v128.sub<S>(v128.mul<S>(v128.load(A + o), u), x), v128.add<S>(c, c)));
    }
    for (let j = whole; j < d; ++j) {
      const o = (first + j) * sizeof<S>();
      const x = load<S>(v + o);
      const c = dual<S>(x, <S>t, inverse, table);
      store<S>(Z + o, load<S>(A + o) * <S>unit - x + (c + c));
    }
  }
}

/** x^p, x >= 0. */
// @ts-ignore: decorator
@inline export function power(x: f64, p: f64, quarters: u32): f64 {
  if (quarters == 0) return Math.pow(x, p);
  let y: f64 = 1;
  if (quarters & 8) y = x * x;
  if (quarters & 4) y *= x;
  if (quarters & 3) {
    const root = sqrt<f64>(x);
    if (quarters & 2) y *= root;
    if (quarters & 1) y *= sqrt<f64>(root);
  }
  return y;
}

/** Rows whose sum is lower than the best so far: their target and sum become the best. */
export function keepBetter(best: usize, bestSums: usize, Z: usize, sums: usize, n: u32, rowBytes: usize): void {
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    if (!(load<f64>(sums + o) < load<f64>(bestSums + o))) continue;
    store<f64>(bestSums + o, load<f64>(sums + o));
    memory.copy(best + <usize>i * rowBytes, Z + <usize>i * rowBytes, rowBytes);
  }
}

/** Row scales of the Gram matrix, sqrt(s_i (t_i / size)^(p-2)): the penalty each row is under. */
export function penaltyScales(scales: usize, s: usize, base: usize, n: u32, p: f64, size: f64): void {
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    const weight = s ? load<f64>(s + o) : 1;
    store<f64>(scales + o, sqrt<f64>(weight * Math.pow(load<f64>(base + o) / size, p - 2)));
  }
}

/** out = sum s_i x_i; s = 0 for ones. */
export function weightedSum(out: usize, x: usize, s: usize, n: u32): void {
  let sum: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    sum += (s ? load<f64>(s + o) : 1) * load<f64>(x + o);
  }
  store<f64>(out, sum);
}
