// Names of the options that decide how a model is stored. Those who take them hold the tables to their types; what foretells a result takes
// all that the making of it does.
import type { Names } from "../option-names.js";
import type { PlanOptions } from "./plan-options.js";

const planNames: Names<PlanOptions> = {
  ...{ signal: 1, onProgress: 1, layers: 1, names: 1, exclude: 1 },
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
    shortNames: 1,
  },
};

export const compressNames = {
  ...planNames,
  ...({ objective: 1, tolerance: 1, seed: 1, maxWork: 1, calibration: 1, spill: 1, spillBytes: 1 } as const),
  ...({ journal: 1, mayGrow: 1, tokenizer: 1 } as const),
};

export const shrinkNames = { ...compressNames, ...({ quality: 1, cosine: 1, inputs: 1 } as const) };
