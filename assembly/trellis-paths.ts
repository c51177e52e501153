// Paths on the trellis of trellis.ts, read from the least errors that lead to them.
//
// Reversed  a row with its bits in reversed order is a row of the trellis whose table is turned: its windows and states are those of the
//           row read backwards, their bits in reversed order

import { far, strideOf, takenOff } from "./trellis-steps";

/** Units that no value was moved within: beside 255, what a cell is wide. */
export const toldApart: i32 = 160;
export const cellUnits: i32 = 96;

/** The place of the least of count u32, a multiple of 4; the first of equal ones. */
export function leastOf(sums: usize, count: u32): u32 {
  const end = sums + (<usize>count << 2);
  let least = i32x4.splat(-1);
  for (let at = sums; at < end; at += 16) least = i32x4.min_u(least, v128.load(at));
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  least = i32x4.min_u(least, i8x16.shuffle(least, least, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  for (let at = sums; at < end; at += 16) {
    const equal = i32x4.bitmask(i32x4.eq(v128.load(at), least));
    if (equal) return (<u32>(at - sums) >> 2) + ctz(equal);
  }
  return 0;
}

/** The state of the least error at m; the first of equal ones. */
export function leastState(m: usize, states: u32): u32 {
  let s: u32 = 0, least = load<u16>(m);
  for (let u: u32 = 1; u < states; ++u) {
    const error = load<u16>(m + (<usize>u << 1));
    if (error < least) {
      least = error;
      s = u;
    }
  }
  return s;
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

/** Every window with its bits in reversed order, u16. */
export function reverseAll(reversed: usize, windowBits: u32): void {
  store<u16>(reversed, 0);
  for (let w: u32 = 0; w < 1 << windowBits; ++w) {
    const r = (load<u16>(reversed + (<usize>(w >> 1) << 1)) >> 1) | ((w & 1) << (windowBits - 1));
    store<u16>(reversed + (<usize>w << 1), <u16>r);
  }
}

/**
 * What two halves err that meet at u, first <= u < first + count, and `beside` more: sums (2^S u32). Halves that do not both come that far
 * are out of reach.
 */
export function meet(
  sums: usize, forth: usize, back: usize, reversed: usize, first: u32, count: u32, bits: u32, beside: u32,
): void {
  for (let u = first; u < first + count; ++u) {
    const one = <u32>load<u16>(forth + (<usize>u << 1));
    const other = <u32>load<u16>(back + (<usize>turnedState(reversed, u, bits) << 1));
    store<u32>(sums + (<usize>u << 2), one == far || other == far ? <u32>-1 : one + other + beside);
  }
}

/**
 * Codes of `count` entries from i on, i += step, on the way back from state u of the last m, and what they add to sums. x and cells as the
 * steps had them; where the way is one of reversed rows, m and cells are theirs, and `reversed` is not 0. The state that the way ends at,
 * and 2^16 beside it where an entry lies farther from its value than is told apart for sure.
 */
export function trace(
  codes: usize, sums: usize, X: usize, i: u32, step: i32, count: u32, u: u32, m: usize, bits: u32, plane: usize, table: usize,
  x: usize, cells: usize, reversed: usize,
): u32 {
  const last: u32 = (1 << bits) - 1, apart = <u32>(plane >> 1), stride = strideOf(plane);
  let error = load<f64>(sums), along = load<f64>(sums, 8), square = load<f64>(sums, 16), isFar: u32 = 0;
  for (; count > 0; --count) {
    const least = <u32>load<u16>(m + (<usize>u << 1)) + takenOff(m, plane);
    const at = x + (<usize>i << 2), entry = <i32>load<i16>(at), units = cells + <usize>load<u16>(at, 2) * (plane << bits);
    m -= stride;
    let w = u, r = 0;
    for (const end = u + (apart << bits); w < end; w += apart) {
      r = entry - <i32>load<i16>(units + (<usize>w << 1));
      if (min(far, <u32>load<u16>(m + (<usize>(w >> bits) << 1)) + <u32>(r * r)) == least) break;
    }
    if (abs(r) >= toldApart) isFar = 0x10000;
    const window = reversed ? <u32>load<u16>(reversed + (<usize>w << 1)) : w;
    const a = <f64>load<f32>(X + (<usize>i << 2)), y = <f64>load<f32>(table + (<usize>window << 2)), rest = a - y;
    error += rest * rest;
    along += a * y;
    square += y * y;
    putCode(codes, i, bits, window & last);
    u = w >> bits;
    i += step;
  }
  store<f64>(sums, error);
  store<f64>(sums, along, 8);
  store<f64>(sums, square, 16);
  return u | isFar;
}
