import { noise } from "./values";
import { halfBits, toHalf } from "../convert";
import { quantiseRows, quantiseWorkBytes } from "../quantise";

/** Levels -3, -1, 1, 3 as a list, or -2 ... 1 by their zero. */
function levelsAt(even: bool): usize {
  const levels = heap.alloc(16);
  for (let i: usize = 0; i < 4; ++i) store<f32>(levels + (i << 2), even ? <f32>i - 2 : 2 * <f32>i - 3);
  return levels;
}

describe("half precision bits", () => {
  it("of numbers it holds: normal, subnormal, the ends", () => {
    expect(halfBits(1)).toBe(0x3c00);
    expect(halfBits(65504)).toBe(0x7bff);
    expect(halfBits(toHalf(0.1))).toBe(0x2e66);
    expect(halfBits(0.00006103515625)).toBe(0x0400);
    expect(halfBits(5.9604644775390625e-8)).toBe(1);
    expect(halfBits(0.0000457763671875)).toBe(0x300);
    expect(halfBits(0)).toBe(0);
  });
});

describe("rows in few bits", () => {
  it("a block on the grid: codes, scale, and nothing left of it; padding counts for nothing", () => {
    const k: u32 = 5, padded: u32 = 8;
    const x = heap.alloc(4 * k), out = heap.alloc(4 * k), first = heap.alloc(2), scales = heap.alloc(2);
    const work = heap.alloc(quantiseWorkBytes(padded, padded));
    const codes: u32[] = [3, 0, 2, 1, 0];
    for (let even = 0; even < 2; ++even) {
      const levels = levelsAt(<bool>even);
      for (let j: u32 = 0; j < k; ++j) {
        store<f32>(x + (<usize>j << 2), 0.75 * load<f32>(levels + (<usize>codes[j] << 2)));
      }
      quantiseRows<f32>(out, x, 1, k, padded, padded, 2, levels, even ? 2 : -1, 1, 0, 0, true, true, first, 0, scales, work);
      expect(<u32>load<u16>(scales)).toBe(0x3a00);
      expect(<u32>load<u8>(first)).toBe(3 | (0 << 2) | (2 << 4) | (1 << 6));
      expect(<u32>load<u8>(first, 1) & 3).toBe(0);
      for (let j: u32 = 0; j < k; ++j) expect(load<f32>(out + (<usize>j << 2))).toBe(0);
    }
  });

  it("f32 and f64 rows: the same codes, and blocks know nothing of one another", () => {
    const n: u32 = 3, k: u32 = 21, padded: u32 = 24, block: u32 = 8;
    const narrow = heap.alloc(4 * n * k), wide = heap.alloc(8 * n * k), starts = heap.alloc(8);
    const a = heap.alloc(padded / 4 * n), b = heap.alloc(padded / 4 * n), sa = heap.alloc(6 * n), sb = heap.alloc(6 * n);
    const work = heap.alloc(quantiseWorkBytes(padded, block)), levels = levelsAt(false);
    store<f64>(starts, 0.5);
    for (let i: u32 = 0; i < n * k; ++i) {
      const x = <f32>noise(i) * (i % k < block ? 1000 : 1);
      store<f32>(narrow + (<usize>i << 2), x);
      store<f64>(wide + (<usize>i << 3), x);
    }
    quantiseRows<f32>(narrow, narrow, n, k, padded, block, 2, levels, -1, 1, starts, 1, false, false, a, 0, sa, work);
    quantiseRows<f64>(wide, wide, n, k, padded, block, 2, levels, -1, 1, starts, 1, false, false, b, 0, sb, work);
    for (let i: usize = 0; i < padded / 4 * n; ++i) expect(<u32>load<u8>(a + i)).toBe(<u32>load<u8>(b + i));
    for (let i: usize = 0; i < 3 * n; ++i) expect(<u32>load<u16>(sa + 2 * i)).toBe(<u32>load<u16>(sb + 2 * i));
    for (let i: u32 = 0; i < n * k; ++i) {
      const size: f64 = i % k < block ? 1000 : 1;
      const x = <f64>(<f32>noise(i)) * size;
      expect(abs(<f64>load<f32>(narrow + (<usize>i << 2)) - x)).toBeLessThan(0.2 * size);
      expect(<f64>load<f32>(narrow + (<usize>i << 2))).toBe(load<f64>(wide + (<usize>i << 3)));
    }
  });
});
