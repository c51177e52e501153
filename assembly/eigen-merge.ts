// One step of divide and conquer: from the eigenpairs of two halves to those of the whole.
//
// Gu, Eisenstat 1995 (eigen-divide.ts); Rutter, A serial implementation of Cuppen's divide and conquer algorithm, LAPACK
// Working Note 69 (1994): rows are taken in an order that leaves the zeros of the halves out of the product.
//
// With z from the last row of the first half's vectors and the first row of the second's, T = V' (diag(d) + rho z z') V.
// Rows that deflate (eigen-deflate.ts) stay as they are; the others are multiplied by the vectors of the small problem,
// S_jg = z_g / (d_g - x_j), scaled to length 1.
//
// Layout   d     n f64, ascending within each half, ascending at the end
//          rows  the halves' vectors, in panels `stride` bytes apart (eigen-divide.ts)
//          pairs S, its rows packed in pairs (gemm.ts)
//          work  `mergeBytes(n)`
// Memory   the caller owns all of it
// Cost     n^3 flops for the product, about 7 n^2 divisions for the small problem
import { BOTH, FIRST, SECOND, deflate, index, setIndex } from "./eigen-deflate";
import { copyRow } from "./eigen-rotations";
import { exactWeight, secularRoot } from "./eigen-secular";
import { multiplyStrip } from "./gemm";
import { PANEL_ROW, at } from "./lanes";

/** Panels, and rows of S, multiplied together: S passes through the caches once for all of these panels. */
// @ts-ignore: decorator
@inline const GROUP: usize = 8;
// @ts-ignore: decorator
@inline const CHUNK: u32 = 32;
/** Vectors of n f64 in `work`; the last four hold u32. */
// @ts-ignore: decorator
@inline const VECTORS: u32 = 12;

// @ts-ignore: decorator
@inline function vector(work: usize, n: u32, i: u32): usize {
  return work + <usize>i * ((<usize>n << 3) + 64);
}

/** Rows of the first half: a multiple of 8. */
// @ts-ignore: decorator
@inline export function firstHalf(n: u32): u32 {
  return ((n >> 1) + 7) & ~7;
}

/** Bytes of `work`. */
export function mergeBytes(n: u32): usize {
  return vector(0, n, VECTORS) + GROUP * (2 * n + 1) * PANEL_ROW;
}

/** Bytes of S at the most, for all merges of n rows. */
export function mergePairBytes(n: u32, wanted: u32): usize {
  const half = <usize>firstHalf(n);
  return max<usize>((half * (half + 1)) << 3, (<usize>n * (wanted + 1)) << 3);
}

/**
 * Eigenvalues in d, and the vectors of the last `wanted` of them. `coupling` is the off-diagonal entry between the halves.
 *
 * @returns 0, or 1 + the index of a root that was not found
 */
export function merge(
  d: usize, n: u32, half: u32, coupling: f64, rows: usize, stride: usize, vectors: bool, wanted: u32, work: usize, pairs: usize,
): i32 {
  const panels: u32 = vectors ? (n + 7) >> 3 : 2, split: u32 = vectors ? half >> 3 : 1;
  readWeights(work, n, half, coupling, rows, split, stride, vectors);
  return mergePanels(d, work, n, half, 2 * abs<f64>(coupling), rows, stride, 0, split, panels, wanted, pairs);
}

/**
 * The same where z is at `work` already, in the panels `first` to `last` - 1 of those that belong to these rows; `rows`: the first of
 * these. The first half's panels end with number `split` - 1.
 */
export function mergePanels(
  d: usize, work: usize, n: u32, half: u32, rho: f64, rows: usize, stride: usize, first: u32, split: u32, last: u32, wanted: u32,
  pairs: usize,
): i32 {
  const z = vector(work, n, 0), poles = vector(work, n, 1), squares = vector(work, n, 2), origins = vector(work, n, 3);
  const distances = vector(work, n, 4), weights = vector(work, n, 5), values = vector(work, n, 6), kinds = vector(work, n, 7);
  const kept = vector(work, n, 8), dropped = vector(work, n, 9), order = vector(work, n, 10), places = vector(work, n, 11);

  const k = deflate(d, z, n, half, rho, order, kept, dropped, kinds, rows, last - first, stride);

  let total: f64 = 0;
  for (let i: u32 = 0; i < k; ++i) {
    const row = index(kept, i);
    const zi = load<f64>(at(z, row));
    store<f64>(at(poles, i), load<f64>(at(d, row)));
    store<f64>(at(squares, i), zi * zi);
    total += zi * zi;
  }
  for (let j: u32 = 0; j < k; ++j) {
    if (!secularRoot(j, k, poles, squares, 1 / rho, rho * total, origins, distances, values)) return 1 + <i32>j;
  }
  mergeValues(values, places, origins, distances, k, d, dropped, n);
  memory.copy(d, values, <usize>n << 3);
  if (wanted == 0) return 0;

  // From here on rows come by kind: those of the first half, those of both, those of the second, those that deflated.
  let both: u32 = 0, second: u32 = 0;
  for (let i: u32 = 0; i < k; ++i) {
    const kind = load<u8>(kinds + index(kept, i));
    if (kind == FIRST) ++both;
    if (kind != SECOND) ++second;
  }
  let toFirst: u32 = 0, toBoth = both, toSecond = second;
  const sortedPoles = values, sortedWeights = squares;
  for (let i: u32 = 0; i < k; ++i) {
    const row = index(kept, i);
    const kind = load<u8>(kinds + row);
    const to = kind == FIRST ? toFirst++ : kind == BOTH ? toBoth++ : toSecond++;
    setIndex(order, to, row);
    store<f64>(at(sortedPoles, to), load<f64>(at(poles, i)));
    store<f64>(at(sortedWeights, to), copysign<f64>(exactWeight(i, k, poles, origins, distances), load<f64>(at(z, row))));
  }
  memory.copy(order + (<usize>k << 2), dropped, <usize>(n - k) << 2);

  const least = n - wanted;
  let skip: u32 = 0;
  while (skip < k && index(places, skip) < least) ++skip;
  smallVectors(pairs, skip, k, sortedPoles, sortedWeights, origins, distances);
  const buffers = vector(work, n, VECTORS);
  const ofFirst = max(first, min(last, split)) - first, ofSecond = last - first - ofFirst;
  multiplyPanels(rows, ofFirst, stride, n, order, k, 0, second, pairs, skip, places, least, buffers);
  rows += <usize>ofFirst * stride;
  multiplyPanels(rows, ofSecond, stride, n, order, k, both, k - both, pairs, skip, places, least, buffers);
  return 0;
}

/**
 * z: the columns of V on either side of the cut, those of the second half times the sign of the coupling, scaled to length 1.
 * Without vectors the two panels then become what panels of all columns are anyway: nothing in the other half's rows.
 */
function readWeights(z: usize, n: u32, half: u32, coupling: f64, rows: usize, split: u32, stride: usize, vectors: bool): void {
  const before = rows + (vectors ? <usize>(split - 1) * stride : stride);
  const after = rows + (vectors ? <usize>split * stride : 0);
  const scale = sqrt<f64>(0.5);
  for (let i: u32 = 0; i < n; ++i) {
    const row = <usize>i * PANEL_ROW;
    const zi = i < half ? load<f64>(before + row, 56) : copysign<f64>(1, coupling) * load<f64>(after + row);
    store<f64>(at(z, i), zi * scale);
  }
  if (vectors) return;
  memory.fill(rows + stride, 0, <usize>half * PANEL_ROW);
  memory.fill(rows + <usize>half * PANEL_ROW, 0, <usize>(n - half) * PANEL_ROW);
}

/** Roots and deflated values in one ascending list; places = where root 0 ... k - 1 and deflated 0 ... n - k - 1 went. */
function mergeValues(
  values: usize, places: usize, origins: usize, distances: usize, k: u32, d: usize, dropped: usize, n: u32,
): void {
  let i: u32 = 0, j = k;
  for (let to: u32 = 0; to < n; ++to) {
    const root = i < k ? load<f64>(at(origins, i)) + load<f64>(at(distances, i)) : Infinity;
    const stays = j < n ? load<f64>(at(d, index(dropped, j - k))) : Infinity;
    const first = root <= stays;
    store<f64>(at(values, to), first ? root : stays);
    setIndex(places, first ? i++ : j++, to);
  }
}

/** Rows skip ... k - 1 of S, scaled to length 1, packed in pairs: two roots side by side. */
function smallVectors(pairs: usize, skip: u32, k: u32, poles: usize, weights: usize, origins: usize, distances: usize): void {
  for (let j = skip; j < k; j += 2) {
    // An odd last row is paired with itself, and its double never used.
    const other = min(j + 1, k - 1);
    const origin = f64x2.replace_lane(f64x2.splat(load<f64>(at(origins, j))), 1, load<f64>(at(origins, other)));
    const distance = f64x2.replace_lane(f64x2.splat(load<f64>(at(distances, j))), 1, load<f64>(at(distances, other)));
    let squares = f64x2.splat(0);
    const end = pairs + (<usize>k << 4);
    for (let to = pairs, w = weights, d = poles; to < end; to += 16, w += 8, d += 8) {
      const s = f64x2.div(v128.load64_splat(w), f64x2.sub(f64x2.sub(v128.load64_splat(d), origin), distance));
      squares = f64x2.add(squares, f64x2.mul(s, s));
      v128.store(to, s);
    }
    const scale = f64x2.div(f64x2.splat(1), f64x2.sqrt(squares));
    for (; pairs < end; pairs += 16) v128.store(pairs, f64x2.mul(v128.load(pairs), scale));
  }
}

/**
 * The new rows of V in `panels` panels: rows skip ... k - 1 of S times those old rows that are not zero there, `depth` from
 * number `from` of `order` on. Those rows go where `places` says, as do rows that deflated, from place `least` on.
 */
function multiplyPanels(
  rows: usize, panels: u32, stride: usize, n: u32, order: usize, k: u32, from: u32, depth: u32, pairs: usize, skip: u32,
  places: usize, least: u32, buffers: usize,
): void {
  const old = <usize>n * PANEL_ROW, fresh = old + PANEL_ROW;
  const results = buffers + GROUP * old;
  const count = k - skip;
  if (depth == 0) memory.fill(results, 0, GROUP * fresh);
  for (let p: usize = 0; p < panels; p += GROUP) {
    const here = min<usize>(GROUP, panels - p);
    for (let q: usize = 0; q < here; ++q) {
      const panel = rows + (p + q) * stride;
      let to = buffers + q * old;
      for (let i: u32 = 0; i < n; ++i, to += PANEL_ROW) copyRow(to, panel + <usize>index(order, i) * PANEL_ROW);
    }
    for (let r: u32 = 0; r < count; r += CHUNK) {
      const chunk = pairs + ((<usize>r * k) << 3) + (<usize>from << 4);
      for (let q: usize = 0; q < here; ++q) {
        const b = buffers + q * old + <usize>from * PANEL_ROW;
        multiplyStrip<f64>(results + q * fresh + <usize>r * PANEL_ROW, chunk, min(CHUNK, count - r), k, b, depth);
      }
    }
    for (let q: usize = 0; q < here; ++q) {
      const panel = rows + (p + q) * stride;
      let result = results + q * fresh;
      for (let i = skip; i < k; ++i, result += PANEL_ROW) copyRow(panel + <usize>index(places, i) * PANEL_ROW, result);
      let stays = buffers + q * old + <usize>k * PANEL_ROW;
      for (let i = k; i < n; ++i, stays += PANEL_ROW) {
        if (index(places, i) >= least) copyRow(panel + <usize>index(places, i) * PANEL_ROW, stays);
      }
    }
  }
}
