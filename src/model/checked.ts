// What the functions on whole models are given, checked before any work.
import { InvalidInputError } from "../errors.js";
import { kindOf } from "../matrix.js";
import { checkOptions, type Names } from "../option-names.js";
import type { RunOptions } from "../types/index.js";
import type { CompressOptions } from "./compress.js";
import type { InspectOptions } from "./inspect.js";
import type { Model } from "./model.js";
import type { PlanOptions } from "./plan-options.js";
import type { ShrinkOptions } from "./quality/shrink.js";
import type { VerifyOptions } from "./verify.js";

const run: Names<RunOptions> = { signal: 1, onProgress: 1 };
const plan: Names<PlanOptions> = {
  ...run,
  ...{ layers: 1, names: 1, exclude: 1 },
  ...{ rank: 1, keep: 1, energy: 1, budget: 1, bytes: 1, maxError: 1, error: 1, minRank: 1, multipleOf: 1 },
  ...{
    dtype: 1,
    type: 1,
    purpose: 1,
    p: 1,
    plan: 1,
    method: 1,
    groups: 1,
    weights: 1,
    operators: 1,
    mainName: 1,
    halves: 1,
  },
};
const compress: Names<CompressOptions> = {
  ...plan,
  ...{ objective: 1, tolerance: 1, seed: 1, maxWork: 1, calibration: 1, spill: 1, spillBytes: 1 },
  ...{ journal: 1, mayGrow: 1, tokenizer: 1 },
};
export const shrinkNames: Names<ShrinkOptions> = { ...compress, quality: 1, cosine: 1, inputs: 1 };

/** By the function that takes them; what foretells a result takes all that the making of it does. */
interface OptionsOf {
  planCompression: CompressOptions;
  foretell: ShrinkOptions;
  compressModel: CompressOptions;
  shrinkModel: ShrinkOptions;
  inspectModel: InspectOptions;
  expandModel: RunOptions;
  verifyLayers: VerifyOptions;
}

const names: { readonly [Call in keyof OptionsOf]: Names<OptionsOf[Call]> } = {
  planCompression: compress,
  foretell: shrinkNames,
  compressModel: compress,
  shrinkModel: shrinkNames,
  inspectModel: { ...run, spectra: 1, keep: 1 },
  expandModel: run,
  verifyLayers: { ...run, weightsFor: 1 },
};

/** @throws {InvalidInputError} for what is no open model, and for an option that does not exist */
export function checkCall<Call extends keyof OptionsOf>(call: Call, model: Model, options: OptionsOf[Call]): void {
  if (typeof model !== "object" || model === null || !Array.isArray(model.layers)) {
    const found = typeof model === "string" ? `the string "${String(model)}"` : kindOf(model);
    throw new InvalidInputError(
      `${call} takes an open model, as onnxModel() and safetensorsModel() make them; got ${found}. For paths there is compressFile(input, output, options) of loewner/node.`,
    );
  }
  checkOptions(call, options, names[call]);
}

/** The same for what chooses how layers are stored; `type`, the former name of `dtype`, becomes that. */
export function checkedPlan<Call extends "planCompression" | "foretell" | "compressModel" | "shrinkModel">(
  call: Call,
  model: Model,
  options: OptionsOf[Call],
): OptionsOf[Call] {
  checkCall(call, model, options);
  if (options?.type === undefined) return options ?? {};
  const { type, ...rest } = options;
  return { ...rest, dtype: rest.dtype ?? type } as OptionsOf[Call];
}
