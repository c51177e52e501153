// Changes to a file that know nothing of its format, and two that half know: numbers written as decimal text, and words.
import { integers, numerals } from "../interesting.mjs";

/**
 * @param {import("../random.mjs").Random} random
 * @param {Uint8Array} bytes left as it is
 * @param {readonly Uint8Array[]} others files to take pieces from
 * @param {readonly string[]} words that the format uses
 * @returns {Uint8Array} with 1 to 6 changes, at most 64 KiB longer
 */
export function mutateBytes(random, bytes, others = [], words = []) {
  let result = bytes;
  for (let count = 1 + random.below(random.chance(0.5) ? 2 : 6); count > 0; --count) {
    result = random.pick(changes)(random, result, others, words);
  }
  return result;
}

const encoder = new TextEncoder();

const changes = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  setInteger,
  setInteger,
  insert,
  remove,
  remove,
  repeat,
  splice,
  truncate,
  setNumeral,
  setNumeral,
  putWord,
  swapPieces,
];

function flipBit(random, bytes) {
  const copy = bytes.slice();
  if (copy.length > 0) copy[random.below(copy.length)] ^= 1 << random.below(8);
  return copy;
}

function setByte(random, bytes) {
  const copy = bytes.slice();
  if (copy.length > 0) copy[random.below(copy.length)] = random.chance(0.5) ? random.below(256) : random.pick(oddBytes);
  return copy;
}

const oddBytes = [
  0, 1, 9, 10, 13, 32, 0x22, 0x27, 0x28, 0x2c, 0x2d, 0x30, 0x39, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 127, 128, 255,
];

/** 1, 2, 4 or 8 bytes of either byte order; half of the time near the start, where lengths stand. */
function setInteger(random, bytes) {
  const copy = bytes.slice();
  const width = 1 << random.below(4);
  if (copy.length < width) return copy;
  const room = copy.length - width + 1;
  const at = random.below(random.chance(0.5) ? Math.min(room, 32) : room);
  const value = BigInt.asUintN(8 * width, random.pick(integers));
  const little = random.chance(0.7);
  for (let i = 0; i < width; ++i) {
    copy[at + (little ? i : width - 1 - i)] = Number((value >> BigInt(8 * i)) & 255n);
  }
  return copy;
}

function insert(random, bytes) {
  const piece = new Uint8Array(random.length(6));
  const byte = random.pick(oddBytes);
  for (let i = 0; i < piece.length; ++i) piece[i] = byte;
  if (random.chance(0.6)) for (let i = 0; i < piece.length; ++i) piece[i] = random.below(256);
  return replaced(bytes, random.below(bytes.length + 1), 0, piece);
}

function remove(random, bytes) {
  return replaced(bytes, random.below(bytes.length), random.length(7), new Uint8Array(0));
}

/** A piece once more, or seldom so often that what is slow in its number shows. */
function repeat(random, bytes) {
  const at = random.below(bytes.length);
  const piece = bytes.subarray(at, at + random.length(6));
  const times = random.chance(0.01)
    ? 1 + random.below(Math.floor(65536 / Math.max(1, piece.length)))
    : random.length(4);
  const all = new Uint8Array(piece.length * times);
  for (let i = 0; i < times; ++i) all.set(piece, i * piece.length);
  return replaced(bytes, at, 0, all);
}

function splice(random, bytes, others) {
  const other = others.length > 0 ? random.pick(others) : bytes;
  const from = random.below(other.length);
  const piece = other.subarray(from, from + random.length(9));
  return replaced(bytes, random.below(bytes.length + 1), random.chance(0.5) ? piece.length : 0, piece);
}

function truncate(random, bytes) {
  return bytes.slice(0, random.below(bytes.length + 1));
}

/** Another number in the place of one in decimal digits. */
function setNumeral(random, bytes) {
  const digit = (byte) => byte >= 0x30 && byte <= 0x39;
  let at = random.below(bytes.length);
  while (at < bytes.length && !digit(bytes[at])) ++at;
  let end = at;
  while (end < bytes.length && digit(bytes[end])) ++end;
  if (at === end) return bytes;
  return replaced(bytes, at, end - at, encoder.encode(random.pick(numerals)));
}

function putWord(random, bytes, _others, words) {
  if (words.length === 0) return bytes;
  return replaced(bytes, random.below(bytes.length + 1), random.below(8), encoder.encode(random.pick(words)));
}

function swapPieces(random, bytes) {
  const copy = bytes.slice();
  const length = random.length(5);
  if (copy.length < 2 * length) return copy;
  const a = random.below(copy.length - length + 1);
  const b = random.below(copy.length - length + 1);
  copy.copyWithin(a, b, b + length);
  return copy;
}

function replaced(bytes, at, count, piece) {
  const end = Math.min(bytes.length, at + count);
  const result = new Uint8Array(at + piece.length + bytes.length - end);
  result.set(bytes.subarray(0, at));
  result.set(piece, at);
  result.set(bytes.subarray(end), at + piece.length);
  return result;
}
