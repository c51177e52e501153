import { noise } from "./values";
import { outerProducts, reweight, solveSystems } from "../entrywise-reweight";
import { keepBetter, penaltyScales, shareAt, shareBytes, shareTable, splitTarget, splitUpdate, weightedSum } from "../entrywise-split";

function array(count: u32, seed: u32): usize {
  const x = heap.alloc(<usize>count << 3);
  for (let i: u32 = 0; i < count; ++i) store<f64>(x + (<usize>i << 3), noise(seed + i));
  return x;
}

function get(x: usize, i: u32): f64 {
  return load<f64>(x + (<usize>i << 3));
}

/** The s >= 0 that minimises s^p / p + (s - x)^2 / 2, by a fine grid. */
function prox(x: f64, p: f64): f64 {
  let best: f64 = 0, least = 0.5 * x * x;
  for (let i = 1; i <= 20000; ++i) {
    const s = (x * <f64>i) / 20000;
    const value = Math.pow(s, p) / p + 0.5 * (s - x) * (s - x);
    if (value < least) (least = value), (best = s);
  }
  return best;
}

describe("the proximal map's table", () => {
  it("is the minimiser, for p below 1, in between and above 2", () => {
    const table = heap.alloc(shareBytes());
    for (let i = 0; i < 8; ++i) {
      const p: f64 = i == 0 ? 0.5 : i == 1 ? 0.75 : i == 2 ? 1 : i == 3 ? 1.25 : i == 4 ? 1.5 : i == 5 ? 1.9 : i == 6 ? 2.5 : 3.5;
      shareTable(table, p);
      for (let x: f64 = 0.05; x < 60; x *= 1.37) {
        const s = prox(x, p);
        // Within one piece of the jump that p < 1 has, either side of it will do.
        if (p < 1 && (prox(x * 1.04, p) == 0) != (prox(x * 0.96, p) == 0)) continue;
        expect<f64>(abs(x * shareAt(table, x) - (x - s))).toBeLessThan(1e-3 * (x + 0.1));
      }
      expect<f64>(shareAt(table, 0)).toBe(shareAt(table, 1e-30));
      expect<f64>(shareAt(table, 1e300)).toBe(shareAt(table, 1e30));
    }
    heap.free(table);
  });
});

/** The plain c(v). */
function clip(v: f64, t: f64, table: usize): f64 {
  if (table) return v * shareAt(table, abs(v) / t);
  return max(min(v, t), -t);
}

/** Largest error of target, update and sums against plain loops. */
function splitError<S, T>(form: u32, n: u32, d: u32, p: f64, outside: bool, fresh: bool): f64 {
  const count = n * d;
  const s = sizeof<S>(), t = sizeof<T>();
  const A = heap.alloc(count * s), v = heap.alloc(count * s), Z = heap.alloc(count * s), Y = heap.alloc(count * t);
  const base = heap.alloc(<usize>n << 3), sums = heap.alloc(<usize>n << 3), table = p == 1 ? 0 : heap.alloc(shareBytes());
  const old = heap.alloc(count * s);
  if (table) shareTable(table, p);
  for (let i: u32 = 0; i < count; ++i) {
    store<S>(A + i * s, <S>noise(i));
    store<S>(v + i * s, <S>noise(count + i));
    store<S>(old + i * s, load<S>(v + i * s));
    store<T>(Y + i * t, <T>noise(2 * count + i));
  }
  for (let i: u32 = 0; i < n; ++i) store<f64>(base + (<usize>i << 3), 0.1 + 0.05 * <f64>(i % 5));
  const level = 1.5, next = 0.75, keep = 0.5, unit = 2.0, floor = 0.2;
  let worst: f64 = 0;
  splitTarget<S>(Z, A, fresh ? 0 : v, n, d, base, level, unit, table);
  for (let i: u32 = 0; i < count; ++i) {
    const x = <f64>load<S>(v + i * s);
    const z = unit * <f64>load<S>(A + i * s) - (fresh ? 0 : x - 2 * clip(x, level * get(base, i / d), table));
    worst = max(worst, abs(z - <f64>load<S>(Z + i * s)));
  }
  const before = heap.alloc(count * s);
  memory.copy(before, Z, count * s);
  const levels = heap.alloc(<usize>n << 3);
  memory.copy(levels, base, <usize>n << 3);
  splitUpdate<S, T>(Z, A, v, Y, n, d, base, sums, p, unit, outside, fresh, level, next, keep, floor, table);
  for (let i: u32 = 0; i < n; ++i) {
    let sum: f64 = 0, one: f64 = 0;
    for (let j: u32 = 0; j < d; ++j) {
      const at = i * d + j;
      const a = unit * <f64>load<S>(A + at * s), y = <f64>load<T>(Y + at * t), z = <f64>load<S>(before + at * s), x = <f64>load<S>(old + at * s);
      const r = outside ? a - z + y : a - y;
      sum += Math.pow(abs(r), p);
      one += abs(r);
      const moved = fresh ? r : r + keep * clip(x, level * get(levels, i), table);
      worst = max(worst, abs(moved - <f64>load<S>(v + at * s)));
      const now = <f64>load<S>(v + at * s);
      worst = max(worst, abs(a - now + 2 * clip(now, next * get(base, i), table) - <f64>load<S>(Z + at * s)));
    }
    worst = max(worst, abs(sum - get(sums, i)) / <f64>d);
    worst = max(worst, abs((fresh ? max(one / <f64>d, floor) : get(levels, i)) - get(base, i)));
  }
  heap.free(A);
  heap.free(v);
  heap.free(Z);
  heap.free(Y);
  heap.free(base);
  heap.free(sums);
  heap.free(old);
  heap.free(before);
  heap.free(levels);
  if (table) heap.free(table);
  return worst;
}

describe("a step of the splitting", () => {
  it("every tail of columns, all types, both sides of the subspace, first step and later ones", () => {
    for (let d: u32 = 1; d <= 13; ++d) {
      for (let c = 0; c < 4; ++c) {
        for (let i = 0; i < 3; ++i) {
          const p: f64 = i == 0 ? 1 : i == 1 ? 1.5 : 1.3;
          expect<f64>(splitError<f32, f32>(0, 3, d, p, (c & 1) == 1, (c & 2) == 2)).toBeLessThan(2e-6);
          expect<f64>(splitError<f32, f64>(1, 3, d, p, (c & 1) == 1, (c & 2) == 2)).toBeLessThan(2e-6);
          expect<f64>(splitError<f64, f64>(2, 3, d, p, (c & 1) == 1, (c & 2) == 2)).toBeLessThan(1e-14);
        }
      }
    }
  });

  it("without a next level the target stays", () => {
    const Z = array(6, 1), A = array(6, 2), v = array(6, 3), Y = array(6, 4), base = array(2, 5), sums = array(2, 6);
    const z = get(Z, 3);
    splitUpdate<f64, f64>(Z, A, v, Y, 2, 3, base, sums, 1, 1, true, true, 0, 0, 0, 0, 0);
    expect<f64>(get(Z, 3)).toBe(z);
  });

  it("better rows are kept, penalties and sums are weighted", () => {
    const best = array(6, 1), Z = array(6, 50), sums = array(2, 9), bestSums = array(2, 9), base = array(2, 3), s = array(2, 4), out = array(2, 5);
    store<f64>(bestSums, 1);
    store<f64>(bestSums, -1, 8);
    const kept = get(best, 4);
    keepBetter(best, bestSums, Z, sums, 2, 24);
    expect<f64>(get(best, 1)).toBe(get(Z, 1));
    expect<f64>(get(best, 4)).toBe(kept);
    expect<f64>(get(bestSums, 0)).toBe(get(sums, 0));
    expect<f64>(get(bestSums, 1)).toBe(-1);
    store<f64>(base, 3);
    store<f64>(base, 0.25, 8);
    store<f64>(s, 2);
    store<f64>(s, 0, 8);
    penaltyScales(out, s, base, 2, 1.5, 0.5);
    expect<f64>(abs(get(out, 0) - Math.sqrt(2 * Math.pow(6, -0.5)))).toBeLessThan(1e-15);
    expect<f64>(get(out, 1)).toBe(0);
    penaltyScales(out, 0, base, 2, 1.5, 0.5);
    expect<f64>(abs(get(out, 1) - Math.sqrt(Math.pow(0.5, -0.5)))).toBeLessThan(1e-15);
    weightedSum(out, base, s, 2);
    expect<f64>(get(out, 0)).toBe(6);
    weightedSum(out, base, 0, 2);
    expect<f64>(get(out, 0)).toBe(3.25);
  });
});

describe("reweighting", () => {
  it("weights, along and across", () => {
    const n: u32 = 3, d: u32 = 5;
    const A = array(n * d, 1), Y = array(n * d, 100), s = heap.alloc(24), W = heap.alloc(120), WR = heap.alloc(120), out = heap.alloc(8);
    for (let i: u32 = 0; i < n; ++i) store<f64>(s + (<usize>i << 3), <f64>i);
    for (let c = 0; c < 6; ++c) {
      const p: f64 = c >> 1 == 0 ? 1 : c >> 1 == 1 ? 1.3 : 3;
      const across = (c & 1) == 1;
      reweight<f64>(W, WR, A, Y, s, n, d, p, 2, 0.1, across, out);
      let sum: f64 = 0;
      for (let i: u32 = 0; i < n; ++i) {
        for (let j: u32 = 0; j < d; ++j) {
          const r = 2 * get(A, i * d + j) - get(Y, i * d + j);
          const w = <f64>i * Math.pow(r * r + 0.01, p / 2 - 1);
          sum += <f64>i * Math.pow(abs(r), p);
          const at = across ? j * n + i : i * d + j;
          expect<f64>(abs(get(W, at) - w)).toBeLessThan(1e-12);
          expect<f64>(abs(get(WR, at) - w * r)).toBeLessThan(1e-12);
        }
      }
      expect<f64>(abs(sum - load<f64>(out))).toBeLessThan(1e-12);
    }
  });

  it("systems of one to nine unknowns are solved; a zero one changes nothing", () => {
    for (let k: u32 = 1; k <= 9; ++k) {
      const m = (k * (k + 1)) / 2;
      const x = array(2 * k, 1), G = heap.alloc(<usize>m << 4), b = array(2 * k, 60), work = heap.alloc(<usize>k * k * 8), y = array(12 * k, 90), P = heap.alloc(<usize>m * 12 * 8);
      memory.fill(G, 0, <usize>m << 4);
      outerProducts(P, y, 12, k);
      for (let i: u32 = 0; i < 12; ++i) for (let e: u32 = 0; e < m; ++e) store<f64>(G + (<usize>e << 3), get(G, e) + get(P, i * m + e));
      // Twice the same solution from its right-hand side: G z.
      const z = array(k, 30);
      for (let a: u32 = 0; a < k; ++a) {
        let sum: f64 = 0;
        for (let c: u32 = 0; c < k; ++c) sum += get(z, c) * get(G, a >= c ? (a * (a + 1)) / 2 + c : (c * (c + 1)) / 2 + a);
        store<f64>(b + (<usize>a << 3), sum);
      }
      solveSystems(x, G, b, 2, k, 0.5, work);
      for (let a: u32 = 0; a < k; ++a) {
        expect<f64>(abs(get(x, a) - noise(1 + a) - 0.5 * get(z, a))).toBeLessThan(1e-8);
        expect<f64>(get(x, k + a)).toBe(noise(1 + k + a));
      }
    }
  });
});
