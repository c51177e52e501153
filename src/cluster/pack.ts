// Values as bytes and back: plain objects, and typed arrays whose numbers cross bit for bit. What Redis holds is made of these.
//
//   4 bytes    length of the text that follows, little endian
//   text       JSON, padded with blanks to a multiple of 8; arrays and what JSON lacks are written as { "$": [...] }
//   the rest   the arrays' bytes, each padded to a multiple of 8
import { ClusterError } from "../errors.js";

const arrayTypes = {
  f64: Float64Array,
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  i8: Int8Array,
} as const;

type ArrayType = keyof typeof arrayTypes;
type TypedArray = InstanceType<(typeof arrayTypes)[ArrayType]>;

/** Numbers that JSON changes. */
const oddNumbers: Record<string, number> = { NaN, Infinity, "-Infinity": -Infinity, "-0": -0 };

const isArray = (value: unknown): value is TypedArray => ArrayBuffer.isView(value) && !(value instanceof DataView);
const padded = (bytes: number) => Math.ceil(bytes / 8) * 8;

function typeOf(array: TypedArray): ArrayType {
  for (const [type, of] of Object.entries(arrayTypes)) if (array instanceof of) return type as ArrayType;
  throw new TypeError(`A ${array.constructor.name} does not cross.`);
}

/** @throws {TypeError} for a function, a symbol or a bigint somewhere inside */
export function pack(value: unknown): Buffer {
  const arrays: TypedArray[] = [];
  let bytes = 0;
  const plain = (of: unknown): unknown => {
    if (typeof of === "number" && (!Number.isFinite(of) || Object.is(of, -0)))
      return { $: Object.is(of, -0) ? "-0" : String(of) };
    if (typeof of === "function" || typeof of === "symbol" || typeof of === "bigint")
      throw new TypeError(`A ${typeof of} does not cross.`);
    if (isArray(of)) {
      arrays.push(of);
      const at = bytes;
      bytes += padded(of.byteLength);
      return { $: [typeOf(of), at, of.length] };
    }
    if (Array.isArray(of)) return of.map(plain);
    if (typeof of !== "object" || of === null) return of;
    return Object.fromEntries(Object.entries(of).map(([key, each]) => [key, plain(each)]));
  };
  const text = Buffer.from(JSON.stringify(plain(value)) ?? "null");
  const start = padded(4 + text.length);
  const packed = Buffer.allocUnsafeSlow(start + bytes).fill(0x20, 4 + text.length, start);
  packed.writeUInt32LE(text.length, 0);
  text.copy(packed, 4);
  let at = start;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    packed.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    packed.fill(0, at + byteLength, at + padded(byteLength));
    at += padded(byteLength);
  }
  return packed;
}

/**
 * The value again; its arrays are copies of their own, or where that will do parts of what was given.
 * @throws {ClusterError} for bytes that pack() did not make
 */
export function unpack(packed: Uint8Array, { copies = true } = {}): unknown {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const length = packed.byteLength < 4 ? Infinity : view.getUint32(0, true);
  const start = padded(4 + length);
  if (start > packed.byteLength) throw broken("is cut off");
  const revive = (_key: string, of: unknown): unknown => {
    if (typeof of !== "object" || of === null || !("$" in of)) return of;
    const { $ } = of;
    if (typeof $ === "string" && $ in oddNumbers) return oddNumbers[$];
    const [type, at, count] = $ as [ArrayType, number, number];
    const Type = arrayTypes[type];
    const from = start + at;
    const size = count * (Type?.BYTES_PER_ELEMENT ?? NaN);
    if (!Type || !(at >= 0) || !(from + size <= packed.byteLength))
      throw broken("holds an array that is not all there");
    const offset = packed.byteOffset + from;
    if (!copies && offset % 8 === 0) return new Type(packed.buffer as ArrayBuffer, offset, count);
    return new Type(new Uint8Array(packed.subarray(from, from + size)).buffer);
  };
  try {
    return JSON.parse(Buffer.from(packed.buffer, packed.byteOffset + 4, length).toString(), revive);
  } catch (error) {
    throw error instanceof ClusterError ? error : broken("has a header that is not JSON");
  }
}

const broken = (how: string) =>
  new ClusterError(
    `A value in Redis ${how}: something else writes under the same names. Use another prefix, or a database of its own.`,
  );
