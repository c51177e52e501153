// The ways to store a layer, each with its bytes and what its spectrum says that it costs: a rank loses the squared singular values past
// it, and few bits lose a share of what is kept that hardly depends on the matrix, for the factors are rotated first.
import { quantisationError } from "../codes.js";
import { trellisError } from "../code-trellis.js";
import { errorWeights, type ErrorWeights } from "../geometry/codes/error-weights.js";
import type { Aim, CodeBits, TrellisBits } from "../types/index.js";
import type { Choice } from "./budget.js";
import type { ClusterTails } from "./cluster-forecast.js";
import { codeCurve, type CodePoint } from "./code-curve.js";
import { bitsOf, isByOutputs, type PairTarget, type Target } from "./fit.js";
import { costOf, type ExpectedError } from "./measure.js";
import { blockOf, targetBytes } from "./sizes.js";
import type { PairType, StoredType } from "./stored.js";

export interface Spectra {
  readonly rows: number;
  readonly cols: number;
  /** Singular values of A, weighted as the fit will be; descending. */
  readonly singularValues: Float64Array;
  /** Of its rows less their mean: what transform codes are planned by. Default: as if the mean were 0. */
  readonly centred?: Float64Array;
  /** Of rows that lie in several subspaces: what clusters of them would lose. */
  readonly clusters?: readonly ClusterTails[];
}

/** A layer in the planner's eyes. */
export interface Candidates extends Spectra {
  /** Bytes of the layer as it is. */
  readonly bytes: number;
  readonly aim: Aim;
  /** It is only multiplied, by what has been told of or is all alike: "auto" offers trellis codes. */
  readonly isMultiplied?: boolean;
  /** Rows and columns in trellis codes. Default: those of the others. */
  readonly outputsByInputs?: readonly [number, number];
  /** What the measure is multiplied by beside other layers': error of the model's outputs by the layer's own. Default 1. */
  readonly sensitivity?: number;
  /** Of trellis codes: `feedbackIn` a draft of the layer. Default: there is none. */
  readonly feedback?: number;
}

/** `error` is the measure. */
export interface Option extends Choice {
  /** The measure beside the squared error. */
  readonly cost: number;
  /** Absent for the layer as it is. */
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

/** What the spectra say of ways to store a layer. */
export class Forecast {
  private readonly tails: Float64Array;
  /** Squares along the axes of the centred rows, falling, beside those of A. */
  private readonly variances: Float64Array;
  private readonly weights: ErrorWeights | undefined;
  /** Sums up to each axis: of weights of noise, and of what variances count for that are lost. */
  private readonly noise: Float64Array;
  private readonly lost: Float64Array;
  private points: CodePoint[] | undefined;

  constructor(
    private readonly layer: Spectra,
    private readonly aim: Aim = "error",
  ) {
    const { singularValues, centred = singularValues } = layer;
    this.tails = tailsOf(singularValues);
    const top = singularValues[0] || 1;
    const square = (x: number) => (x / top) * (x / top);
    const total = singularValues.reduce((sum, x) => sum + square(x), 0) || 1;
    this.variances = centred.map((x) => square(x) / total);
    this.weights = errorWeights(this.variances, aim);
    const { noise, lost } = this.weights ?? {};
    this.noise = sumsOf(this.variances.map((_, j) => noise?.[j] ?? 1));
    this.lost = sumsOf(this.variances.map((v, j) => v * (lost?.[j] ?? 1)));
  }

  /** Of transform codes of every size. */
  get curve(): readonly CodePoint[] {
    const { rows, cols } = this.layer;
    const { weights, aim } = this;
    return (this.points ??= codeCurve(rows, cols, this.variances, { weights, unbiased: aim === "comparing" }));
  }

  of(target: Target): ExpectedError {
    if (target.type === "trellis") {
      const squared = trellisError(target.bits, 10);
      return { squared, measure: squared };
    }
    if (target.type !== "transform") return this.ofPair(target);
    const past = this.curve.findIndex(({ bytes }) => bytes > target.bytes);
    return this.curve[past < 0 ? this.curve.length - 1 : Math.max(0, past - 1)];
  }

  /** Rounding errs evenly in all that is kept. */
  private ofPair({ rank, type, dense = false, groups }: PairTarget): ExpectedError {
    const { tails, noise, lost, weights, layer } = this;
    const bits = bitsOf(type);
    const ofGroups = layer.clusters?.find((each) => each.groups === groups)?.tails[rank];
    const tail = dense ? 0 : (ofGroups ?? tails[rank]);
    const rounding = bits ? (1 - tail) * quantisationError(bits, dense ? blockOf(true) : rank) : 0;
    const squared = rounding + tail;
    if (!weights) return { squared, measure: squared };
    // Errors of groups have axes of their own: they count as those of a rank that loses as much.
    const like =
      ofGroups === undefined
        ? rank
        : Math.max(
            1,
            tails.findIndex((each) => each <= ofGroups),
          );
    const kept = Math.min(like, lost.length - 1);
    return { squared, measure: (rounding / kept) * noise[kept] + lost[lost.length - 1] - lost[kept] };
  }
}

/** Relative squared error of a layer that is stored like this, as its spectra predict it. */
export function predictedError(layer: Spectra, target: Target, aim?: Aim): number {
  return new Forecast(layer, aim).of(target).squared;
}

/** Entry k: sum of the first k. */
function sumsOf(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((x, k) => (sums[k + 1] = sums[k] + x));
  return sums;
}

/** Sizes of transform codes that are offered, at most. */
const mostCodes = 96;
/** Bytes of a layer from which on they are: tables and nodes that decode them take a few KB. */
const leastForCodes = 2 ** 18;
const leastForTrellis = 2 ** 14;
const trellisWidths: readonly TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];

/**
 * Every rank from `minRank` in steps of `multipleOf`, stored as `type` ("auto": in 8, 4, 3 and 2 bits, in clusters of rows where there are
 * any, the table itself in as many, and in transform codes), while smaller than the layer; and the layer as it is, which has no target.
 * @param groups factors are those of clusters of rows, in so many groups
 * @param packed "auto" offers only what onnxruntime computes with as it lies: all of it in 8, 4 and 2 bits
 */
export function optionsFor(
  layer: Candidates,
  {
    type,
    minRank = 1,
    multipleOf,
    packed = false,
    groups,
  }: { type: StoredType | "auto"; minRank?: number; multipleOf?: number; packed?: boolean; groups?: number },
): Option[] {
  const { rows, cols, bytes, aim, sensitivity = 1, feedback } = layer;
  const forecast = new Forecast(layer, aim);
  const options: Option[] = [{ bytes, error: 0, cost: 1 }];
  const byOutputs = layer.outputsByInputs ?? ([rows, cols] as const);
  const add = (target: Target, expected = forecast.of(target)) => {
    const size = targetBytes(...(isByOutputs(target) ? byOutputs : ([rows, cols] as const)), target);
    if (size >= bytes) return;
    options.push({ target, bytes: size, error: sensitivity * expected.measure, cost: costOf(expected) });
  };
  if (type === "auto" && packed) {
    const [, inputs] = byOutputs;
    const { isMultiplied = false } = layer;
    for (const bits of [8, 4, 2])
      add({ rank: isMultiplied ? inputs : cols, type: `int${bits}` as PairType, dense: true, byOutputs: isMultiplied });
    return options;
  }
  if (type === "transform" || (type === "auto" && bytes >= leastForCodes)) {
    // Without a component all rows are the same: answers no longer depend on them, and what that costs is told by no smaller error.
    const [, ...kept] = forecast.curve;
    const step = Math.ceil(kept.length / mostCodes);
    kept.forEach((point, at) => {
      if (at % step === 0) add({ type: "transform", bytes: point.bytes }, point);
    });
  }
  if (type === "trellis" || (type === "auto" && layer.isMultiplied && bytes >= leastForTrellis))
    for (const bits of trellisWidths) {
      const { squared } = forecast.of({ type: "trellis", bits });
      add({ type: "trellis", bits }, { squared, measure: withFeedback(squared, feedback) });
    }
  const clusters = (type === "auto" && layer.clusters) || [];
  for (const each of pairTypes(type)) {
    const step = multipleOf ?? (bitsOf(each) ? 8 : 1);
    for (const { groups: count, tails } of clusters) {
      for (let rank = Math.ceil(minRank / step) * step; rank < tails.length; rank += step)
        add({ rank, type: each, groups: count });
    }
    for (let rank = Math.ceil(minRank / step) * step; rank <= Math.min(rows, cols); rank += step) {
      add({ rank, type: each, ...(groups !== undefined && { groups }) });
    }
    if (type === "auto") add({ rank: cols, type: each, dense: true });
  }
  return options;
}

/**
 * What coarse codes add under error feedback: what is fed back must be coded too. Of 60 layers of two models 0.2 to 3 was seen, and nothing of
 * it above 2 bits.
 */
const fedBack = 1.5;

/** Error of a layer's outputs in trellis codes that err by `squared`. @param feedback share that fine codes leave */
export function withFeedback(squared: number, feedback: number | undefined): number {
  return feedback === undefined ? squared : feedback * squared + fedBack * squared * squared * squared;
}

/** What error feedback leaves of the error of fine codes, told by a draft that errs by `outputError` with codes that err by `squared`. */
export function feedbackIn(outputError: number, squared: number): number {
  const left = outputError / squared;
  return Math.max(left / 4, left - fedBack * squared * squared);
}

function pairTypes(type: StoredType | "auto"): readonly PairType[] {
  if (type === "transform" || type === "trellis") return [];
  return type === "auto" ? widths.map((bits) => `int${bits}` as const) : [type];
}

/** The least measure that is expected within each of `sizes` bytes, which rise; 1 where nothing fits. */
export function leastMeasures(options: readonly Option[], sizes: readonly number[]): Float64Array {
  const sorted = [...options].sort((a, b) => a.bytes - b.bytes);
  let [at, least] = [0, 1];
  return Float64Array.from(sizes, (size) => {
    for (; at < sorted.length && sorted[at].bytes <= size; ++at) least = Math.min(least, sorted[at].error);
    return least;
  });
}

/** A target, and what its squared error is to be multiplied by beside others'. */
export interface Trial {
  readonly target: Target;
  readonly cost: number;
}

/** Transform codes err as foretold, to a few parts in a hundred: what is foretold to cost more than this beside them is not tried. */
const isClose = 1.25;

/**
 * What is worth trying within `bytes`, best expected first: transform codes, in each number of bits the largest rank that fits, the best
 * `tried` of these, and the best table of full rank in few bits; transform codes alone where no other comes near. Whoever compares them once
 * they are made need not trust what was expected.
 */
export function shortlist(options: readonly Option[], bytes: number, tried = 3): Trial[] {
  const found = new Map<string, Option>();
  for (const option of options) {
    const { target } = option;
    if (target === undefined || option.bytes > bytes) continue;
    const kind = isDense(target) ? "dense" : "groups" in target ? `${target.type} in groups` : target.type;
    const known = found.get(kind);
    if (!known || option.error < known.error) found.set(kind, option);
  }
  const ranked = [...found].sort(([, a], [, b]) => a.error - b.error);
  const [best] = ranked;
  // Its rows are not those of others, whose errors it would be compared with; and what it errs is foretold to a few per cent.
  if (best?.[0] === "trellis") return [{ target: best[1].target!, cost: best[1].cost }];
  const kept = ranked.filter(
    ([kind], i) => kind === "dense" || kind === "transform" || (kind !== "trellis" && i < tried),
  );
  const near = best?.[0] === "transform" ? kept.filter(([, { error }]) => error <= isClose * best[1].error) : kept;
  return near.map(([, { target, cost }]) => ({ target: filling(target!, bytes), cost }));
}

const isDense = (target: Target) => "dense" in target && target.dense === true;

/** Codes take whatever there is. */
function filling(target: Target, bytes: number): Target {
  return target.type === "transform" ? { ...target, bytes: Math.floor(bytes) } : target;
}
