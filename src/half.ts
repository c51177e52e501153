/**
 * Half-precision numbers: IEEE 754 binary16 (f16) and bfloat16 (bf16), to and from f32 and f64.
 *
 * Widening is exact. Narrowing rounds to nearest, ties to even, straight from the input's own precision (f64 is not
 * rounded to f32 first); what is too large becomes infinity, as IEEE 754 asks; subnormals are kept; NaN stays NaN.
 */
import { InvalidInputError } from "./errors.js";
import { type RowType, rowTypeBytes } from "./matrix.js";

/** Sign of f16 in bit 15, 5 exponent bits, 10 mantissa bits; bf16 likewise with 8 and 7. */
interface HalfFormat {
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number. */
  readonly minExponent: number;
  /** Bits of +infinity. */
  readonly infinity: number;
}
const F16: HalfFormat = { mantissaBits: 10, minExponent: -14, infinity: 0x7c00 };
const BF16: HalfFormat = { mantissaBits: 7, minExponent: -126, infinity: 0x7f80 };

/** f16 bit patterns to numbers, exactly. */
export function f16ToF32(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  const out32 = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i];
    const sign = (h & 0x8000) << 16;
    const exponent = (h >>> 10) & 31;
    const mantissa = h & 0x3ff;
    if (exponent === 31) out32[i] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent !== 0) out32[i] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    else out[i] = sign === 0 ? mantissa / 16777216 : -mantissa / 16777216; // subnormal or zero, either sign
  }
  return out;
}

/** bf16 bit patterns to numbers, exactly. */
export function bf16ToF32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}

/** Numbers to f16 bit patterns, rounded to nearest even. Above 65519.99... they become infinity. */
export function f32ToF16(values: Float32Array | Float64Array): Uint16Array {
  return narrow(values, F16);
}

/** Numbers to bf16 bit patterns, rounded to nearest even. */
export function f32ToBf16(values: Float32Array | Float64Array): Uint16Array {
  return narrow(values, BF16);
}

function narrow(values: Float32Array | Float64Array, { mantissaBits, minExponent, infinity }: HalfFormat): Uint16Array {
  const out = new Uint16Array(values.length);
  const scratch = new Float64Array(1);
  const words = new Uint32Array(scratch.buffer); // little endian: words[1] holds sign and exponent
  const roundToInteger = 4503599627370496; // 2^52
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    scratch[0] = x;
    const sign = (words[1] >>> 16) & 0x8000;
    const magnitude = Math.abs(x);
    if (magnitude !== magnitude) {
      out[i] = sign | infinity | (1 << (mantissaBits - 1)); // quiet NaN
      continue;
    }
    const exponent = Math.max(((words[1] >>> 20) & 0x7ff) - 1023, minExponent);
    if (exponent > -minExponent + 1) {
      out[i] = sign | infinity;
      continue;
    }
    // The spacing of the format here is a power of two, so the product is exact and the addition rounds once, to even.
    words[0] = 0;
    words[1] = (1023 + mantissaBits - exponent) << 20; // 1 / spacing, built from its bits: engines differ in pow
    const steps = magnitude * scratch[0] + roundToInteger - roundToInteger;
    // A carry out of the mantissa moves into the exponent field, up to infinity: just what rounding up means.
    out[i] = sign | (((exponent - minExponent) << mantissaBits) + steps);
  }
  return out;
}

/**
 * Raw little-endian bytes (at any alignment) to numbers: Float64Array for f64, Float32Array for the rest.
 * @throws {InvalidInputError} when the length is not a whole number of elements.
 */
export function decodeNumbers(bytes: Uint8Array, dtype: RowType): Float32Array | Float64Array {
  if (bytes.byteLength % rowTypeBytes[dtype] !== 0) {
    throw new InvalidInputError(
      `${bytes.byteLength} bytes are not a whole number of ${dtype} elements of ${rowTypeBytes[dtype]} bytes.`,
    );
  }
  const buffer = new Uint8Array(bytes).buffer; // aligned, and the caller's bytes stay the caller's
  if (dtype === "f64") return new Float64Array(buffer);
  if (dtype === "f32") return new Float32Array(buffer);
  const bits = new Uint16Array(buffer);
  return dtype === "f16" ? f16ToF32(bits) : bf16ToF32(bits);
}

/** Numbers to raw little-endian bytes of `dtype`, rounded to nearest even; a copy. */
export function encodeNumbers(values: Float32Array | Float64Array, dtype: RowType): Uint8Array {
  if (dtype === "f64") return new Uint8Array(Float64Array.from(values).buffer);
  if (dtype === "f32") return new Uint8Array(Float32Array.from(values).buffer);
  return new Uint8Array((dtype === "f16" ? f32ToF16(values) : f32ToBf16(values)).buffer);
}
