import { noise } from "./values";
import { trellisDecode, trellisEncode, trellisPrepare, trellisWorkBytes } from "../trellis";

const n: u32 = 16;

/** A table without any order: 2^windowBits values. */
function tableAt(windowBits: u32): usize {
  const table = heap.alloc(4 << windowBits);
  for (let w: u32 = 0; w < 1 << windowBits; ++w) store<f32>(table + (<usize>w << 2), <f32>(4 * noise(w + 977)));
  return table;
}

function entriesAt(from: u32, count: u32 = n): usize {
  const x = heap.alloc(4 * count);
  for (let i: u32 = 0; i < count; ++i) store<f32>(x + (<usize>i << 2), <f32>(4 * noise(from + i)));
  return x;
}

function workFor(length: u32, bits: u32, windowBits: u32, table: usize): usize {
  const work = heap.alloc(<usize>trellisWorkBytes(length, bits, windowBits));
  trellisPrepare(work, length, bits, windowBits, table);
  return work;
}

/** The least squared error of any circle: window by window, in f64. */
function leastError(x: usize, bits: u32, windowBits: u32, table: usize): f64 {
  const size = 1 << windowBits, mask = (1 << (windowBits - bits)) - 1;
  let best: f64 = Infinity;
  for (let s = 0; s <= mask; ++s) {
    let least = new Float64Array(size).fill(Infinity);
    least[s] = 0;
    for (let i: u32 = 0; i < n; ++i) {
      const next = new Float64Array(size).fill(Infinity);
      for (let p = 0; p < size; ++p) {
        if (least[p] == Infinity) continue;
        for (let code = 0; code < 1 << bits; ++code) {
          const w = ((p << bits) | code) & (size - 1);
          const r = <f64>load<f32>(x + (<usize>i << 2)) - load<f32>(table + (<usize>w << 2));
          next[w] = min(next[w], least[p] + r * r);
        }
      }
      least = next;
    }
    for (let w = 0; w < size; ++w) if ((w & mask) == s) best = min(best, least[w]);
  }
  return best;
}

describe("trellis codes", () => {
  it("every number of bits, short and long rows: what is decoded goes in circles, and the sums are its own", () => {
    for (let bits: u32 = 1; bits <= 8; ++bits) {
      for (let windowBits: u32 = bits + 2; windowBits <= bits + 5; ++windowBits) {
        for (let length: u32 = 8; length <= 88; length += 40) {
          const table = tableAt(windowBits), x = entriesAt(31 * bits + windowBits, length);
          const work = workFor(length, bits, windowBits, table);
          const sums = heap.alloc(24), codes = heap.alloc(length), out = heap.alloc(4 * length);
          trellisEncode(codes, sums, x, 1, length, length, bits, windowBits, table, work);
          trellisDecode(out, codes, 1, length, bits, windowBits, table, 0);
          let error: f64 = 0, along: f64 = 0, square: f64 = 0;
          for (let i: u32 = 0; i < length; ++i) {
            const a = <f64>load<f32>(x + (<usize>i << 2)), y = <f64>load<f32>(out + (<usize>i << 2));
            error += (a - y) * (a - y);
            along += a * y;
            square += y * y;
            let w: u32 = 0;
            for (let back = <i32>windowBits; back-- > 0; ) {
              const rowBits = <i32>(length * bits), bit = (<i32>((i + 1) * bits) - 1 - back + rowBits) % rowBits;
              w = (w << 1) | ((load<u8>(codes + (bit >> 3)) >> (7 - (<u8>bit & 7))) & 1);
            }
            expect(load<f32>(out + (<usize>i << 2))).toBe(load<f32>(table + (<usize>w << 2)));
          }
          expect(abs(load<f64>(sums) - error)).toBeLessThan(1e-11);
          expect(abs(load<f64>(sums, 8) - along)).toBeLessThan(1e-11);
          expect(abs(load<f64>(sums, 16) - square)).toBeLessThan(1e-11);
          heap.free(table);
          heap.free(x);
          heap.free(work);
        }
      }
    }
  });

  it("four states: no circle has an error that is smaller by a hundredth", () => {
    for (let bits: u32 = 1; bits <= 8; ++bits) {
      const windowBits = bits + 2, table = tableAt(windowBits), x = entriesAt(31 * bits);
      const work = workFor(n, bits, windowBits, table), sums = heap.alloc(24), codes = heap.alloc(n);
      trellisEncode(codes, sums, x, 1, n, n, bits, windowBits, table, work);
      expect(load<f64>(sums)).toBeLessThanOrEqual(leastError(x, bits, windowBits, table) * 1.01 + 1e-7);
      heap.free(work);
    }
  });

  it("3 bits: eight codes are three bytes, the highest bit first", () => {
    const bits: u32 = 3, windowBits: u32 = 5;
    const table = heap.alloc(4 << windowBits), x = heap.alloc(8 * n), sums = heap.alloc(48), codes = heap.alloc(12), out = heap.alloc(8 * n);
    // The value is the newest code: bits that were shifted further do not matter.
    for (let w: u32 = 0; w < 1 << windowBits; ++w) store<f32>(table + (<usize>w << 2), <f32>(w & 7));
    for (let i: u32 = 0; i < 2 * n; ++i) {
      const code: u32 = (5 * i + 1) % 8;
      store<f32>(x + (<usize>i << 2), <f32>code);
    }
    const work = workFor(n, bits, windowBits, table);
    trellisEncode(codes, sums, x, 2, n, n, bits, windowBits, table, work);
    // 1 6 3 0 5 2 7 4: 001 110 011 000 101 010 111 100, twice.
    expect(<u32>load<u8>(codes)).toBe(0b00111001);
    expect(<u32>load<u8>(codes, 1)).toBe(0b10001010);
    expect(<u32>load<u8>(codes, 2)).toBe(0b10111100);
    expect(<u32>load<u8>(codes, 3)).toBe(0b00111001);
    trellisDecode(out, codes, 2, n, bits, windowBits, table, 0);
    for (let i: usize = 0; i < 2 * n; ++i) expect(load<f32>(out + (i << 2))).toBe(load<f32>(x + (i << 2)));
    expect(load<f64>(sums) + load<f64>(sums, 24)).toBe(0);
  });

  it("of equal errors the lowest window", () => {
    const bits: u32 = 2, windowBits: u32 = 4;
    const table = heap.alloc(4 << windowBits), x = entriesAt(5), sums = heap.alloc(24), codes = heap.alloc(4);
    memory.fill(table, 0, 4 << windowBits);
    trellisEncode(codes, sums, x, 1, n, n, bits, windowBits, table, workFor(n, bits, windowBits, table));
    expect(load<u32>(codes)).toBe(0);
  });

  it("rows lie `stride` apart, and a scale multiplies what is decoded", () => {
    const bits: u32 = 4, windowBits: u32 = 8, stride = n + 3;
    const table = tableAt(windowBits), X = heap.alloc(8 * stride), sums = heap.alloc(48), codes = heap.alloc(16), out = heap.alloc(8 * n);
    const one = heap.alloc(8), scales = heap.alloc(8), work = workFor(n, bits, windowBits, table);
    for (let i: u32 = 0; i < 2 * stride; ++i) store<f32>(X + (<usize>i << 2), <f32>(4 * noise(i)));
    trellisEncode(codes, sums, X, 2, n, stride, bits, windowBits, table, work);
    trellisEncode(one, sums, X + 4 * stride, 1, n, 0, bits, windowBits, table, work);
    for (let i: usize = 0; i < 8; ++i) expect(<u32>load<u8>(codes + 8 + i)).toBe(<u32>load<u8>(one + i));
    store<f32>(scales, 2);
    store<f32>(scales, -0.5, 4);
    const plain = heap.alloc(8 * n);
    trellisDecode(plain, codes, 2, n, bits, windowBits, table, 0);
    trellisDecode(out, codes, 2, n, bits, windowBits, table, scales);
    for (let i: u32 = 0; i < 2 * n; ++i) {
      expect(load<f32>(out + (<usize>i << 2))).toBe(load<f32>(plain + (<usize>i << 2)) * (i < n ? <f32>2 : <f32>-0.5));
    }
  });
});
