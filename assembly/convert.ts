// Widening of stored numbers, and rounding to them: f16, bf16, f32, f64. Round to nearest, ties to even (IEEE 754).
//
// Memory  the caller owns both arrays; they may not overlap unless said so

/** f32 from IEEE half precision: the bits are shifted up and the exponent's bias is mended by an exact multiplication. */
export function widenF16(to: usize, from: usize, count: usize): void {
  const whole = count & ~3;
  const magnitude = i32x4.splat(0x7fff), special = i32x4.splat(0x7c00);
  const bias = f32x4.splat(reinterpret<f32>((127 + 112) << 23));
  for (let i: usize = 0; i < whole; i += 4) {
    const h = i32x4.extend_low_i16x8_u(v128.load64_zero(from + (i << 1)));
    const m = v128.and(h, magnitude);
    const value = f32x4.mul(i32x4.shl(m, 13), bias);
    // Infinity and NaN keep their payload: exponent all ones.
    const high = v128.or(i32x4.shl(m, 13), i32x4.splat(0x7f800000));
    const isSpecial = i32x4.ge_s(m, special);
    const sign = i32x4.shl(v128.andnot(h, magnitude), 16);
    v128.store(to + (i << 2), v128.or(sign, v128.bitselect(high, value, isSpecial)));
  }
  for (let i = whole; i < count; ++i) store<f32>(to + (i << 2), halfToF32(<u32>load<u16>(from + (i << 1))));
}

// @ts-ignore: decorator
@inline function halfToF32(h: u32): f32 {
  const m = h & 0x7fff;
  const sign = (h & 0x8000) << 16;
  if (m >= 0x7c00) return reinterpret<f32>(sign | 0x7f800000 | (m << 13));
  return reinterpret<f32>(sign | reinterpret<u32>(reinterpret<f32>(m << 13) * reinterpret<f32>((127 + 112) << 23)));
}

/** f32 from bfloat16: its upper half. */
export function widenBF16(to: usize, from: usize, count: usize): void {
  for (let i: usize = 0; i < count; ++i) store<u32>(to + (i << 2), <u32>load<u16>(from + (i << 1)) << 16);
}

/** The f32 nearest to x that half precision holds exactly. */
// @ts-ignore: decorator
@inline export function toHalf(x: f32): f32 {
  const bits = reinterpret<u32>(x);
  const a = bits & 0x7fffffff;
  if (a >= 0x7f800000) return x;
  // 65520 and above round to infinity.
  if (a >= 0x477ff000) return reinterpret<f32>((bits & 0x80000000) | 0x7f800000);
  if (a < 0x38800000) {
    // Subnormal in half: its step is 2^-24, and adding 1.5 * 2^-1 leaves just that in an f32.
    const magic: f32 = 0.75;
    const r = (reinterpret<f32>(a) + magic) - magic;
    return reinterpret<f32>((bits & 0x80000000) | reinterpret<u32>(r));
  }
  return reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000);
}

/** The 16 bits of an f32 >= 0 that half precision holds exactly. */
// @ts-ignore: decorator
@inline export function halfBits(x: f32): u32 {
  // Below 2^-14 the bits count steps of 2^-24.
  if (x < 0.00006103515625) return <u32>(x * 16777216);
  return (reinterpret<u32>(x) - ((127 - 15) << 23)) >> 13;
}

// @ts-ignore: decorator
@inline function toBrain(x: f32): f32 {
  const bits = reinterpret<u32>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return x;
  return reinterpret<f32>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
}

/** Rounds `count` elements of T in place to what `form` holds: 0 as they are, 1 f32, 2 f16, 3 bf16. */
export function roundTo<T>(at: usize, count: usize, form: u32): void {
  if (form == 0 || (form == 1 && sizeof<T>() == 4)) return;
  for (let end = at + count * sizeof<T>(); at < end; at += sizeof<T>()) {
    const x = <f32>load<T>(at);
    store<T>(at, <T>(form == 2 ? toHalf(x) : form == 3 ? toBrain(x) : x));
  }
}

/** Index of the first of `count` elements that is NaN or infinite, or -1. */
export function firstInfinite<T>(at: usize, count: usize): i32 {
  const lanes = <usize>(16 / sizeof<T>());
  const whole = count & ~(lanes - 1);
  // x - x is 0, or else NaN.
  let odd = v128.splat<T>(<T>0);
  for (let i: usize = 0; i < whole; i += lanes) {
    const x = v128.load(at + i * sizeof<T>());
    odd = v128.or(odd, v128.sub<T>(x, x));
  }
  for (let i: usize = v128.any_true(odd) ? 0 : whole; i < count; ++i) {
    const x = load<T>(at + i * sizeof<T>());
    if (x - x != <T>0) return <i32>i;
  }
  return -1;
}
