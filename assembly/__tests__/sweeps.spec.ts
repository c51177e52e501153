import { halfBits, noise } from "./values";
import { firstInfinite, roundTo, widenBF16, widenF16 } from "../convert";
import { multiply, packPairs, packPanels, pairBytes, panelBytes, stripBytes } from "../gemm";
import { gramBlock, gramFinish, gramPackedBytes, gramSlotBytes } from "../gram";
import { inflate, leverageBlock } from "../leverage";
import { residualRows, residualSums } from "../residual";

function fill<T>(A: usize, count: u32, seed: u32): void {
  for (let i: u32 = 0; i < count; ++i) store<T>(A + <usize>i * sizeof<T>(), <T>noise(seed + i));
}

/** Largest error of the Gram matrix of `n` rows, cut into blocks of `block` rows, against the plain sum. */
function gramError<S, T>(n: u32, d: u32, block: u32): f64 {
  const A = heap.alloc(<usize>n * d * sizeof<S>()), r = heap.alloc(<usize>n << 3), c = heap.alloc(<usize>d << 3);
  const packed = heap.alloc(gramPackedBytes<T>(block, d)), slots = heap.alloc(gramSlotBytes<T>(d) * 6), G = heap.alloc(<usize>d * d << 3);
  fill<S>(A, n * d, 1);
  for (let i: usize = 0; i < n; ++i) store<f64>(r + (i << 3), 0.5 + <f64>(i % 3));
  for (let j: usize = 0; j < d; ++j) store<f64>(c + (j << 3), j % 2 ? 2 : 0.25);
  let blocks: u32 = 0;
  for (let i: u32 = 0; i < n; i += block) {
    gramBlock<S, T>(slots, A + <usize>i * d * sizeof<S>(), min(block, n - i), d, r + (<usize>i << 3), c, packed, blocks++);
  }
  gramFinish<T>(G, slots, d, blocks);
  let worst: f64 = 0;
  for (let i: u32 = 0; i < d; ++i) {
    for (let j: u32 = 0; j < d; ++j) {
      let sum: f64 = 0;
      for (let k: u32 = 0; k < n; ++k) {
        const s = load<f64>(r + (<usize>k << 3));
        const x = <f64>load<S>(A + <usize>(k * d + i) * sizeof<S>()) * load<f64>(c + (<usize>i << 3));
        const y = <f64>load<S>(A + <usize>(k * d + j) * sizeof<S>()) * load<f64>(c + (<usize>j << 3));
        sum += s * s * x * y;
      }
      worst = max(worst, abs(sum - load<f64>(G + ((<usize>i * d + j) << 3))));
    }
  }
  heap.free(A);
  heap.free(r);
  heap.free(c);
  heap.free(packed);
  heap.free(slots);
  heap.free(G);
  return worst;
}

/** Largest error of X B, of the leverage sums, and of the residual's sums against plain loops. */
function productError<S, T>(n: u32, d: u32, m: u32): f64 {
  const X = heap.alloc(<usize>n * d * sizeof<S>()), B = heap.alloc(<usize>d * m << 3), Y = heap.alloc(<usize>n * m * sizeof<T>());
  const pairs = heap.alloc(pairBytes<T>(n, d)), panels = heap.alloc(panelBytes<T>(d, m)), strip = heap.alloc(stripBytes(n)), q = heap.alloc(<usize>n << 3);
  fill<S>(X, n * d, 3);
  fill<f64>(B, d * m, 5);
  packPairs<S, T>(pairs, X, n, d);
  packPanels<T>(panels, B, d, m);
  multiply<T>(Y, pairs, n, d, panels, m, strip);
  leverageBlock<T>(q, pairs, n, d, panels, m, false, strip);
  let worst: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    let squares: f64 = 0;
    for (let j: u32 = 0; j < m; ++j) {
      let sum: f64 = 0;
      for (let k: u32 = 0; k < d; ++k) sum += <f64>load<S>(X + <usize>(i * d + k) * sizeof<S>()) * load<f64>(B + ((<usize>k * m + j) << 3));
      worst = max(worst, abs(sum - <f64>load<T>(Y + <usize>(i * m + j) * sizeof<T>())));
      squares += sum * sum;
    }
    worst = max(worst, abs(squares - load<f64>(q + (<usize>i << 3))));
  }
  heap.free(X);
  heap.free(B);
  heap.free(Y);
  heap.free(pairs);
  heap.free(panels);
  heap.free(strip);
  heap.free(q);
  return worst;
}

describe("weighted Gram matrix", () => {
  it("one to six blocks, one to three rows in the last, every tail of columns", () => {
    for (let d: u32 = 1; d <= 35; d += d < 18 ? 1 : 8) {
      for (let n: u32 = 1; n <= 23; n += 11) {
        expect<f64>(gramError<f32, f32>(n, d, 4)).toBeLessThan(2e-5);
        expect<f64>(gramError<f32, f64>(n, d, 4)).toBeLessThan(1e-13);
        expect<f64>(gramError<f64, f64>(n, d, 5)).toBeLessThan(1e-13);
      }
    }
  });
});

describe("products", () => {
  it("odd rows, every tail of columns, depths over and under the unit of 256", () => {
    for (let n: u32 = 1; n <= 5; ++n) {
      for (let m: u32 = 1; m <= 20; m += 3) {
        for (let d: u32 = 1; d <= 9; ++d) {
          expect<f64>(productError<f32, f32>(n, d, m)).toBeLessThan(1e-5);
          expect<f64>(productError<f32, f64>(n, d, m)).toBeLessThan(1e-13);
          expect<f64>(productError<f64, f64>(n, d, m)).toBeLessThan(1e-13);
        }
      }
    }
    expect<f64>(productError<f32, f32>(3, 600, 17)).toBeLessThan(2e-3);
    expect<f64>(productError<f64, f64>(4, 513, 9)).toBeLessThan(1e-11);
  });
});

describe("leverage scores that must not be too small", () => {
  it("(sqrt(q) + factor |x|)^2", () => {
    const q = heap.alloc(16), squares = heap.alloc(16);
    store<f64>(q, 9);
    store<f64>(q, 0, 8);
    store<f64>(squares, 16);
    store<f64>(squares, 4, 8);
    inflate(q, squares, 2, 0.5);
    expect<f64>(load<f64>(q)).toBe(25);
    expect<f64>(load<f64>(q, 8)).toBe(1);
    heap.free(q);
    heap.free(squares);
  });
});

describe("residual", () => {
  it("sums of |r|, r^2, |r|^p for whole quarters and for others; weights; the worst row", () => {
    const n: u32 = 3, d: u32 = 21, k: u32 = 2;
    const X = heap.alloc(n * d * 8), L = heap.alloc(n * k * 8), R = heap.alloc(k * d * 8), s = heap.alloc(n * 8);
    const pairs = heap.alloc(pairBytes<f64>(n, k)), panels = heap.alloc(panelBytes<f64>(k, d)), strip = heap.alloc(stripBytes(n));
    const rows = heap.alloc(n * 24), out = heap.alloc(48);
    fill<f64>(X, n * d, 7);
    fill<f64>(L, n * k, 8);
    fill<f64>(R, k * d, 9);
    fill<f64>(s, n, 10);
    for (let i: usize = 0; i < n; ++i) store<f64>(s + (i << 3), 1.5 + load<f64>(s + (i << 3)));
    packPairs<f64, f64>(pairs, L, n, k);
    packPanels<f64>(panels, R, k, d);
    const ps: f64[] = [1, 2, 0.25, 0.5, 1.25, 1.5, 1.75, 3, 3.75, 1.1, 3.3];
    for (let t = 0; t < ps.length; ++t) {
      const p = ps[t];
      residualRows<f64, f64>(rows, X, n, d, pairs, k, panels, p, 0.5, strip);
      residualSums(out, rows, n, s, p, 40);
      let lp: f64 = 0, l1: f64 = 0, l21: f64 = 0, l2: f64 = 0, worst: f64 = -1, at: f64 = 0;
      for (let i: u32 = 0; i < n; ++i) {
        let square: f64 = 0;
        const si = load<f64>(s + (<usize>i << 3));
        for (let j: u32 = 0; j < d; ++j) {
          let x = load<f64>(X + ((<usize>i * d + j) << 3));
          for (let c: u32 = 0; c < k; ++c) x -= load<f64>(L + ((<usize>i * k + c) << 3)) * load<f64>(R + ((<usize>c * d + j) << 3));
          x = abs(x) * 0.5;
          lp += si * Math.pow(x, p);
          l1 += si * x;
          square += x * x;
        }
        l2 += si * square;
        l21 += si * sqrt(square);
        if (sqrt(square) > worst) {
          worst = sqrt(square);
          at = <f64>(40 + i);
        }
      }
      expect<f64>(abs(load<f64>(out) / lp - 1)).toBeLessThan(1e-13);
      expect<f64>(abs(load<f64>(out, 8) / l1 - 1)).toBeLessThan(1e-13);
      expect<f64>(abs(load<f64>(out, 16) / l21 - 1)).toBeLessThan(1e-13);
      expect<f64>(abs(load<f64>(out, 24) / l2 - 1)).toBeLessThan(1e-13);
      expect<f64>(abs(load<f64>(out, 32) / worst - 1)).toBeLessThan(1e-13);
      expect<f64>(load<f64>(out, 40)).toBe(at);
    }
    heap.free(X);
    heap.free(L);
    heap.free(R);
    heap.free(s);
    heap.free(pairs);
    heap.free(panels);
    heap.free(strip);
    heap.free(rows);
    heap.free(out);
  });
});

describe("stored numbers", () => {
  it("every half-precision number widens to its value, and rounds to itself", () => {
    const from = heap.alloc(65536 * 2), to = heap.alloc(65536 * 4), again = heap.alloc(65536 * 4);
    for (let h: u32 = 0; h < 65536; ++h) store<u16>(from + (<usize>h << 1), <u16>h);
    widenF16(to, from, 65536);
    memory.copy(again, to, 65536 * 4);
    roundTo<f32>(again, 65536, 2);
    let wrong = 0;
    for (let h: u32 = 0; h < 65536; ++h) {
      const x = load<f32>(to + (<usize>h << 2));
      const value = halfBits(h);
      if (value != value) {
        if (x == x) ++wrong;
      } else if (<f64>x != value || load<f32>(again + (<usize>h << 2)) != x) ++wrong;
    }
    expect<i32>(wrong).toBe(0);
    heap.free(from);
    heap.free(to);
    heap.free(again);
  });

  it("the first that is NaN or infinite is found, wherever it is; what only sums overflow is not", () => {
    const x = heap.alloc(88);
    for (let count = 1; count <= 11; ++count) {
      for (let i = 0; i < count; ++i) {
        store<f32>(x + (<usize>i << 2), f32.MAX_VALUE);
      }
      expect<i32>(firstInfinite<f32>(x, count)).toBe(-1);
      for (let at = count - 1; at >= 0; --at) {
        store<f32>(x + (<usize>at << 2), at & 1 ? <f32>NaN : -Infinity);
        expect<i32>(firstInfinite<f32>(x, count)).toBe(at);
      }
      for (let i = 0; i < count; ++i) store<f64>(x + (<usize>i << 3), -f64.MAX_VALUE);
      expect<i32>(firstInfinite<f64>(x, count)).toBe(-1);
      for (let at = count - 1; at >= 0; --at) {
        store<f64>(x + (<usize>at << 3), at & 1 ? Infinity : NaN);
        expect<i32>(firstInfinite<f64>(x, count)).toBe(at);
      }
    }
    heap.free(x);
  });

  it("ties go to even; too large is infinity; bfloat16 is the upper half", () => {
    const x = heap.alloc(64);
    const given: f32[] = [1 + 1 / 2048.0, 1 + 3 / 2048.0, 65519.9, 65520, 2.9802322e-8, 2.9802326e-8, 8.940697e-8];
    const rounded: f64[] = [1, 1 + 4 / 2048.0, 65504, Infinity, 0, 5.9604644775390625e-8, 1.1920928955078125e-7];
    for (let i = 0; i < given.length; ++i) store<f32>(x + (<usize>i << 2), given[i]);
    roundTo<f32>(x, given.length, 2);
    for (let i = 0; i < given.length; ++i) expect<f64>(<f64>load<f32>(x + (<usize>i << 2))).toBe(rounded[i]);
    store<f32>(x, 1 + 1 / 256.0);
    store<f32>(x, 1 + 3 / 256.0, 4);
    roundTo<f32>(x, 2, 3);
    expect<f32>(load<f32>(x)).toBe(1);
    expect<f32>(load<f32>(x, 4)).toBe(1 + 4 / 256.0);
    store<u16>(x, 0x3fc0);
    widenBF16(x + 16, x, 1);
    expect<f32>(load<f32>(x, 16)).toBe(1.5);
    heap.free(x);
  });
});
