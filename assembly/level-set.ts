// What climbing over the level set L = {y : sum_i s_i |b_i y|^p <= 1} asks of a block of rows, for many points y at a time.
// The products v_ij = b_i y_j (and d_ij = b_i delta_j along a move) come from gemm.ts; these are the passes over them.
//
// Bartels, Conn, Sinclair, Minimization techniques for piecewise differentiable functions (1978), for p = 1: along a move
// the norm is convex and piecewise linear, with a breakpoint where a row's product changes sign. For p = Infinity L is a
// polytope, and a move ends at the first face.
//
// Layout   V       n x m f64, row-major, at row stride `ldv` elements        s  n f64, or 0 for ones: row weights
//          sums    m f64, written        tops  m f64, written: max |v_ij| over rows with s_i > 0
// Memory   the caller owns all of it
// Cost     n m, times a power where p is not 1, 2 or Infinity

/** |v|^p for v >= 0; square roots where 2p is a small whole number. */
// @ts-ignore: decorator
@inline export function powerOf(v: f64, p: f64, halves: i32): f64 {
  if (halves < 0) return Math.pow(v, p);
  let y: f64 = halves & 1 ? sqrt<f64>(v) : 1;
  for (let k = halves >> 1; k > 0; --k) y *= v;
  return y;
}

/** 2p where that is a whole number of at most 16, else -1. */
// @ts-ignore: decorator
@inline export function halvesOf(p: f64): i32 {
  return p >= 0 && p <= 8 && 2 * p == Math.floor(2 * p) ? <i32>(2 * p) : -1;
}

/** What counts as 0 beside a norm of 1: rows with large weights have small products, and all of them matter. */
// @ts-ignore: decorator
@inline function zeroOf(zero: f64, si: f64): f64 {
  return zero / max(1, si);
}

/**
 * sums_j = sum_i s_i |v_ij|^p, and V is overwritten by its gradient's coefficients s_i |v_ij|^(p-1) sign v_ij; |v| of at most
 * zeroOf(`zero`, s_i) counts as 0. For p = Infinity only `tops`.
 */
export function levelSetSlopes(V: usize, s: usize, n: u32, m: u32, p: f64, zero: f64, sums: usize, tops: usize): void {
  memory.fill(sums, 0, <usize>m << 3);
  memory.fill(tops, 0, <usize>m << 3);
  const halves = halvesOf(p - 1);
  for (let i: u32 = 0; i < n; ++i) {
    const si = s ? load<f64>(s + (<usize>i << 3)) : 1;
    const tiny = zeroOf(zero, si);
    let at = V + ((<usize>i * m) << 3);
    let o: usize = 0;
    const end = <usize>m << 3;
    if (p == 1) {
      const weight = f64x2.splat(si > 0 ? si : 0), sign = f64x2.splat(-0.0), least = f64x2.splat(si > 0 ? tiny : Infinity);
      for (; o + 16 <= end; o += 16, at += 16) {
        const v = v128.load(at);
        const a = f64x2.abs(v);
        const counts = f64x2.gt(a, least);
        const slope = v128.and(weight, counts);
        v128.store(tops + o, f64x2.max(v128.load(tops + o), v128.and(a, counts)));
        v128.store(sums + o, f64x2.add(v128.load(sums + o), f64x2.mul(slope, a)));
        v128.store(at, v128.or(slope, v128.and(v, sign)));
      }
    }
    for (; o < end; o += 8, at += 8) {
      const v = load<f64>(at);
      const a = abs(v);
      if (!(si > 0) || !(a > tiny)) {
        store<f64>(at, 0);
        continue;
      }
      if (a > load<f64>(tops + o)) store<f64>(tops + o, a);
      if (p == Infinity) continue;
      const slope = p == 1 ? si : si * powerOf(a, p - 1, halves);
      store<f64>(sums + o, load<f64>(sums + o) + slope * a);
      store<f64>(at, v < 0 ? -slope : slope);
    }
  }
}

/** to (d x n) = from (n x d) transposed, f64. */
export function transposeBlock(to: usize, from: usize, n: u32, d: u32): void {
  for (let i: u32 = 0; i < n; ++i) {
    for (let j: u32 = 0; j < d; ++j) {
      store<f64>(to + ((<usize>j * n + i) << 3), load<f64>(from));
      from += 8;
    }
  }
}

/** r (m x n) = sqrt(s_i max(|v_ij|, floor_j)^(p-2)): row scales of m Gram matrices. */
export function levelSetScales(r: usize, V: usize, s: usize, n: u32, m: u32, p: f64, floors: usize): void {
  const halves = halvesOf(Math.abs(p - 2));
  for (let i: u32 = 0; i < n; ++i) {
    const si = s ? load<f64>(s + (<usize>i << 3)) : 1;
    const at = V + ((<usize>i * m) << 3);
    for (let j: u32 = 0; j < m; ++j) {
      const o = <usize>j << 3;
      const a = max(abs(load<f64>(at + o)), load<f64>(floors + o));
      const e = powerOf(a, Math.abs(p - 2), halves);
      store<f64>(r + ((<usize>j * n + i) << 3), sqrt<f64>(p < 2 ? si / e : si * e));
    }
  }
}

/** VD is n x 2m, products with the points and with the moves; sums (m x count) = sum_i s_i |v_ij + t_jk d_ij|^p for steps t (m x count). */
export function levelSetTrials(sums: usize, VD: usize, s: usize, n: u32, m: u32, p: f64, steps: usize, count: u32): void {
  memory.fill(sums, 0, (<usize>m * count) << 3);
  const halves = halvesOf(p);
  for (let i: u32 = 0; i < n; ++i) {
    const si = s ? load<f64>(s + (<usize>i << 3)) : 1;
    if (!(si > 0)) continue;
    const at = VD + ((<usize>i * m) << 4);
    for (let j: u32 = 0; j < m; ++j) {
      const v = load<f64>(at + (<usize>j << 3)), d = load<f64>(at + (<usize>(m + j) << 3));
      let o = (<usize>j * count) << 3;
      for (const end = o + (<usize>count << 3); o < end; o += 8) {
        store<f64>(sums + o, load<f64>(sums + o) + si * powerOf(abs(v + load<f64>(steps + o) * d), p, halves));
      }
    }
  }
}

/**
 * p = 1: what the norm does along each move. slopes (m x (bins + 1)): what each bin's breakpoints add to the slope, and at last
 * the slope at 0+. firsts (m x bins pairs): -t of a bin's first breakpoint (-Infinity: none) and its row, first + i.
 * Bins are a quarter of an octave wide, the last one ends at t = 4; what is beyond falls into the ends. |v| of at most
 * zeroOf(`zero`, s_i) counts as 0.
 */
export function levelSetBreaks(
  slopes: usize, firsts: usize, VD: usize, s: usize, n: u32, m: u32, bins: u32, zero: f64, first: u32,
): void {
  memory.fill(slopes, 0, (<usize>m * (bins + 1)) << 3);
  for (let o: usize = 0, end = (<usize>m * bins) << 4; o < end; o += 16) {
    store<f64>(firsts + o, -Infinity);
    store<f64>(firsts + o, -1, 8);
  }
  for (let i: u32 = 0; i < n; ++i) {
    const si = s ? load<f64>(s + (<usize>i << 3)) : 1;
    if (!(si > 0)) continue;
    const tiny = zeroOf(zero, si);
    const at = VD + ((<usize>i * m) << 4);
    for (let j: u32 = 0; j < m; ++j) {
      const v = load<f64>(at + (<usize>j << 3)), d = load<f64>(at + (<usize>(m + j) << 3));
      const slope = slopes + ((<usize>j * (bins + 1)) << 3); // this move's bins, and at last the slope at 0+
      const last = slope + (<usize>bins << 3);
      if (abs(v) <= tiny) {
        store<f64>(last, load<f64>(last) + si * abs(d));
        continue;
      }
      store<f64>(last, load<f64>(last) + copysign<f64>(si, v) * d);
      // No branch on the sign, which is as good as random: a breakpoint behind weighs nothing, and NaN falls into an end bin.
      const t = -v / d;
      const ahead = t > 0;
      // Exponent and the first two bits of the fraction, counted back from 4 = 2^(1025 - 1023).
      const bin = min(max(<i32>(reinterpret<u64>(t) >> 50) - (1025 << 2) + <i32>bins, 0), <i32>bins - 1);
      const o = slope + (<usize>bin << 3);
      store<f64>(o, load<f64>(o) + select<f64>(2 * si * abs(d), 0, ahead));
      const pair = firsts + ((<usize>j * bins + bin) << 4);
      if (select<f64>(-t, -Infinity, ahead) > load<f64>(pair)) {
        store<f64>(pair, -t);
        store<f64>(pair, <f64>(first + i), 8);
      }
    }
  }
}

/**
 * p = Infinity: where each move first meets a face |b_i y| = 1. firsts (m pairs): -t (-Infinity: nowhere) and +-(first + i + 1),
 * the sign that of d. Rows with |d| of at most `zero` are met nowhere.
 */
export function levelSetFaces(firsts: usize, VD: usize, s: usize, n: u32, m: u32, zero: f64, first: u32): void {
  for (let o: usize = 0, end = <usize>m << 4; o < end; o += 16) {
    store<f64>(firsts + o, -Infinity);
    store<f64>(firsts + o, 0, 8);
  }
  for (let i: u32 = 0; i < n; ++i) {
    if (s && !(load<f64>(s + (<usize>i << 3)) > 0)) continue;
    const at = VD + ((<usize>i * m) << 4);
    for (let j: u32 = 0; j < m; ++j) {
      const v = load<f64>(at + (<usize>j << 3)), d = load<f64>(at + (<usize>(m + j) << 3));
      if (!(abs(d) > zero)) continue;
      const t = max(0, d < 0 ? (1 + v) / -d : (1 - v) / d);
      const pair = firsts + (<usize>j << 4);
      if (-t > load<f64>(pair)) {
        store<f64>(pair, -t);
        store<f64>(pair, d < 0 ? -<f64>(first + i + 1) : <f64>(first + i + 1), 8);
      }
    }
  }
}
