// The ways to store a layer, each with its bytes and the error that its spectrum predicts: a rank loses the squared singular
// values past it, and few bits lose a share of what is kept that hardly depends on the matrix, for the factors are rotated first.
import { quantisationError } from "../codes.js";
import type { CodeBits } from "../types/index.js";
import type { Choice } from "./budget.js";
import { bitsOf, type Target } from "./fit.js";
import { blockOf, targetBytes } from "./sizes.js";
import type { StoredType } from "./stored.js";

/** A layer in the planner's eyes. */
export interface Candidates {
  readonly rows: number;
  readonly cols: number;
  /** Bytes of the layer as it is. */
  readonly bytes: number;
  /** Singular values of A, weighted as the fit will be; descending. */
  readonly singularValues: Float64Array;
}

export type Option = Choice & Partial<Target>;

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
 * many), while smaller than the layer; and the layer as it is, which has no rank.
 */
export function optionsFor(
  { rows, cols, bytes, singularValues }: Candidates,
  { type, minRank = 1, multipleOf }: { type: StoredType | "auto"; minRank?: number; multipleOf?: number },
): Option[] {
  const tails = tailsOf(singularValues);
  const options: Option[] = [{ bytes, error: 0 }];
  const add = (target: Target, error: number) => {
    const size = targetBytes(rows, cols, target);
    if (size < bytes) options.push({ ...target, bytes: size, error });
  };
  for (const each of type === "auto" ? widths.map((bits): StoredType => `int${bits}`) : [type]) {
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

/**
 * The targets worth trying within `bytes`, best predicted first: in each number of bits the largest rank that fits, the best
 * `tried` of them, and the best table of full rank in few bits, which low rank has to beat.
 */
export function shortlist(options: readonly Option[], bytes: number, tried = 3): Target[] {
  const best = new Map<string, Option>();
  for (const option of options) {
    if (option.rank === undefined || option.bytes > bytes) continue;
    const kind = option.dense ? "dense" : option.type!;
    const known = best.get(kind);
    if (!known || option.error < known.error) best.set(kind, option);
  }
  const ranked = [...best].sort(([, a], [, b]) => a.error - b.error);
  const kept = ranked.filter(([kind], i) => kind === "dense" || i < tried);
  return kept.map(([, { rank, type, dense }]) => ({ rank: rank!, type: type!, ...(dense && { dense }) }));
}
