import { noise } from "./values";
import { cholesky as factor, factorWorkBytes, triangularInverse as invert } from "../cholesky";
import { expInPlace, logInPlace } from "../index";

function get(A: usize, n: u32, i: u32, j: u32): f64 {
  return load<f64>(A + ((<usize>i * n + j) << 3));
}

function cholesky(A: usize, n: u32, tolerance: f64): i32 {
  const work = heap.alloc(factorWorkBytes(n));
  const bad = factor(A, n, tolerance, work);
  heap.free(work);
  return bad;
}

function triangularInverse(L: usize, n: u32): void {
  const work = heap.alloc(factorWorkBytes(n));
  invert(L, n, work);
  heap.free(work);
}

/** Random (kind 0), or diagonal with repeats. */
function symmetric(A: usize, n: u32, kind: u32): void {
  for (let i: u32 = 0; i < n; ++i) {
    for (let j: u32 = 0; j < n; ++j) {
      const x = kind == 0 ? noise(min(i, j) * n + max(i, j)) : i == j ? <f64>(i % 3) : 0;
      store<f64>(A + ((<usize>i * n + j) << 3), x);
    }
  }
}

describe("Cholesky", () => {
  it("names the first pivot that is small beside its own diagonal entry", () => {
    const A = heap.alloc(32);
    store<f64>(A, 4);
    store<f64>(A, 2, 16);
    store<f64>(A, 1 + 1e-9, 24);
    expect<i32>(cholesky(A, 2, 1e-8)).toBe(1);
    store<f64>(A, 4);
    store<f64>(A, 2, 16);
    store<f64>(A, 1 + 1e-9, 24);
    expect<i32>(cholesky(A, 2, 1e-10)).toBe(-1);
    heap.free(A);
  });

  it("gives A = L L', and its inverse L^-1 L = I, at every size", () => {
    for (let at: u32 = 1; at <= 27; ++at) {
      // Blocks, with every number of rows and columns left over.
      const n: u32 = at <= 21 ? at : at * 61 - 1208 + (at & 1);
      const bytes = <usize>n * n * 8;
      const A = heap.alloc(bytes), L = heap.alloc(bytes), X = heap.alloc(bytes);
      symmetric(A, n, 0);
      for (let i: u32 = 0; i < n; ++i) store<f64>(A + ((<usize>i * n + i) << 3), <f64>n + <f64>i);
      memory.copy(L, A, bytes);
      expect<i32>(cholesky(L, n, 1e-12)).toBe(-1);
      memory.copy(X, L, bytes);
      triangularInverse(X, n);
      let worst: f64 = 0, off: f64 = 0;
      for (let i: u32 = 0; i < n; ++i) {
        for (let j: u32 = 0; j <= i; ++j) {
          let product: f64 = 0, unit: f64 = 0;
          for (let k: u32 = 0; k <= j; ++k) product += get(L, n, i, k) * get(L, n, j, k);
          for (let k = j; k <= i; ++k) unit += get(X, n, i, k) * get(L, n, k, j);
          worst = max(worst, abs(product - get(A, n, i, j)));
          off = max(off, abs(unit - (i == j ? 1 : 0)));
        }
      }
      expect<f64>(worst).toBeLessThan(1e-13 * <f64>n);
      expect<f64>(off).toBeLessThan(1e-13 * <f64>n);
      heap.free(A);
      heap.free(L);
      heap.free(X);
    }
  });

  it("names the pivot that fails", () => {
    const n: u32 = 6;
    const A = heap.alloc(<usize>n * n * 8);
    for (let bad: u32 = 0; bad < n; ++bad) {
      symmetric(A, n, 1);
      for (let i: u32 = 0; i < n; ++i) store<f64>(A + ((<usize>i * n + i) << 3), i == bad ? 0 : 2);
      expect<i32>(cholesky(A, n, 1e-12)).toBe(<i32>bad);
      symmetric(A, n, 1);
      for (let i: u32 = 0; i < n; ++i) store<f64>(A + ((<usize>i * n + i) << 3), i == bad ? NaN : 2);
      expect<i32>(cholesky(A, n, 1e-12)).toBe(<i32>bad);
    }
    heap.free(A);
  });
});

describe("logarithms in place", () => {
  it("undo exponentials, n of them and no more", () => {
    const x = heap.alloc(8 * 8);
    for (let i = 0; i < 8; ++i) store<f64>(x + (<usize>i << 3), <f64>(i - 3) * 1.7);
    expInPlace(x, 8);
    logInPlace(x, 7);
    for (let i = 0; i < 7; ++i) expect<f64>(abs(load<f64>(x + (<usize>i << 3)) - <f64>(i - 3) * 1.7)).toBeLessThan(1e-14);
    expect<f64>(load<f64>(x + 56)).toBe(Math.exp(4 * 1.7));
    heap.free(x);
  });
});
