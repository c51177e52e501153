// The options of createLoewner() and of its methods.
import type { Names } from "./option-names.js";
import type { SchedulerOptions } from "./schedule/scheduler.js";
import type {
  CertifyOptions,
  CoresetOptions,
  CoresetStreamOptions,
  EntrywiseOptions,
  GramOptions,
  JohnOptions,
  LevelSetOptions,
  LewisOptions,
  LowRankFactorOptions,
  LowRankOptions,
  MinVolumeOptions,
  QuantiseOptions,
  RunOptions,
  SensitivityOptions,
  SingularValuesOptions,
  SubspaceOptions,
  TransformCodeOptions,
  TrellisCodeOptions,
  WeightedOptions,
} from "./types/index.js";

const run: Names<RunOptions> = { onProgress: 1, signal: 1 };
const weighted: Names<WeightedOptions> = { ...run, rowWeights: 1 };
const iterated = { tolerance: 1, maxIterations: 1 } as const;
const john: Names<JohnOptions> = { ...run, ...iterated };
const lewis: Names<LewisOptions> = { ...weighted, ...iterated, p: 1 };
const chosen = { p: 1, size: 1, seed: 1, scheme: 1, tolerance: 1 } as const;

export const createNames: Names<SchedulerOptions & { kernel?: unknown }> = {
  ...{ threads: 1, memory: 1, kernel: 1, tileRows: 1, threadBytes: 1, threadWork: 1, residentBytes: 1 },
};

interface OptionsOf {
  leverageScores: WeightedOptions;
  lewisWeights: LewisOptions;
  lowRank: LowRankOptions | LowRankFactorOptions;
  singularValues: SingularValuesOptions;
  gram: GramOptions;
  residual: WeightedOptions & { p?: number };
  certify: CertifyOptions;
  multiply: RunOptions;
  minVolumeEllipsoid: MinVolumeOptions;
  johnEllipsoid: JohnOptions;
  quantise: QuantiseOptions;
  transformCode: TransformCodeOptions;
  trellisCode: TrellisCodeOptions;
  robustSubspace: SubspaceOptions;
  entrywiseLowRank: EntrywiseOptions;
  sensitivities: SensitivityOptions;
  coreset: CoresetOptions;
  coresetStream: CoresetStreamOptions;
  levelSetEllipsoid: LevelSetOptions;
}

export const methodNames: { readonly [Method in keyof OptionsOf]: Names<OptionsOf[Method]> } = {
  leverageScores: weighted,
  lewisWeights: lewis,
  lowRank: {
    ...weighted,
    ...{ rank: 1, keep: 1, energy: 1, p: 1, method: 1, groups: 1, maxWork: 1, objective: 1, tolerance: 1, seed: 1 },
    ...{ compareSvd: 1, left: 1, factorType: 1, report: 1 },
  },
  singularValues: { ...weighted, centred: 1 },
  gram: { ...weighted, precision: 1 },
  residual: { ...weighted, p: 1 },
  certify: {
    ...weighted,
    ...{ left: 1, by: 1, residualStore: 1, factorType: 1, ellipsoid: 1, seed: 1, p: 1, tolerance: 1 },
  },
  multiply: run,
  minVolumeEllipsoid: { ...john, freeCenter: 1 },
  johnEllipsoid: john,
  quantise: {
    ...weighted,
    ...{ right: 1, bits: 1, rightBits: 1, block: 1, levels: 1, scale: 1, seed: 1, rotate: 1, p: 1 },
  },
  transformCode: {
    ...weighted,
    ...{
      bytes: 1,
      bitsPerEntry: 1,
      maxError: 1,
      p: 1,
      exactRows: 1,
      windowBits: 1,
      scale: 1,
      aim: 1,
      metric: 1,
      only: 1,
      seed: 1,
    },
  },
  trellisCode: { ...run, bits: 1, moments: 1, damping: 1, p: 1, windowBits: 1, seed: 1 },
  robustSubspace: { ...weighted, ...iterated, rank: 1, p: 1, restarts: 1, seed: 1 },
  entrywiseLowRank: { ...weighted, ...iterated, rank: 1, p: 1, method: 1, starts: 1, seed: 1 },
  sensitivities: lewis,
  coreset: { ...weighted, ...chosen, scores: 1 },
  coresetStream: { ...run, ...chosen, cols: 1, tileRows: 1 },
  levelSetEllipsoid: { ...lewis, seed: 1, directions: 1 },
};
