// The ways to store a layer, each with its bytes and the error that its spectrum predicts: a rank loses the squared singular
// values past it, and few bits lose a share of what is kept that hardly depends on the matrix, for the factors are rotated first; so
// do transform codes, component by component.
import { trellisError } from "../code-trellis.js";
import { codedBytes, quantisationError } from "../codes.js";
import type { CodeBits } from "../types/index.js";
import type { Choice } from "./budget.js";
import { bitsOf, type PairTarget, type Target } from "./fit.js";
import { blockOf, targetBytes } from "./sizes.js";
import type { PairType, StoredType } from "./stored.js";

/** A layer in the planner's eyes. */
export interface Candidates {
  readonly rows: number;
  readonly cols: number;
  /** Bytes of the layer as it is. */
  readonly bytes: number;
  /** Singular values of A, weighted as the fit will be; descending. */
  readonly singularValues: Float64Array;
}

export interface Option extends Choice {
  /** Without one: the layer as it is. */
  readonly target?: Target;
}

const widths: readonly CodeBits[] = [8, 4, 3, 2];

/**
 * Entry k: relative squared Frobenius error of the best approximation of rank k, for k from 0 to the number of singular values.
 * @param singularValues descending
 */
export function tailsOf(singularValues: ArrayLike<number>): Float64Array {
  const count = singularValues.length;
  const tails = new Float64Array(count + 1);
  const top = singularValues[0] || 1; // squares of what is beside it neither overflow nor vanish
  for (let j = count - 1; j >= 0; --j) tails[j] = tails[j + 1] + (singularValues[j] / top) * (singularValues[j] / top);
  const total = tails[0] || 1;
  return tails.map((tail) => tail / total);
}

/**
 * Every rank from `minRank` in steps of `multipleOf`, stored as `type` ("auto": in 8, 4, 3 and 2 bits, and the table itself in as
 * many), or transform codes of rising sizes, while smaller than the layer; and the layer as it is.
 */
export function optionsFor(
  candidates: Candidates,
  { type, minRank = 1, multipleOf }: { type: StoredType | "auto"; minRank?: number; multipleOf?: number },
): Option[] {
  const { bytes } = candidates;
  const found =
    type === "transform" ? transformOptions(candidates) : pairOptions(candidates, type, minRank, multipleOf);
  return [{ bytes, error: 0 }, ...found.filter((option) => option.bytes < bytes)];
}

function pairOptions(
  { rows, cols, singularValues }: Candidates,
  type: PairType | "auto",
  minRank: number,
  multipleOf: number | undefined,
): Option[] {
  const tails = tailsOf(singularValues);
  const options: Option[] = [];
  const add = (target: PairTarget, error: number) =>
    options.push({ target, bytes: targetBytes(rows, cols, target), error });
  for (const each of type === "auto" ? widths.map((bits): PairType => `int${bits}`) : [type]) {
    const bits = bitsOf(each);
    const step = multipleOf ?? (bits ? 8 : 1);
    for (let rank = Math.ceil(minRank / step) * step; rank <= Math.min(rows, cols); rank += step) {
      const lost = bits ? quantisationError(bits, rank) : 0;
      add({ rank, type: each }, tails[rank] + (1 - tails[rank]) * lost);
    }
    if (bits && type === "auto") add({ rank: cols, type: each, dense: true }, quantisationError(bits, blockOf(true)));
  }
  return options;
}

function transformOptions({ rows, cols, singularValues }: Candidates): Option[] {
  return waterFilled(rows, cols, singularValues).map(({ bytes, error }) => ({
    ...{ bytes, error },
    target: { type: "transform", bytes },
  }));
}

/**
 * Transform codes by rising bytes, with what they err by beside the sum of squares: reverse water-filling (Shannon, 1959), eight components
 * a bit at a time. The codes themselves do a little better, for their bands and their centre follow the rows.
 */
function waterFilled(rows: number, cols: number, singularValues: Float64Array): Choice[] {
  const used = singularValues.subarray(0, Math.min(rows, cols));
  const groups = new Float64Array(Math.ceil(used.length / 8));
  used.forEach((x, k) => (groups[k >> 3] += x * x));
  const total = groups.reduce((sum, x) => sum + x, 0) || 1;
  const bits = [1, 2, 3, 4, 5, 6, 7, 8] as const;
  const errors = [1, ...bits.map((width) => trellisError(width, 10))];
  const first = 8 * codedBytes(1, cols, 4);
  // How many groups have so many bits, or more. The larger ones had them first.
  const taken = [groups.length, ...bits.map(() => 0)];
  const choices: Choice[] = [];
  let bytes = leastTransformBytes(rows, cols);
  let error = 1;
  for (;;) {
    let best: { width: number; fall: number; cost: number } | undefined;
    for (const width of bits) {
      if (taken[width] >= taken[width - 1]) continue;
      const fall = ((errors[width - 1] - errors[width]) * groups[taken[width]]) / total;
      const cost = rows + (width === 1 ? first : 0);
      if (fall / cost > (best ? best.fall / best.cost : 0)) best = { width, fall, cost };
    }
    if (!best) return choices;
    ++taken[best.width];
    bytes += best.cost;
    error -= best.fall;
    choices.push({ bytes, error: Math.max(0, error) });
  }
}

/** Relative squared error of a layer that is stored like this, as its spectrum predicts it. */
export function predictedError(rows: number, cols: number, singularValues: Float64Array, target: Target): number {
  if (target.type === "transform")
    return waterFilled(rows, cols, singularValues).findLast(({ bytes }) => bytes <= target.bytes)?.error ?? 1;
  const bits = bitsOf(target.type);
  if (target.dense) return bits ? quantisationError(bits, blockOf(target.dense)) : 0;
  const tail = tailsOf(singularValues)[target.rank];
  return tail + (1 - tail) * (bits ? quantisationError(bits, target.rank) : 0);
}

/** Of centre and scales, without a single component. */
export function leastTransformBytes(rows: number, cols: number): number {
  return 4 * cols + rows + 4 * Math.max(2, Math.min(256, Math.floor(rows / 8)));
}

/**
 * The targets worth trying within `bytes`, best predicted first: in each number of bits the largest rank that fits, the best
 * `tried` of them, and the best table of full rank in few bits, which low rank has to beat.
 */
export function shortlist(options: readonly Option[], bytes: number, tried = 3): Target[] {
  const best = new Map<string, { target: PairTarget; error: number }>();
  for (const { target, bytes: size, error } of options) {
    if (target === undefined || target.type === "transform" || size > bytes) continue;
    const kind = target.dense ? "dense" : target.type;
    const known = best.get(kind);
    if (!known || error < known.error) best.set(kind, { target, error });
  }
  const ranked = [...best].sort(([, a], [, b]) => a.error - b.error);
  return ranked.filter(([kind], i) => kind === "dense" || i < tried).map(([, { target }]) => target);
}
