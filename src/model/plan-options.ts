// What a plan is asked for, and what it says.
import type { LowRankOptions, Progress, RowWeights } from "../types/index.js";
import type { Target } from "./fit.js";
import type { Selection } from "./layers.js";
import { shapeOf, type Layer, type LayOutOptions } from "./model.js";
import type { LayerPlan, PlanFile } from "./plan-file.js";
import type { StoredType } from "./stored.js";

/** Exactly one of these, for the layers that a plan file says nothing of. */
export interface SizeOptions {
  rank?: number;
  /** Share of the layer's bytes that what is stored of it may take. */
  keep?: number;
  energy?: number;
  /** Share of the whole model's bytes that the result may take. */
  budget?: number;
  /** Bytes that the result may take. */
  bytes?: number;
  /** Relative error that each layer may have: the root of its measure. */
  maxError?: number;
  /** Sum over layers of their measures times sensitivities that is expected at most: the smallest file that keeps to it. */
  error?: number;
}

/** Row weights for any table of tokens that they fit. */
export interface LayerWeights {
  /** For a table of so many rows; undefined where there are none. */
  weightsFor(rows: number): RowWeights | undefined;
  /** The error when no chosen layer fits, told the rows of the largest. */
  misfit?(rows: number): Error;
  /** They are used where they fit; fitting nowhere is no error. */
  optional?: boolean;
  /** Power of the counts that was taken, and where they come from: recorded in the file and in the report. */
  power?: number;
  description?: string;
}

export const purposes = ["download", "memory"] as const;
export type Purpose = (typeof purposes)[number];

/** p is written into the file: it matters for its size alone here. */
export interface PlanOptions
  extends Selection, SizeOptions, LayOutOptions, Pick<LowRankOptions, "p" | "method" | "groups"> {
  /** How numbers are stored. Default: as the layer's own. "auto": whatever answers lose least by at the size asked for. */
  dtype?: StoredType | "auto";
  /** @deprecated The former name of `dtype`, taken for this release still. */
  type?: StoredType | "auto";
  /**
   * What the file is made small for. "download", the default: few bytes, unpacked as the model loads. "memory": only forms that onnxruntime
   * computes with as they lie, which wants `operators: "onnxruntime"` and dtype "auto".
   */
  purpose?: Purpose;
  /** Smallest rank that a budget may give. Default 1. */
  minRank?: number;
  /** Ranks that keep or a budget gives are multiples of this. Default 1, in few bits 8. */
  multipleOf?: number;
  plan?: PlanFile;
  /** Of the rows of tables of tokens. */
  weights?: LayerWeights;

  signal?: AbortSignal;
  onProgress?: (progress: Progress & { layer: string }) => void;
}

export interface Skipped {
  name: string;
  reason: string;
}

export interface PlannedLayer {
  readonly layer: Layer;
  /** Tried in turn; the best by the measure is kept. One, unless the way to store it is left open. */
  readonly targets: readonly Target[];
  /** What the squared error of each counts for in the measure; absent where there is nothing to compare. */
  readonly costs?: readonly number[];
  /** Frobenius norm of the layer, its rows weighted as the fit has them; absent where no spectrum was asked for. */
  readonly norm?: number;
  /** The measure that is expected of the first, of a size of the whole. */
  readonly expected?: number;
  /** Why these. */
  readonly because: string;
  /** What the plan file says of it. */
  readonly own: LayerPlan;
}

export interface Plan {
  readonly chosen: readonly PlannedLayer[];
  readonly skipped: readonly Skipped[];
  /** Of the files that would be written, at most: numbers in the metadata may be shorter than thought. */
  readonly bytesAfter: number;
}

/** Which sizes are asked for. */
export const sizesIn = (size: SizeOptions) =>
  (["rank", "keep", "energy", "budget", "bytes", "error", "maxError"] as const).filter(
    (key) => size[key] !== undefined,
  );
export const isOfFile = ({ budget, bytes, error, maxError }: SizeOptions) =>
  (budget ?? bytes ?? error ?? maxError) !== undefined;

/** Only rows that are tokens have weights. */
export function weightsOf(layer: Layer, weights: LayerWeights | undefined): RowWeights | undefined {
  return isOfTokens(layer) ? weights?.weightsFor(shapeOf(layer)[0]) : undefined;
}

export const isOfTokens = ({ kind }: Layer) => kind === "embedding" || kind === "tied" || kind === "head";
