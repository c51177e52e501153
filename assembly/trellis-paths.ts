// Paths on the trellis of trellis.ts, read from the least squared errors that lead to them.
//
// Reversed  a row with its bits in reversed order is a row of the trellis whose table is `turned`: its windows and states are those of the
//           row read backwards, their bits in reversed order

/** The place of the least of count f32, a multiple of 4; the first of equal ones. */
export function leastOf(m: usize, count: u32): u32 {
  const end = m + (<usize>count << 2);
  let least = f32x4.splat(Infinity);
  for (let at = m; at < end; at += 16) least = f32x4.pmin(least, v128.load(at));
  least = f32x4.pmin(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = f32x4.pmin(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  for (let at = m; at < end; at += 16) {
    const equal = i32x4.bitmask(f32x4.eq(v128.load(at), least));
    if (equal) return (<u32>(at - m) >> 2) + ctz(equal);
  }
  return 0;
}

/** The first window that leads from m to m_(i+1)[u]. */
// @ts-ignore: decorator
@inline function windowInto(m: usize, table: usize, x: f32, u: u32, bits: u32, plane: usize): u32 {
  const apart = <u32>(plane >> 2), end = u + (apart << bits);
  let best = u, least: f32 = Infinity;
  for (let w = u; w < end; w += apart) {
    const r = x - load<f32>(table + (<usize>w << 2)), sum = load<f32>(m + (<usize>(w >> bits) << 2)) + r * r;
    if (sum < least) {
      least = sum;
      best = w;
    }
  }
  return best;
}

/** The code at position i into a row of zeros. */
// @ts-ignore: decorator
@inline function putCode(row: usize, i: u32, bits: u32, code: u32): void {
  const from = <usize>i * bits, at = row + (from >> 3);
  const both = code << (16 - bits - (<u32>from & 7));
  store<u8>(at, load<u8>(at) | <u8>(both >> 8));
  if (both & 255) store<u8>(at, load<u8>(at, 1) | <u8>both, 1);
}

/** The state u read backwards. */
// @ts-ignore: decorator
@inline export function turnedState(reversed: usize, u: u32, bits: u32): u32 {
  return <u32>load<u16>(reversed + (<usize>u << 1)) >> bits;
}

/** reversed: every window with its bits in reversed order, u16; turned: the table in that order. */
export function turn(turned: usize, reversed: usize, table: usize, windowBits: u32): void {
  store<u16>(reversed, 0);
  for (let w: u32 = 0; w < 1 << windowBits; ++w) {
    const r = (load<u16>(reversed + (<usize>(w >> 1) << 1)) >> 1) | ((w & 1) << (windowBits - 1));
    store<u16>(reversed + (<usize>w << 1), <u16>r);
    store<f32>(turned + (<usize>w << 2), load<f32>(table + (<usize>r << 2)));
  }
}

/** What two halves err that meet at u, first <= u < first + count: sums (2^S f32). */
export function meet(sums: usize, forth: usize, back: usize, reversed: usize, first: u32, count: u32, bits: u32): void {
  for (let u = first; u < first + count; ++u) {
    const at = <usize>u << 2;
    store<f32>(sums + at, load<f32>(forth + at) + load<f32>(back + (<usize>turnedState(reversed, u, bits) << 2)));
  }
}

/**
 * Codes of `count` entries from i on, i += step, on the way back from state u of the last m, and what they add to sums. Where the way is
 * one of reversed rows, m and table are theirs, and `reversed` is not 0. The state that the way ends at.
 */
export function trace(
  codes: usize, sums: usize, X: usize, i: u32, step: i32, count: u32, u: u32, m: usize, bits: u32, plane: usize, table: usize,
  reversed: usize,
): u32 {
  const last: u32 = (1 << bits) - 1;
  let error = load<f64>(sums), along = load<f64>(sums, 8), square = load<f64>(sums, 16);
  for (; count > 0; --count) {
    m -= plane;
    const x = load<f32>(X + (<usize>i << 2));
    const w = windowInto(m, table, x, u, bits, plane);
    const y = <f64>load<f32>(table + (<usize>w << 2)), r = <f64>x - y;
    error += r * r;
    along += <f64>x * y;
    square += y * y;
    putCode(codes, i, bits, (reversed ? <u32>load<u16>(reversed + (<usize>w << 1)) : w) & last);
    u = w >> bits;
    i += step;
  }
  store<f64>(sums, error);
  store<f64>(sums, along, 8);
  store<f64>(sums, square, 16);
  return u;
}
