// Plane rotations of many QL sweeps, applied to the vectors panel by panel.
//
// Lang, Using level 3 BLAS in rotation-based algorithms, SIAM J. Sci. Comput. 19 (1998); Van Zee, van de Geijn, Quintana-
// Orti, Restructuring the tridiagonal and bidiagonal QR algorithms for performance (2014): two sweeps are fused, the second
// one row behind, so that each row is loaded and stored once for both.
//
// Layout   panels     V in panels of 8 columns, each n rows of 64 bytes; whole panels one after the other, then, at the
//                     head of `rotations`, one for the columns left over
//          rotations  that panel, a head (sweeps recorded, rotations recorded: u32 each), SWEEPS pairs (l, m) of u32,
//                     ROWS n pairs (cosine, sine) of f64. Sweep (l, m) rotates rows i, i + 1 for i = m - 1 down to l
// Memory   the caller owns all of it
// Cost     6 flops a rotation and column. A panel of 768 rows (48 KiB) stays in the second-level cache for a whole batch

/** Sweeps and, in multiples of n, rotations that a batch may hold. */
// @ts-ignore: decorator
@inline const SWEEPS: u32 = 512;
// @ts-ignore: decorator
@inline const ROWS: u32 = 64;
// @ts-ignore: decorator
@inline const HEAD: usize = 16 + (<usize>SWEEPS << 3);

export function rotationBytes(n: u32): usize {
  return (<usize>n << 6) + HEAD + ((<usize>n * ROWS) << 4);
}

/** Where the head is: behind the last panel. */
// @ts-ignore: decorator
@inline function head(rotations: usize, n: u32): usize {
  return rotations + (<usize>n << 6);
}

export function startRotations(rotations: usize, n: u32): void {
  store<u64>(head(rotations, n), 0);
}

/** Whether a sweep of `count` rotations has no room any more. */
export function rotationsFull(rotations: usize, n: u32, count: u32): bool {
  const h = head(rotations, n);
  return load<u32>(h) == SWEEPS || load<u32>(h, 4) + count > n * ROWS;
}

/** Room for the m - l rotations of sweep (l, m). */
export function recordSweep(rotations: usize, n: u32, l: u32, m: u32): usize {
  const h = head(rotations, n);
  const sweeps = load<u32>(h), used = load<u32>(h, 4);
  const entry = h + 16 + (<usize>sweeps << 3);
  store<u32>(entry, l);
  store<u32>(entry, m, 4);
  store<u32>(h, sweeps + 1);
  store<u32>(h, used + m - l, 4);
  return h + HEAD + (<usize>used << 4);
}

/** Panel `index` of `n` columns' worth. */
// @ts-ignore: decorator
@inline function panelAt(panels: usize, rotations: usize, n: u32, index: u32): usize {
  return index < n >> 3 ? panels + ((<usize>index * n) << 6) : rotations;
}

/** Panels from n rows, `stride` bytes apart. */
export function panelRows(panels: usize, rows: usize, stride: usize, n: u32, rotations: usize): void {
  for (let j: u32 = 0; j < n; j += 8) {
    let to = panelAt(panels, rotations, n, j >> 3);
    let from = rows + (<usize>j << 3);
    if (j + 8 <= n) {
      for (let i: u32 = 0; i < n; ++i, to += 64, from += stride) memory.copy(to, from, 64);
    } else {
      const bytes = <usize>(n - j) << 3;
      for (let i: u32 = 0; i < n; ++i, to += 64, from += stride) {
        memory.fill(to, 0, 64);
        memory.copy(to, from, bytes);
      }
    }
  }
}

/** Row j of `rows`, n f64 each = row order[j] (u32) of the panels. */
export function rowsFromPanels(rows: usize, panels: usize, n: u32, rotations: usize, order: usize): void {
  const stride = <usize>n << 3;
  for (let j: u32 = 0; j < n; j += 8) {
    const panel = panelAt(panels, rotations, n, j >> 3);
    const bytes = <usize>min(8, n - j) << 3;
    let to = rows + (<usize>j << 3);
    for (let i: u32 = 0; i < n; ++i, to += stride) {
      const from = panel + (<usize>load<u32>(order + (<usize>i << 2)) << 6);
      if (bytes == 64) memory.copy(to, from, 64);
      else memory.copy(to, from, bytes);
    }
  }
}

/** Applies what is recorded, and forgets it. */
export function applyRotations(panels: usize, rotations: usize, n: u32): void {
  const h = head(rotations, n);
  const sweeps = load<u32>(h);
  for (let j: u32 = 0; j < n; j += 8) {
    const panel = panelAt(panels, rotations, n, j >> 3);
    let entry = h + 16;
    let pairs = h + HEAD;
    let s: u32 = 0;
    for (; s + 1 < sweeps; s += 2) {
      const lA = load<u32>(entry), mA = load<u32>(entry, 4), lB = load<u32>(entry, 8), mB = load<u32>(entry, 12);
      entry += 16;
      const second = pairs + (<usize>(mA - lA) << 4);
      twoSweeps(panel, lA, mA, pairs, lB, mB, second);
      pairs = second + (<usize>(mB - lB) << 4);
    }
    if (s < sweeps) oneSweep(panel, load<u32>(entry, 4), load<u32>(entry), pairs);
  }
  startRotations(rotations, n);
}

/** Sweeps A and then B, as far as possible at once: B may rotate rows i + 1, i + 2 when A has rotated i, i + 1. */
function twoSweeps(panel: usize, lA: u32, mA: u32, A: usize, lB: u32, mB: u32, B: usize): void {
  const high = min(mA, mB - 1);
  const low = max(lA + 1, lB);
  if (high < low) {
    oneSweep(panel, mA, lA, A);
    oneSweep(panel, mB, lB, B);
    return;
  }
  // Fused: A rotates i - 1, i and B rotates i, i + 1, for i = high down to low.
  A = oneSweep(panel, mA, high, A);
  B = oneSweep(panel, mB, high + 1, B);
  fused(panel, high, low, A, B);
  const done = <usize>(high - low + 1) << 4;
  oneSweep(panel, low - 1, lA, A + done);
  oneSweep(panel, low, lB, B + done);
}

/** Rotates rows i, i + 1 for i = m - 1 down to l; returns where the rotations end. */
function oneSweep(panel: usize, m: u32, l: u32, pairs: usize): usize {
  if (m <= l) return pairs;
  let row = panel + (<usize>m << 6);
  const end = panel + (<usize>l << 6);
  let a0 = v128.load(row), a1 = v128.load(row, 16), a2 = v128.load(row, 32), a3 = v128.load(row, 48);
  while (row > end) {
    const c = v128.load64_splat(pairs), s = v128.load64_splat(pairs, 8);
    row -= 64;
    let x = v128.load(row);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a0)), 64);
    a0 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a0));
    x = v128.load(row, 16);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a1)), 80);
    a1 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a1));
    x = v128.load(row, 32);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a2)), 96);
    a2 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a2));
    x = v128.load(row, 48);
    v128.store(row, f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a3)), 112);
    a3 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a3));
    pairs += 16;
  }
  v128.store(row, a0);
  v128.store(row, a1, 16);
  v128.store(row, a2, 32);
  v128.store(row, a3, 48);
  return pairs;
}

/** For i = high down to low: rows i - 1, i by the next pair of A, then rows i, i + 1 by the next pair of B. */
function fused(panel: usize, high: u32, low: u32, A: usize, B: usize): void {
  let row = panel + (<usize>high << 6);
  const end = panel + (<usize>(low - 1) << 6);
  // a is the row that A carries upwards, b the row that B carries.
  let a0 = v128.load(row), a1 = v128.load(row, 16), a2 = v128.load(row, 32), a3 = v128.load(row, 48);
  let b0 = v128.load(row, 64), b1 = v128.load(row, 80), b2 = v128.load(row, 96), b3 = v128.load(row, 112);
  while (row > end) {
    const c = v128.load64_splat(A), s = v128.load64_splat(A, 8), k = v128.load64_splat(B), t = v128.load64_splat(B, 8);
    row -= 64;
    let x = v128.load(row);
    let z = f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a0));
    a0 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a0));
    v128.store(row, f64x2.add(f64x2.mul(t, z), f64x2.mul(k, b0)), 128);
    b0 = f64x2.sub(f64x2.mul(k, z), f64x2.mul(t, b0));
    x = v128.load(row, 16);
    z = f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a1));
    a1 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a1));
    v128.store(row, f64x2.add(f64x2.mul(t, z), f64x2.mul(k, b1)), 144);
    b1 = f64x2.sub(f64x2.mul(k, z), f64x2.mul(t, b1));
    x = v128.load(row, 32);
    z = f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a2));
    a2 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a2));
    v128.store(row, f64x2.add(f64x2.mul(t, z), f64x2.mul(k, b2)), 160);
    b2 = f64x2.sub(f64x2.mul(k, z), f64x2.mul(t, b2));
    x = v128.load(row, 48);
    z = f64x2.add(f64x2.mul(s, x), f64x2.mul(c, a3));
    a3 = f64x2.sub(f64x2.mul(c, x), f64x2.mul(s, a3));
    v128.store(row, f64x2.add(f64x2.mul(t, z), f64x2.mul(k, b3)), 176);
    b3 = f64x2.sub(f64x2.mul(k, z), f64x2.mul(t, b3));
    A += 16;
    B += 16;
  }
  v128.store(row, a0);
  v128.store(row, a1, 16);
  v128.store(row, a2, 32);
  v128.store(row, a3, 48);
  v128.store(row, b0, 64);
  v128.store(row, b1, 80);
  v128.store(row, b2, 96);
  v128.store(row, b3, 112);
}
