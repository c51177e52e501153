// The public names.
export { createLoewner, type CreateOptions } from "./loewner.js";
export { rankForKeep } from "./options.js";
export type { Matrix, MatrixLike, RowSource, RowType } from "./matrix.js";
export * from "./errors.js";
export type {
  Candidate,
  CertifyOptions,
  Convergence,
  FactorPair,
  FactorType,
  LeverageResult,
  LewisOptions,
  LewisResult,
  Loewner,
  LowRankCertificate,
  LowRankOptions,
  LowRankReport,
  LowRankResult,
  Method,
  Objective,
  ObjectiveName,
  Progress,
  RowWeights,
  RunOptions,
  SandwichCertificate,
  WeightedOptions,
} from "./types.js";
