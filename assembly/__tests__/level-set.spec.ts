import { noise } from "./values";
import { levelSetBreaks, levelSetFaces, levelSetScales, levelSetSlopes, levelSetTrials, transposeBlock } from "../level-set";

function put(at: usize, i: u32, x: f64): void {
  store<f64>(at + (<usize>i << 3), x);
}

function get(at: usize, i: u32): f64 {
  return load<f64>(at + (<usize>i << 3));
}

const N: u32 = 7, M: u32 = 5; // odd: the tail of the vectors
const BINS: u32 = 48;

/** V (n x m), with products that are as good as 0; row 2, which may weigh nothing, has the largest. */
function products(width: u32): usize {
  const V = heap.alloc(<usize>N * width * 8);
  for (let i: u32 = 0; i < N * width; ++i) put(V, i, i % 11 == 3 ? 1e-14 : noise(i) * (i / width == 2 ? 10 : 1));
  return V;
}

/** Weights, row 2 of none. */
function weights(): usize {
  const s = heap.alloc(<usize>N * 8);
  for (let i: u32 = 0; i < N; ++i) put(s, i, i == 2 ? 0 : 0.5 + <f64>i);
  return s;
}

function close(x: f64, y: f64): bool {
  return x == y || abs(x - y) <= 1e-13 * max(1, max(abs(x), abs(y)));
}

function checkSlopes(p: f64, weighted: bool): void {
  const V = products(M), W = products(M), s: usize = weighted ? weights() : 0;
  const sums = heap.alloc(8 * M), tops = heap.alloc(8 * M);
  const zero = p == 1 ? 1e-12 : 0;
  levelSetSlopes(W, s, N, M, p, zero, sums, tops);
  for (let j: u32 = 0; j < M; ++j) {
    let sum: f64 = 0, top: f64 = 0;
    for (let i: u32 = 0; i < N; ++i) {
      const v = get(V, i * M + j), si = s ? get(s, i) : 1;
      if (si > 0 && abs(v) > zero) top = max(top, abs(v));
      if (p == Infinity) continue;
      const slope = abs(v) > zero ? si * Math.pow(abs(v), p - 1) * (v < 0 ? -1 : 1) : 0;
      sum += slope * v;
      expect<bool>(close(get(W, i * M + j), slope)).toBe(true);
    }
    if (p != Infinity) expect<bool>(close(get(sums, j), sum)).toBe(true);
    expect<f64>(get(tops, j)).toBe(top);
  }
}

describe("level set", () => {
  it("norms and gradient coefficients, every p", () => {
    const ps: f64[] = [1, 1.5, 1.3, 2, 3, 4.5, 20, Infinity];
    for (let k = 0; k < ps.length; ++k) {
      checkSlopes(ps[k], false);
      checkSlopes(ps[k], true);
    }
  });

  it("transposes", () => {
    const V = products(M), T = heap.alloc(8 * N * M);
    transposeBlock(T, V, N, M);
    for (let i: u32 = 0; i < N; ++i) for (let j: u32 = 0; j < M; ++j) expect<f64>(get(T, j * N + i)).toBe(get(V, i * M + j));
  });

  it("row scales of the Gram matrices, with a floor", () => {
    const ps: f64[] = [1, 1.5, 1.3, 2, 3, 4.7];
    const V = products(M), s = weights(), r = heap.alloc(8 * N * M), floors = heap.alloc(8 * M);
    for (let j: u32 = 0; j < M; ++j) put(floors, j, 0.01 * <f64>(j + 1));
    for (let k = 0; k < ps.length; ++k) {
      levelSetScales(r, V, s, N, M, ps[k], floors);
      for (let i: u32 = 0; i < N; ++i) {
        for (let j: u32 = 0; j < M; ++j) {
          const v = max(abs(get(V, i * M + j)), get(floors, j));
          expect<bool>(close(get(r, j * N + i), sqrt<f64>(get(s, i) * Math.pow(v, ps[k] - 2)))).toBe(true);
        }
      }
    }
  });

  it("sums at trial steps", () => {
    const V = products(2 * M), s = weights(), steps = heap.alloc(8 * M * 3), sums = heap.alloc(8 * M * 3);
    for (let i: u32 = 0; i < 3 * M; ++i) put(steps, i, 0.1 * <f64>i);
    levelSetTrials(sums, V, s, N, M, 1.7, steps, 3);
    for (let j: u32 = 0; j < M; ++j) {
      for (let k: u32 = 0; k < 3; ++k) {
        let sum: f64 = 0;
        for (let i: u32 = 0; i < N; ++i) {
          const y = get(V, i * 2 * M + j) + get(steps, j * 3 + k) * get(V, i * 2 * M + M + j);
          sum += get(s, i) * Math.pow(abs(y), 1.7);
        }
        expect<bool>(close(get(sums, j * 3 + k), sum)).toBe(true);
      }
    }
  });

  it("breakpoints: each in one bin, in order, their weights the change of the slope; the first of a bin and its row", () => {
    const V = products(2 * M), s = weights();
    const slopes = heap.alloc(8 * M * (BINS + 1)), firsts = heap.alloc(16 * M * BINS);
    levelSetBreaks(slopes, firsts, V, s, N, M, BINS, 1e-12, 100);
    for (let j: u32 = 0; j < M; ++j) {
      let slope: f64 = 0, all: f64 = 0, first: f64 = Infinity, row: f64 = -1;
      for (let i: u32 = 0; i < N; ++i) {
        const v = get(V, i * 2 * M + j), d = get(V, i * 2 * M + M + j), si = get(s, i);
        slope += abs(v) <= 1e-12 ? si * abs(d) : (v < 0 ? -si : si) * d;
        if (abs(v) <= 1e-12 || si == 0 || !(-v / d > 0)) continue;
        all += 2 * si * abs(d);
        if (-v / d < first) first = -v / d, row = <f64>(100 + i);
      }
      expect<bool>(close(get(slopes, j * (BINS + 1) + BINS), slope)).toBe(true);
      let sum: f64 = 0, before: f64 = 0, seen = false;
      for (let k: u32 = 0; k < BINS; ++k) {
        sum += get(slopes, j * (BINS + 1) + k);
        const t = -get(firsts, 2 * (j * BINS + k));
        const here = get(firsts, 2 * (j * BINS + k) + 1);
        expect<bool>((here >= 0) == (get(slopes, j * (BINS + 1) + k) > 0)).toBe(true);
        if (here < 0) continue;
        expect<bool>(t > before).toBe(true);
        before = t;
        if (!seen) {
          expect<f64>(t).toBe(first);
          expect<f64>(here).toBe(row);
        }
        seen = true;
        // A quarter of an octave a bin, up to 4: its first breakpoint lies in it.
        const end = 4 * Math.pow(2, (<f64>k - <f64>BINS + 1) / 4);
        if (k > 0 && k < BINS - 1) expect<bool>(t < 1.2 * end && t > end / 1.5).toBe(true);
      }
      expect<bool>(close(sum, all)).toBe(true);
    }
  });

  it("the first face: where |v + t d| reaches 1, and on which side", () => {
    const V = products(2 * M), s = weights(), firsts = heap.alloc(16 * M);
    for (let i: u32 = 0; i < N * 2 * M; ++i) put(V, i, 0.09 * get(V, i));
    levelSetFaces(firsts, V, s, N, M, 1e-12, 100);
    for (let j: u32 = 0; j < M; ++j) {
      let first: f64 = Infinity, row: f64 = 0;
      for (let i: u32 = 0; i < N; ++i) {
        const v = get(V, i * 2 * M + j), d = get(V, i * 2 * M + M + j);
        if (get(s, i) == 0 || abs(d) <= 1e-12) continue;
        const t = d > 0 ? (1 - v) / d : (1 + v) / -d;
        if (t < first) first = t, row = d > 0 ? <f64>(101 + i) : -<f64>(101 + i);
      }
      expect<f64>(get(firsts, 2 * j)).toBe(-first);
      expect<f64>(get(firsts, 2 * j + 1)).toBe(row);
    }
  });
});
