// Rows in few bits: an entry becomes the level nearest to it beside the scale of its block of columns.
//
// Levels by Lloyd, Least squares quantization in PCM (1982). The scale of a block is found by turns with its codes, each the
// best for the other, from several starts. It is stored in half precision, so that is what is tried. "Unbiased" then enlarges it
// until the decoded block has the inner product |x|^2 with x (Gao, Long, RaBitQ, SIGMOD 2024): the nearest block is
// always too short, and what reads a table takes inner products of its rows.
//
// Layout   X       n x k of T, row-major          out  n x k of T: decoded entries, or X less those; X itself will do
//          levels  2^bits f32, ascending          planes, scales  as src/types/codes.ts has them, of n rows
//          starts  f64: scales to begin at, beside the root mean square of the block; one at which no entry is beyond the levels is added
//          work    quantiseWorkBytes
// Levels   zero >= 0: code - zero, evenly spaced. zero < 0: any list that is symmetric about 0, 2 to 4 bits
// Values   level * factor * scale, factor a power of two, multiplied in f32 as every reader does
// Sums     of entries divided by the block's root mean square, in f32; that is taken in f64
// Cost     a pass over the block for each start, and at most 4 more: 3 to 10 instructions an entry and pass
import { halfBits, toHalf } from "./convert";

// @ts-ignore: decorator
@inline const TURNS = 4;
/** A block that is far from every code would be enlarged without end, its noise with it. Gaussian entries need 1.14 at 2 bits. */
// @ts-ignore: decorator
@inline const MOST_ENLARGED: f64 = 4.0 / 3;
/** The largest number in half precision. */
// @ts-ignore: decorator
@inline const HALF_MAX: f64 = 65504;
/** Splatted thresholds of one scale and steps between levels: at most 7 of each. */
// @ts-ignore: decorator
@inline const LIST_BYTES: usize = 7 * 16;

/** Bytes of `work`: thresholds, steps, a block divided by its root mean square, a row's codes. */
export function quantiseWorkBytes(padded: u32, block: u32): usize {
  return 2 * LIST_BYTES + 4 * (<usize>block + 4) + padded;
}

// What a pass leaves for its caller, read at once: inner product of entries and levels, square of levels, squared error.
let along: f64, square: f64, error: f64;

// @ts-ignore: decorator
@inline function sum(x: v128): f64 {
  return (<f64>f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1)) + (<f64>f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

// @ts-ignore: decorator
@inline function lastCode(half: u32): f32 {
  return <f32>half * 2 - 1;
}

/** All ones in the lanes that are below `count`. */
// @ts-ignore: decorator
@inline function lanesBelow(count: u32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Sums of a pass over y (count f32, zeros up to the next multiple of 4) at scale t; levels code - zero, code 0 ... top. */
function passEven(y: usize, count: u32, t: f32, zero: f32, top: f32): void {
  const scale = f32x4.splat(t), inverse = f32x4.splat(1 / t), z = f32x4.splat(zero), most = f32x4.splat(top), least = f32x4.splat(0);
  let a = least, s = least, e = least;
  for (let i: u32 = 0; i < count; i += 4) {
    const x = v128.load(y + (<usize>i << 2));
    const code = f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.add(f32x4.mul(x, inverse), z)), least), most);
    const q = v128.and(f32x4.sub(code, z), lanesBelow(count - i));
    const r = f32x4.sub(x, f32x4.mul(scale, q));
    a = f32x4.add(a, f32x4.mul(x, q));
    s = f32x4.add(s, f32x4.mul(q, q));
    e = f32x4.add(e, f32x4.mul(r, r));
  }
  along = sum(a);
  square = sum(s);
  error = sum(e);
}

/** steps[i] = levels[half + i + 1] - levels[half + i], each four times over. */
function listSteps(steps: usize, levels: usize, half: u32): void {
  for (let i: u32 = 0; i + 1 < half; ++i) {
    const low = levels + (<usize>(half + i) << 2);
    v128.store(steps + (<usize>i << 4), f32x4.splat(load<f32>(low, 4) - load<f32>(low)));
  }
}

/** thresholds[i] = t (levels[half + i] + levels[half + i + 1]) / 2, each four times over. */
function listThresholds(thresholds: usize, levels: usize, half: u32, t: f32): void {
  for (let i: u32 = 0; i + 1 < half; ++i) {
    const low = levels + (<usize>(half + i) << 2);
    v128.store(thresholds + (<usize>i << 4), f32x4.splat((load<f32>(low) + load<f32>(low, 4)) * 0.5 * t));
  }
}

/** The same for a symmetric list of 2 half levels: the magnitude climbs the upper half. */
function passListed(y: usize, count: u32, t: f32, levels: usize, half: u32, thresholds: usize, steps: usize): void {
  listThresholds(thresholds, levels, half, t);
  const scale = f32x4.splat(t), lowest = v128.load32_splat(levels + (<usize>half << 2)), signs = i32x4.splat(0x80000000);
  const end = <usize>(half - 1) << 4;
  let a = f32x4.splat(0), s = a, e = a;
  for (let i: u32 = 0; i < count; i += 4) {
    const x = v128.load(y + (<usize>i << 2));
    const magnitude = f32x4.abs(x);
    let q = lowest;
    for (let o: usize = 0; o < end; o += 16) {
      q = f32x4.add(q, v128.and(f32x4.gt(magnitude, v128.load(thresholds + o)), v128.load(steps + o)));
    }
    q = v128.and(v128.or(q, v128.and(x, signs)), lanesBelow(count - i));
    const r = f32x4.sub(x, f32x4.mul(scale, q));
    a = f32x4.add(a, f32x4.mul(x, q));
    s = f32x4.add(s, f32x4.mul(q, q));
    e = f32x4.add(e, f32x4.mul(r, r));
  }
  along = sum(a);
  square = sum(s);
  error = sum(e);
}

/** The codes that the last pass chose, at the same scale: count bytes, and up to 3 more of the code of 0. */
function codesOf(codes: usize, y: usize, count: u32, t: f32, zero: f32, half: u32, thresholds: usize): void {
  const inverse = f32x4.splat(1 / t), z = f32x4.splat(zero), most = f32x4.splat(lastCode(half)), least = f32x4.splat(0);
  const end = <usize>(half - 1) << 4;
  for (let i: u32 = 0; i < count; i += 4) {
    const x = v128.load(y + (<usize>i << 2));
    let code: v128;
    if (zero >= 0) {
      code = i32x4.trunc_sat_f32x4_s(f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.add(f32x4.mul(x, inverse), z)), least), most));
    } else {
      const magnitude = f32x4.abs(x);
      let climbed = i32x4.splat(0);
      for (let o: usize = 0; o < end; o += 16) climbed = i32x4.sub(climbed, f32x4.gt(magnitude, v128.load(thresholds + o)));
      // The lower half mirrors the upper: half - 1 - climbed.
      code = i32x4.add(i32x4.splat(half), v128.xor(climbed, i32x4.shr_s(x, 31)));
    }
    const words = i16x8.narrow_i32x4_u(code, code);
    v128.store32_lane(codes + i, i8x16.narrow_i16x8_u(words, words), 0);
  }
}

/** One row's codes into its rows of the planes. */
function packCodes(codes: usize, padded: u32, bits: u32, first: usize, second: usize): void {
  for (let i: u32 = 0; i < padded; i += 8) {
    const c = codes + i;
    if (bits == 8) {
      store<u64>(first + i, load<u64>(c) ^ 0x8080808080808080);
    } else if (bits == 4) {
      for (let j: usize = 0; j < 4; ++j) {
        store<u8>(first + (i >> 1) + j, load<u8>(c + 2 * j) | (load<u8>(c + 2 * j, 1) << 4));
      }
    } else {
      const shift: u8 = bits == 3 ? 1 : 0;
      let low: u32 = 0, high: u32 = 0;
      for (let j: u32 = 0; j < 8; ++j) {
        const code = load<u8>(c + j);
        high |= <u32>(code >> shift) << (2 * j);
        low |= <u32>(code & 1) << j;
      }
      store<u16>(first + (i >> 2), <u16>high);
      if (bits == 3) store<u8>(second + (i >> 3), <u8>low);
    }
  }
}

/** Sums of a pass, by either kind of levels. `work` begins with the thresholds and steps of a list. */
// @ts-ignore: decorator
@inline function pass(y: usize, count: u32, t: f32, levels: usize, half: u32, zero: f32, work: usize): void {
  if (zero >= 0) passEven(y, count, t, zero, lastCode(half));
  else passListed(y, count, t, levels, half, work, work + LIST_BYTES);
}

/** A scale as it is stored: half precision, never infinite. */
// @ts-ignore: decorator
@inline function stored(scale: f64): f32 {
  return toHalf(<f32>min(scale, HALF_MAX));
}

/**
 * The scale found for y, as it is stored; 0 when all that were tried are too small for that. `size` is what a stored scale of 1
 * stands for beside y; `reach` the scale, beside y, at which the outer levels take its farthest entries.
 */
function searchScale(
  y: usize, count: u32, size: f64, reach: f64, starts: usize, startCount: u32, levels: usize, half: u32, zero: f32, work: usize,
): f32 {
  let best: f64 = Infinity, found: f32 = 0, next: f64 = 0;
  for (let i: u32 = 0; i < startCount + TURNS; ++i) {
    // First every start as it is, and `reach`; then the best of them, by turns with its codes.
    const turn = i > startCount;
    const h = stored((turn ? next : i < startCount ? load<f64>(starts + (<usize>i << 3)) : reach) / size);
    if (h == 0) continue;
    if (turn && h == found) break;
    pass(y, count, <f32>(h * size), levels, half, zero, work);
    if (error < best) {
      best = error;
      found = h;
      next = along / square;
    } else if (turn) break;
  }
  return found;
}

/**
 * Codes, scales and decoded entries of n rows. k columns mean something; `padded` are stored, a multiple of 8 and of `block`, and
 * those past k count for nothing. A block of zeros, or one too small for its scale to be stored, has scale 0.
 */
export function quantiseRows<T>(
  out: usize, X: usize, n: u32, k: u32, padded: u32, block: u32, bits: u32, levels: usize, zero: f32, factor: f64,
  starts: usize, startCount: u32, unbiased: bool, difference: bool, first: usize, second: usize, scales: usize, work: usize,
): void {
  const half: u32 = 1 << (bits - 1), top = levels + (<usize>(2 * half - 1) << 2);
  const y = work + 2 * LIST_BYTES, codes = y + 4 * (<usize>block + 4);
  const firstRow = <usize>padded * (bits == 3 ? 2 : bits) >> 3, secondRow = <usize>padded >> 3;
  if (zero < 0) listSteps(work + LIST_BYTES, levels, half);
  const above = 1 / <f64>load<f32>(top), below = 1 / <f64>load<f32>(levels);
  for (let i: u32 = 0; i < n; ++i) {
    memory.fill(codes, <u8>half, padded);
    for (let from: u32 = 0; from < padded; from += block) {
      const count = min(block, k - from);
      const x = X + (<usize>i * k + from) * sizeof<T>();
      let squares: f64 = 0, reach: f64 = 0;
      for (let j: u32 = 0; j < count; ++j) {
        const xj = <f64>load<T>(x + <usize>j * sizeof<T>());
        squares += xj * xj;
        reach = max(reach, max(xj * above, xj * below));
      }
      const root = sqrt<f64>(squares / count), shrink = 1 / root, size = factor * shrink;
      let scale: f32 = 0;
      if (squares > 0) {
        for (let j: u32 = 0; j < count; ++j) store<f32>(y + (<usize>j << 2), <f32>(<f64>load<T>(x + <usize>j * sizeof<T>()) * shrink));
        v128.store(y + (<usize>count << 2), f32x4.splat(0));
        scale = searchScale(y, count, size, reach * shrink, starts, startCount, levels, half, zero, work);
      }
      if (scale > 0) {
        const t = <f32>(scale * size);
        pass(y, count, t, levels, half, zero, work);
        codesOf(codes + from, y, count, t, zero, half, work);
        // The squares of y sum to count.
        if (unbiased && along > 0) scale = stored(min(count / along, MOST_ENLARGED * t) / size);
      }
      store<u16>(scales, <u16>halfBits(scale));
      scales += 2;
      const to = out + (<usize>i * k + from) * sizeof<T>();
      for (let j: u32 = 0; j < count; ++j) {
        const o = <usize>j * sizeof<T>();
        const level = load<f32>(levels + (<usize>load<u8>(codes + from + j) << 2));
        const value = <f32>(level * factor) * scale;
        store<T>(to + o, difference ? <T>(<f64>load<T>(x + o) - value) : <T>value);
      }
    }
    packCodes(codes, padded, bits, first, second);
    first += firstRow;
    second += secondRow;
  }
}
