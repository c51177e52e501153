// The ABI: exports only. Every function takes pointers, allocates nothing and keeps nothing.
//
// `form` says how rows are stored and summed: 0 f32 rows, f32 sums; 1 f32 rows, f64 sums; 2 f64 rows, f64 sums.
import { cholesky, factorWorkBytes, triangularInverse } from "./cholesky";
import { eigen, eigenWorkBytes } from "./eigen";
import * as convert from "./convert";
import { widenBF16, widenF16 } from "./convert";
import * as gemm from "./gemm";
import * as gram from "./gram";
import { inflate, leverageBlock } from "./leverage";
import { lewisStart, lewisStep } from "./lewis";
import { levelSetBreaks, levelSetFaces, levelSetScales, levelSetSlopes, levelSetTrials, transposeBlock } from "./level-set";
import { peakF32 } from "./peak";
import * as profile from "./profile";
import * as quantise from "./quantise";
import * as residual from "./residual";
import { normals, uniforms } from "./random";
import { residualSums } from "./residual";
import { subspaceRows } from "./subspace";
import { outerProducts, reweight, solveSystems } from "./entrywise-reweight";
import * as split from "./entrywise-split";

export { inflate, cholesky, factorWorkBytes, triangularInverse, eigen, eigenWorkBytes, widenF16, widenBF16, lewisStart, lewisStep, residualSums, peakF32, uniforms, normals };
export { subspaceRows };
export { levelSetBreaks, levelSetFaces, levelSetScales, levelSetSlopes, levelSetTrials, transposeBlock };

/** Raised whenever a signature or a layout changes. */
export function abiVersion(): u32 {
  return 6;
}

/** First byte that the host may use; all memory from here on is the host's. */
export function heapBase(): usize {
  return __heap_base;
}

/** x^y by AssemblyScript's own pow: engines' Math.pow differ in the last place. */
export function pow(x: f64, y: f64): f64 {
  return Math.pow(x, y);
}

/** x_i <- e^x_i, n of them; e^-Infinity is 0. */
export function expInPlace(x: usize, n: u32): void {
  for (let end = x + (<usize>n << 3); x < end; x += 8) store<f64>(x, Math.exp(load<f64>(x)));
}

/** x_i <- log x_i, n of them. */
export function logInPlace(x: usize, n: u32): void {
  for (let end = x + (<usize>n << 3); x < end; x += 8) store<f64>(x, Math.log(load<f64>(x)));
}

// Matrices in panels (gemm.ts). `wide`: elements are f64, else f32.

export function panelBytes(wide: bool, rows: u32, cols: u32): usize {
  return wide ? gemm.panelBytes<f64>(rows, cols) : gemm.panelBytes<f32>(rows, cols);
}

export function packPanels(wide: bool, panels: usize, B: usize, rows: u32, cols: u32): void {
  if (wide) gemm.packPanels<f64>(panels, B, rows, cols);
  else gemm.packPanels<f32>(panels, B, rows, cols);
}

export function pairBytes(form: u32, n: u32, d: u32): usize {
  return form ? gemm.pairBytes<f64>(n, d) : gemm.pairBytes<f32>(n, d);
}

export function packPairs(form: u32, pairs: usize, X: usize, n: u32, d: u32): void {
  if (form == 0) gemm.packPairs<f32, f32>(pairs, X, n, d);
  else if (form == 1) gemm.packPairs<f32, f64>(pairs, X, n, d);
  else gemm.packPairs<f64, f64>(pairs, X, n, d);
}

export function stripBytes(n: u32): usize {
  return gemm.stripBytes(n);
}

export function multiply(wide: bool, Y: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, strip: usize): void {
  if (wide) gemm.multiply<f64>(Y, pairs, n, d, panels, m, strip);
  else gemm.multiply<f32>(Y, pairs, n, d, panels, m, strip);
}

export function roundBlock(wide: bool, at: usize, count: usize, to: u32): void {
  if (wide) convert.roundTo<f64>(at, count, to);
  else convert.roundTo<f32>(at, count, to);
}

export function firstInfinite(wide: bool, at: usize, count: usize): i32 {
  return wide ? convert.firstInfinite<f64>(at, count) : convert.firstInfinite<f32>(at, count);
}

export function profileBlock(wide: bool, X: usize, n: u32, d: u32, sums: usize, tops: usize): i32 {
  return wide ? profile.profileBlock<f64>(X, n, d, sums, tops) : profile.profileBlock<f32>(X, n, d, sums, tops);
}

export function rowSquares(wide: bool, q: usize, X: usize, n: u32, d: u32, c: usize): void {
  if (wide) profile.rowSquares<f64>(q, X, n, d, c);
  else profile.rowSquares<f32>(q, X, n, d, c);
}

export function leverage(wide: bool, q: usize, pairs: usize, n: u32, d: u32, panels: usize, m: u32, triangular: bool, strip: usize): void {
  if (wide) leverageBlock<f64>(q, pairs, n, d, panels, m, triangular, strip);
  else leverageBlock<f32>(q, pairs, n, d, panels, m, triangular, strip);
}

export function residualRows(
  form: u32, rows: usize, X: usize, n: u32, d: u32, left: usize, k: u32, panels: usize, p: f64, unit: f64, strip: usize,
): void {
  if (form == 0) residual.residualRows<f32, f32>(rows, X, n, d, left, k, panels, p, unit, strip);
  else if (form == 1) residual.residualRows<f32, f64>(rows, X, n, d, left, k, panels, p, unit, strip);
  else residual.residualRows<f64, f64>(rows, X, n, d, left, k, panels, p, unit, strip);
}

// Gram matrices (gram.ts).

export function gramSlotBytes(form: u32, d: u32): usize {
  return form ? gram.gramSlotBytes<f64>(d) : gram.gramSlotBytes<f32>(d);
}

export function gramPackedBytes(form: u32, n: u32, d: u32): usize {
  return form ? gram.gramPackedBytes<f64>(n, d) : gram.gramPackedBytes<f32>(n, d);
}

export function gramBlock(form: u32, slots: usize, A: usize, n: u32, d: u32, r: usize, c: usize, packed: usize, block: u32): void {
  if (form == 0) gram.gramBlock<f32, f32>(slots, A, n, d, r, c, packed, block);
  else if (form == 1) gram.gramBlock<f32, f64>(slots, A, n, d, r, c, packed, block);
  else gram.gramBlock<f64, f64>(slots, A, n, d, r, c, packed, block);
}

export function gramFinish(form: u32, G: usize, slots: usize, d: u32, blocks: u32): void {
  if (form) gram.gramFinish<f64>(G, slots, d, blocks);
  else gram.gramFinish<f32>(G, slots, d, blocks);
}

// Entrywise l_p (entrywise-reweight.ts, entrywise-split.ts).

export { outerProducts, solveSystems };

export function entrywiseWeights(
  wide: bool, W: usize, WR: usize, A: usize, Y: usize, s: usize, n: u32, d: u32, p: f64, unit: f64, eps: f64, across: bool, out: usize,
): void {
  if (wide) reweight<f64>(W, WR, A, Y, s, n, d, p, unit, eps, across, out);
  else reweight<f32>(W, WR, A, Y, s, n, d, p, unit, eps, across, out);
}

export function shareBytes(): usize {
  return split.shareBytes();
}

export function shareTable(table: usize, p: f64): void {
  split.shareTable(table, p);
}

export function splitTarget(wide: bool, Z: usize, A: usize, v: usize, n: u32, d: u32, base: usize, level: f64, unit: f64, table: usize): void {
  if (wide) split.splitTarget<f64>(Z, A, v, n, d, base, level, unit, table);
  else split.splitTarget<f32>(Z, A, v, n, d, base, level, unit, table);
}

export function splitUpdate(
  form: u32, Z: usize, A: usize, v: usize, Y: usize, n: u32, d: u32, base: usize, sums: usize,
  p: f64, unit: f64, outside: bool, fresh: bool, level: f64, next: f64, keep: f64, floor: f64, table: usize,
): void {
  if (form == 0) split.splitUpdate<f32, f32>(Z, A, v, Y, n, d, base, sums, p, unit, outside, fresh, level, next, keep, floor, table);
  else if (form == 1) split.splitUpdate<f32, f64>(Z, A, v, Y, n, d, base, sums, p, unit, outside, fresh, level, next, keep, floor, table);
  else split.splitUpdate<f64, f64>(Z, A, v, Y, n, d, base, sums, p, unit, outside, fresh, level, next, keep, floor, table);
}

export function keepBetter(best: usize, bestSums: usize, Z: usize, sums: usize, n: u32, rowBytes: usize): void {
  split.keepBetter(best, bestSums, Z, sums, n, rowBytes);
}

export function penaltyScales(scales: usize, s: usize, base: usize, n: u32, p: f64, size: f64): void {
  split.penaltyScales(scales, s, base, n, p, size);
}

export function weightedSum(out: usize, x: usize, s: usize, n: u32): void {
  split.weightedSum(out, x, s, n);
}
// Steps of the eigen solver, for threads that share a matrix.

export { blockBytes, blockStart, finishRow, lastEntry, reflectRow, rowBytes, tridiagonalBytes, tridiagonalise } from "./eigen-tridiagonal";
export { addParts, multiplyParts, partBytes, partsOf, rowOffset, subtractBlock, updateBytes } from "./eigen-symmetric";
export { solve as divide, vectorPanelBytes } from "./eigen-divide";
export { firstHalf, mergeBytes, mergePairBytes, mergePanels } from "./eigen-merge";
export { applyReflectors, reflectorOffset, reflectorWorkBytes, rowPairBytes, unpackRows } from "./eigen-back";

// Sensitivities and coresets (sensitivity.ts).

export { lewisScale, whitenedRows, sensitivityTerms, normsBlock } from "./sensitivity";

// Rows in few bits (quantise.ts).

export { quantiseWorkBytes } from "./quantise";

export function quantiseRows(
  wide: bool, out: usize, X: usize, n: u32, k: u32, padded: u32, block: u32, bits: u32, levels: usize, zero: f32, factor: f64,
  starts: usize, startCount: u32, unbiased: bool, difference: bool, first: usize, second: usize, scales: usize, work: usize,
): void {
  if (wide) quantise.quantiseRows<f64>(out, X, n, k, padded, block, bits, levels, zero, factor, starts, startCount, unbiased, difference, first, second, scales, work);
  else quantise.quantiseRows<f32>(out, X, n, k, padded, block, bits, levels, zero, factor, starts, startCount, unbiased, difference, first, second, scales, work);
}

// Trellis codes (trellis.ts).

export { trellisWorkBytes, trellisPrepare, trellisEncode, trellisDecode } from "./trellis";
