import { normals, philox, philoxWord, uniforms } from "../random";

function words(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): u32[] {
  philox(c0, c1, c2, c3, k0, k1);
  return [philoxWord(0), philoxWord(1), philoxWord(2), philoxWord(3)];
}

describe("Philox4x32-10 against the vectors its authors publish (Random123, kat_vectors)", () => {
  it("zeros", () => {
    expect(words(0, 0, 0, 0, 0, 0)).toStrictEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  });
  it("ones", () => {
    const f: u32 = 0xffffffff;
    expect(words(f, f, f, f, f, f)).toStrictEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  });
  it("digits of pi", () => {
    expect(words(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)).toStrictEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });
});

describe("numbers", () => {
  it("uniforms: range, mean, variance, and any cut of the indices gives the same numbers", () => {
    const n: u32 = 20000;
    const x = heap.alloc(8 * n), y = heap.alloc(8 * n);
    uniforms(x, n, 7, 1, 3, 5);
    uniforms(y, 10, 7, 1, 3, 105);
    let mean: f64 = 0, square: f64 = 0, least: f64 = 1, most: f64 = 0;
    for (let i: usize = 0; i < n; ++i) {
      const u = load<f64>(x + (i << 3));
      mean += u / n;
      square += u * u / n;
      least = min(least, u);
      most = max(most, u);
    }
    expect(load<f64>(x + 800)).toBe(load<f64>(y));
    expect(load<f64>(x + 872)).toBe(load<f64>(y + 72));
    expect(abs(mean - 0.5)).toBeLessThan(0.01);
    expect(abs(square - 1.0 / 3)).toBeLessThan(0.01);
    expect(least).toBeGreaterThanOrEqual(0);
    expect(most).toBeLessThan(1);
    heap.free(x);
    heap.free(y);
  });
  it("normals: mean, variance, fourth moment; another stream gives other numbers", () => {
    const n: u32 = 20000;
    const x = heap.alloc(8 * n), y = heap.alloc(8 * n);
    normals(x, n, 7, 1, 0, 0);
    normals(y, n, 7, 1, 1, 0);
    let mean: f64 = 0, two: f64 = 0, four: f64 = 0, both: f64 = 0;
    for (let i: usize = 0; i < n; ++i) {
      const u = load<f64>(x + (i << 3));
      mean += u / n;
      two += u * u / n;
      four += u * u * u * u / n;
      both += u * load<f64>(y + (i << 3)) / n;
    }
    expect(abs(mean)).toBeLessThan(0.03);
    expect(abs(two - 1)).toBeLessThan(0.03);
    expect(abs(four - 3)).toBeLessThan(0.2);
    expect(abs(both)).toBeLessThan(0.03);
    heap.free(x);
    heap.free(y);
  });
});
