// The kernels of sensitivities and coresets against plain loops.
import { packPairs, packPanels, pairBytes, panelBytes, stripBytes } from "../gemm";
import { lewisScale, normsBlock, sensitivityTerms, whitenedRows } from "../sensitivity";
import { noise } from "./values";

const get = (x: usize, i: u32): f64 => load<f64>(x + (<usize>i << 3));
function fill(count: u32, seed: u32): usize {
  const x = heap.alloc(<usize>count << 3);
  for (let i: u32 = 0; i < count; ++i) store<f64>(x + (<usize>i << 3), noise(seed + i));
  return x;
}
function near(a: f64, b: f64): void {
  expect(abs(a - b)).toBeLessThan(1e-12 * max<f64>(1, abs(b)));
}
function packed(X: usize, n: u32, d: u32): usize {
  const pairs = heap.alloc(pairBytes<f64>(n, d));
  packPairs<f64, f64>(pairs, X, n, d);
  return pairs;
}
function panels(B: usize, d: u32, m: u32): usize {
  const to = heap.alloc(panelBytes<f64>(d, m));
  packPanels<f64>(to, B, d, m);
  return to;
}

describe("lewisScale", () => {
  it("logarithms and scales; rows that do not count, and rows of weight 0", () => {
    const w = heap.alloc(40), s = heap.alloc(40), squares = heap.alloc(40);
    const log = heap.alloc(40), scale = heap.alloc(40), live = heap.alloc(40);
    const W: f64[] = [0.5, 2, 0.25, 0, 3], S: f64[] = [1, 4, 0, 2, 2], Q: f64[] = [1, 1, 1, 1, 0];
    for (let i = 0; i < 5; ++i) {
      store<f64>(w + (i << 3), W[i]);
      store<f64>(s + (i << 3), S[i]);
      store<f64>(squares + (i << 3), Q[i]);
    }
    lewisScale(w, s, squares, log, scale, live, 5, 1.5);
    for (let i = 0; i < 2; ++i) {
      near(get(log, i), Math.log(W[i]));
      near(get(scale, i), Math.pow(S[i], 1 / 1.5) * Math.pow(W[i], 0.5 - 1 / 1.5));
    }
    for (let i = 2; i < 5; ++i) {
      expect(get(log, i)).toBe(-Infinity);
      expect(get(scale, i)).toBe(0);
      expect(get(live, i)).toBe(i == 3 ? 1 : 0);
    }
    lewisScale(w, 0, squares, log, scale, live, 3, 1);
    near(get(scale, 2), 2);
  });
});

function checkWhitened(c: i32): void {
  const n: u32 = 7, d: u32 = 11, m: u32 = c == 0 ? 1 : c == 1 ? 8 : 11;
  const triangular = c == 2;
  const X = fill(n * d, 5), T = fill(d * m, 900);
  if (triangular) for (let i: u32 = 0; i < d; ++i) for (let j: u32 = 0; j < i; ++j) store<f64>(T + (<usize>(i * m + j) << 3), 0);
  const q = heap.alloc(<usize>n << 3), order = heap.alloc(<usize>n << 3);
  whitenedRows(q, order, packed(X, n, d), n, d, panels(T, d, m), m, triangular, heap.alloc(stripBytes(n)), heap.alloc(<usize>n << 5));
  for (let i: u32 = 0; i < n; ++i) {
    let sum: f64 = 0, first: f64 = 0, second: f64 = 0, j1: u32 = 0, j2: u32 = 0;
    for (let j: u32 = 0; j < m; ++j) {
      let y: f64 = 0;
      for (let k: u32 = 0; k < d; ++k) y += get(X, i * d + k) * get(T, k * m + j);
      sum += y * y;
      if (abs(y) > abs(first)) {
        second = first;
        j2 = j1;
        first = y;
        j1 = j;
      } else if (abs(y) > abs(second)) {
        second = y;
        j2 = j;
      }
    }
    near(get(q, i), sum);
    expect(get(order, i)).toBe(<f64>(2 * (j1 * m + j2) + (first * second < 0 ? 1 : 0)));
  }
}

describe("whitenedRows", () => {
  it("squares of the rows, and where they point", () => {
    for (let c = 0; c < 3; ++c) checkWhitened(c);
  });
});

function checkTerms(c: i32): void {
  const p: f64 = c == 0 ? 1 : c == 1 ? 1.5 : 3;
  const n: u32 = 9;
  const q = fill(n, 1), s = fill(n, 2), log = fill(n, 3), score = heap.alloc(<usize>n << 3), out = heap.alloc(24);
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    store<f64>(q + o, abs(get(q, i)) + 0.01);
    store<f64>(s + o, abs(get(s, i)) * 3);
    store<f64>(log + o, Math.log(abs(get(log, i)) + 0.01));
  }
  store<f64>(q, 0);
  store<f64>(log, 7, 8);
  sensitivityTerms(score, q, s, log, out, n, p);
  let sum: f64 = Math.exp(get(log, 0)), distortion: f64 = -Infinity, residual: f64 = 1;
  expect(get(score, 0)).toBe(0);
  for (let i: u32 = 1; i < n; ++i) {
    const w = Math.exp(get(log, i));
    const b = get(q, i) * Math.pow(get(s, i), 2 / p);
    near(get(score, i), get(s, i) * Math.pow(get(q, i), p / 2));
    sum += w;
    distortion = max(distortion, Math.log(p < 2 ? Math.pow(b, p / 2) / w : Math.pow(b, (p - 2) / 2) * Math.pow(w, 2 / p - 1)));
    residual = max(residual, abs(b * Math.pow(w, 1 - 2 / p) / w - 1));
  }
  near(get(out, 0), sum);
  near(get(out, 1), distortion);
  near(get(out, 2), residual);
}

describe("sensitivityTerms", () => {
  it("scores and the certificate's terms", () => {
    for (let c = 0; c < 3; ++c) checkTerms(c);
  });
});

function checkNorms(c: i32): void {
  const ps: f64[] = [1, 2, 0.7, 1.5, 3.3];
  const p = ps[c];
  const n: u32 = c % 2 ? 6 : 5, d: u32 = 5, m: u32 = 11;
  const X = fill(n * d, 40), B = fill(d * m, 700);
  const s: usize = c < 2 ? 0 : fill(n, 70);
  if (s) for (let i: u32 = 0; i < n; ++i) store<f64>(s + (<usize>i << 3), abs(get(s, i)));
  const norms = heap.alloc(<usize>m << 3), gradients = heap.alloc(16 * d * 8);
  normsBlock(norms, gradients, packed(X, n, d), n, d, panels(B, d, m), m, s, p, heap.alloc(stripBytes(n)));
  for (let j: u32 = 0; j < m; ++j) {
    let sum: f64 = 0;
    const slope = new Float64Array(d);
    for (let i: u32 = 0; i < n; ++i) {
      let y: f64 = 0;
      for (let k: u32 = 0; k < d; ++k) y += get(X, i * d + k) * get(B, k * m + j);
      const si: f64 = s ? get(s, i) : 1;
      sum += si * Math.pow(abs(y), p);
      for (let k: u32 = 0; k < d; ++k) slope[k] += si * Math.pow(abs(y), p - 1) * Math.sign(y) * get(X, i * d + k);
    }
    near(get(norms, j), sum);
    for (let k: u32 = 0; k < d; ++k) near(get(gradients, ((j >> 3) * d + k) * 8 + (j & 7)), slope[k]);
  }
}

describe("normsBlock", () => {
  it("norms and gradients", () => {
    for (let c = 0; c < 5; ++c) checkNorms(c);
  });
  it("a row that a direction does not see has no slope, also for p < 1", () => {
    const X = heap.alloc(16), B = heap.alloc(16), norms = heap.alloc(8), gradients = heap.alloc(2 * 64);
    store<f64>(X, 1);
    store<f64>(X, 2, 8);
    store<f64>(B, 2);
    store<f64>(B, -1, 8);
    normsBlock(norms, gradients, packed(X, 1, 2), 1, 2, panels(B, 2, 1), 1, 0, 0.5, heap.alloc(stripBytes(1)));
    expect(get(norms, 0)).toBe(0);
    expect(get(gradients, 0)).toBe(0);
    expect(get(gradients, 8)).toBe(0);
  });
});
