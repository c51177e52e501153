import { noise } from "./values";
import { eigen, eigenWorkBytes } from "../eigen";
import { firstHalf } from "../eigen-merge";
import { secularRoot } from "../eigen-secular";

/** Bytes behind each array that must stay as they are. */
const GUARD: usize = 64;
const MARK: u64 = 0x7ff8dead0000beef;

function dot(x: usize, y: usize, n: u32): f64 {
  let sum: f64 = 0;
  for (let end = x + (<usize>n << 3); x < end; x += 8, y += 8) sum += load<f64>(x) * load<f64>(y);
  return sum;
}

// @ts-ignore: decorator
@inline const KINDS: u32 = 13;

/**
 * Kinds of symmetric matrices: random; diagonal with repeats; graded down and up; rank one; zero; identity plus a little;
 * Wilkinson's, and many of them glued; second differences; blocks that do not touch; two halves that touch so little
 * that only one row of one of them is felt in the other (which, n's parity says); blocks whose squares underflow among others.
 */
function entry(kind: u32, i: u32, j: u32, n: u32): f64 {
  const low = min(i, j), high = max(i, j);
  const random = noise(low * n + high);
  if (kind == 0) return random;
  if (kind == 1) return i == j ? <f64>(i % 3) : 0;
  if (kind == 2) return random * Math.pow(10, -0.4 * <f64>(i + j));
  if (kind == 3) return random * Math.pow(10, 0.4 * (<f64>(i + j) - 2 * <f64>n));
  if (kind == 4) return <f64>((i + 1) * (j + 1));
  if (kind == 5) return 0;
  if (kind == 6) return (i == j ? 1 : 0) + 1e-14 * random;
  if (kind == 10) return i / 24 == j / 24 ? random : 0;
  if (kind == 12) return i / 12 == j / 12 ? ((i / 12) & 1 ? Math.pow(2, -500) : 1) * random : 0;
  if (high - low > 1) return 0;
  if (kind == 7) return i == j ? abs(<f64>i - 0.5 * <f64>(n - 1)) : 1;
  if (kind == 8) return i == j ? abs(<f64>(i % 21) - 10) : high % 21 == 0 ? 1e-8 : 1;
  if (kind == 9) return i == j ? 2 : -1;
  const cut = firstHalf(n), single = n & 1 ? cut - 1 : cut;
  if (high == cut && low != high) return 5e-15;
  if (n & 1 ? high >= cut : high < cut) return i == j ? 2 : -1;
  return i != j ? 0 : i == single ? 4 : 0.01 * <f64>i;
}

/** Fills A; returns its largest row sum of magnitudes, at least 1e-300. */
function symmetric(A: usize, n: u32, kind: u32, scale: f64): f64 {
  let norm: f64 = 1e-300;
  for (let i: u32 = 0; i < n; ++i) {
    let sum: f64 = 0;
    for (let j: u32 = 0; j < n; ++j) {
      const x = entry(kind, i, j, n) * scale;
      store<f64>(A + ((<usize>i * n + j) << 3), x);
      sum += abs(x);
    }
    norm = max(norm, sum);
  }
  return norm;
}

/** Room for `bytes`, every eight of them NaN, with a guard behind. */
function poisoned(bytes: usize): usize {
  const at = heap.alloc(bytes + GUARD);
  for (let o: usize = 0; o < bytes + GUARD; o += 8) store<u64>(at + o, MARK);
  return at;
}

function intact(at: usize, bytes: usize): bool {
  for (let o: usize = 0; o < GUARD; o += 8) if (load<u64>(at + bytes + o) != MARK) return false;
  return true;
}

/** The worst of |A v - w v| / |A| and |v_i . v_j - (i = j)| over `count` vectors, in units of n epsilon. */
function worst(A: usize, V: usize, w: usize, n: u32, count: u32, norm: f64): f64 {
  let error: f64 = 0;
  for (let j: u32 = 0; j < count; ++j) {
    const wj = load<f64>(w + (<usize>j << 3)), v = V + <usize>j * n * 8;
    for (let i: u32 = 0; i < n; ++i) {
      // NaN counts, and stays.
      const off = abs(dot(A + <usize>i * n * 8, v, n) - wj * load<f64>(v + (<usize>i << 3))) / norm;
      if (off > error || off != off) error = off;
      if (i > j) continue;
      const skew = abs(dot(V + <usize>i * n * 8, v, n) - (i == j ? 1 : 0));
      if (skew > error || skew != skew) error = skew;
    }
  }
  return error / (f64.EPSILON * <f64>n);
}

/** Solves, checks guards and order, and returns `worst`; -1 when guards, order or the result's code are wrong. */
function solve(n: u32, kind: u32, scale: f64, count: u32): f64 {
  const bytes = <usize>n * n * 8, workBytes = eigenWorkBytes(n, count);
  const A = heap.alloc(bytes), V = poisoned(bytes), w = poisoned(<usize>n * 8), work = poisoned(workBytes);
  const norm = symmetric(A, n, kind, scale);
  memory.copy(V, A, bytes);
  // Only the lower triangle is read.
  for (let i: u32 = 0; i < n; ++i) for (let j = i + 1; j < n; ++j) store<u64>(V + ((<usize>i * n + j) << 3), MARK);
  let good = eigen(V, w, n, work, count) == 0 && intact(V, bytes) && intact(w, <usize>n * 8) && intact(work, workBytes);
  for (let j: u32 = 1; j < n; ++j) {
    if (!(load<f64>(w + (<usize>j << 3)) <= load<f64>(w + (<usize>(j - 1) << 3)))) good = false;
  }
  const error = good ? worst(A, V, w, n, count, norm) : -1;
  heap.free(A);
  heap.free(V);
  heap.free(w);
  heap.free(work);
  return error;
}

describe("eigen", () => {
  it("A v = w v, orthonormal, descending: every kind of matrix, every size to 70", () => {
    for (let n: u32 = 1; n <= 70; ++n) {
      for (let kind: u32 = 0; kind < KINDS; ++kind) {
        // Beyond two leaves, each size meets a third of the kinds.
        if (n > 40 && (kind + n) % 3 != 0) continue;
        const error = solve(n, kind, 1, n);
        expect<f64>(error).toBeGreaterThanOrEqual(0, `kind ${kind}, n ${n}`);
        expect<f64>(error).toBeLessThan(n < 4 ? 4 : 3, `kind ${kind}, n ${n}`);
      }
    }
  });

  it("where merges stack up, and more rows than a chunk or a group of panels holds", () => {
    for (let kind: u32 = 0; kind < KINDS; ++kind) {
      const n = 127 + 3 * kind;
      const error = solve(n, kind, 1, n);
      expect<f64>(error).toBeGreaterThanOrEqual(0, `kind ${kind}, n ${n}`);
      expect<f64>(error).toBeLessThan(2, `kind ${kind}, n ${n}`);
    }
  });

  it("from denormal entries to the largest there are", () => {
    const n: u32 = 43;
    for (let kind: u32 = 0; kind < KINDS; ++kind) {
      if (kind == 2 || kind == 3 || kind == 12) continue; // small entries underflow as they are made
      for (let power = -1000; power <= 1000; power += 200) {
        const error = solve(n, kind, Math.pow(2, <f64>power), n);
        expect<f64>(error).toBeGreaterThanOrEqual(0, `kind ${kind}, 2^${power}`);
        expect<f64>(error).toBeLessThan(2, `kind ${kind}, 2^${power}`);
      }
    }
  });

  it("values, and the vectors asked for, are the same bits whatever is asked for", () => {
    for (let kind: u32 = 0; kind < KINDS; ++kind) {
      for (let n: u32 = 7; n <= 103; n += 24) {
        const bytes = <usize>n * n * 8;
        const A = heap.alloc(bytes), B = heap.alloc(bytes), w = heap.alloc(<usize>n * 8), u = heap.alloc(<usize>n * 8);
        const work = heap.alloc(eigenWorkBytes(n, n));
        symmetric(A, n, kind, 1);
        expect<i32>(eigen(A, w, n, work, n)).toBe(0);
        for (let count: u32 = 0; count < n; count += 1 + (n >> 2)) {
          symmetric(B, n, kind, 1);
          const few = poisoned(eigenWorkBytes(n, count));
          expect<i32>(eigen(B, u, n, few, count)).toBe(0);
          expect<bool>(intact(few, eigenWorkBytes(n, count))).toBe(true, `guard, kind ${kind}, n ${n}, count ${count}`);
          expect<i32>(memory.compare(u, w, <usize>n * 8)).toBe(0, `values, kind ${kind}, n ${n}, count ${count}`);
          expect<i32>(memory.compare(A, B, <usize>n * count * 8)).toBe(0, `vectors, kind ${kind}, n ${n}, count ${count}`);
          heap.free(few);
        }
        heap.free(A);
        heap.free(B);
        heap.free(w);
        heap.free(u);
        heap.free(work);
      }
    }
  });

  it("NaN and infinity end it, and are not called a success", () => {
    for (let n: u32 = 7; n <= 67; n += 60) {
      const A = heap.alloc(<usize>n * n * 8), w = heap.alloc(<usize>n * 8), work = heap.alloc(eigenWorkBytes(n, n));
      for (let i = 0; i < 2; ++i) {
        symmetric(A, n, 0, 1);
        store<f64>(A + ((4 * <usize>n + 2) << 3), i ? -Infinity : NaN);
        expect<i32>(eigen(A, w, n, work, i * n)).not.toBe(0);
      }
      heap.free(A);
      heap.free(w);
      heap.free(work);
    }
  });
});

describe("secularRoot", () => {
  it("finds roots beside poles as far apart and weights as small as they come", () => {
    const k: u32 = 9;
    const poles = heap.alloc(k * 8), squares = heap.alloc(k * 8), origins = heap.alloc(k * 8), distances = heap.alloc(k * 8);
    const sums = heap.alloc(32);
    let all: u32 = 0, most: u32 = 0;
    for (let round: u32 = 0; round < 300; ++round) {
      let total: f64 = 0, d: f64 = noise(round);
      for (let i: u32 = 0; i < k; ++i) {
        d += Math.pow(10, -7 + 14 * noise(round * 64 + i)); // gaps of 1e-14 to 1
        const z = Math.pow(10, -7 + 14 * noise(round * 64 + i + 32));
        store<f64>(poles + (<usize>i << 3), d);
        store<f64>(squares + (<usize>i << 3), z * z);
        total += z * z;
      }
      const inverseRho = Math.pow(10, 8 * noise(round + 7777));
      let worst: f64 = 0;
      for (let j: u32 = 0; j < k; ++j) {
        const evaluations = secularRoot(j, k, poles, squares, inverseRho, total / inverseRho, origins, distances, sums);
        if (evaluations == 0) worst = Infinity;
        all += evaluations;
        most = max(most, evaluations);
        const origin = load<f64>(origins + (<usize>j << 3)), distance = load<f64>(distances + (<usize>j << 3));
        // On the right side of every pole, and f no more than rounding there.
        let f = inverseRho, size = inverseRho, slope: f64 = 0;
        for (let i: u32 = 0; i < k; ++i) {
          const gap = load<f64>(poles + (<usize>i << 3)) - origin - distance;
          if (!(i <= j ? gap < 0 : gap > 0)) worst = Infinity;
          const term = load<f64>(squares + (<usize>i << 3)) / gap;
          f += term;
          size += abs(term);
          slope += term / gap;
        }
        const off = abs(f) / (f64.EPSILON * (size + abs(distance) * slope));
        if (off > worst || off != off) worst = off;
      }
      expect<f64>(worst).toBeLessThan(16, `round ${round}`);
    }
    // 3.5 and 13 as measured; by halving the bracket it would be tens for each.
    expect<f64>(<f64>all / <f64>(300 * k)).toBeLessThan(3.6);
    expect<u32>(most).toBeLessThan(16);
    heap.free(poles);
    heap.free(squares);
    heap.free(origins);
    heap.free(distances);
    heap.free(sums);
  });
});
