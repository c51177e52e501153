// The calls that run as a whole wherever there is a kernel: in the calling thread, by all threads, or in one worker.
import { checkCoreset, coreset } from "../geometry/coreset/coreset.js";
import { checkEntrywise, entrywiseLowRank } from "../geometry/entrywise/entrywise.js";
import { checkLevelSet, levelSetEllipsoid } from "../geometry/level-set/level-set.js";
import { leverageScores } from "../geometry/lewis/leverage.js";
import { checkLewis, lewisWeights } from "../geometry/lewis/weights.js";
import { checkMinVolume, johnEllipsoid, minVolumeEllipsoid } from "../geometry/ellipsoid/min-volume.js";
import {
  checkMultiply,
  checkPairResidual,
  multiply,
  pairResidual,
  singularValues,
  gram,
} from "../geometry/basis/pair.js";
import { checkQuantise, quantise } from "../geometry/codes/quantise.js";
import { checkTransformCode, transformCode } from "../geometry/codes/transform-code.js";
import { checkTrellisCode, trellisCode } from "../geometry/codes/trellis-code.js";
import type { Run } from "../geometry/run.js";
import { checkSensitivities, sensitivities } from "../geometry/coreset/sensitivities.js";
import { checkSubspace, robustSubspace } from "../geometry/subspace/subspace.js";
import { checkLowRank, lowRank } from "../low-rank.js";
import { certify, checkCertify } from "../low-rank/certificate.js";
import type { MemoryNeeds } from "../engine/memory.js";
import {
  needsOfCertify,
  needsOfEllipsoid,
  needsOfEntrywise,
  needsOfLeverage,
  needsOfLowRank,
  needsOfTransformCode,
  needsOfTrellisCode,
  noNeeds,
} from "./memory-needs.js";
import type { RowSource } from "../matrix.js";
import * as back from "./restore.js";
import type { Scale } from "./scale.js";

interface Primitive<Options, Result> {
  run(run: Run, source: RowSource, options: Options): Promise<Result>;
  check?(options: NoInfer<Options>, source: RowSource): void;
  /** What it holds beside tiles and d x d matrices, row weights apart. */
  needs?(options: NoInfer<Options>, source: RowSource): MemoryNeeds;
  /** The result of A and its row weights from that of scaled ones (far-scales.ts), where it depends on the scale. */
  restore?(result: NoInfer<Result>, scale: Scale): Promise<Result>;
  /** Rows may be scaled: all that needs `restore` for it has it. */
  scalesRows?: boolean;
  /** Sweeps of rows * cols^2 multiply-adds, and as many dense steps, that it comes to: the order of magnitude. */
  sweeps: number;
}

/** Keeps the types of each. */
const primitive = <Options, Result>(of: Primitive<Options, Result>) => of;

export const primitives = {
  leverageScores: primitive({ run: leverageScores, needs: needsOfLeverage, sweeps: 2, scalesRows: true }),
  lewisWeights: primitive({
    run: lewisWeights,
    check: checkLewis,
    sweeps: 20,
    restore: back.lewisWeights,
    scalesRows: true,
  }),
  lowRank: primitive({
    run: lowRank,
    check: checkLowRank,
    needs: needsOfLowRank,
    sweeps: 10,
    restore: back.lowRank,
    scalesRows: true,
  }),
  singularValues: primitive({
    run: singularValues,
    needs: noNeeds,
    sweeps: 1,
    restore: back.singularValues,
    scalesRows: true,
  }),
  gram: primitive({ run: gram, needs: noNeeds, sweeps: 1, restore: back.gram, scalesRows: true }),
  residual: primitive({
    run: pairResidual,
    check: checkPairResidual,
    sweeps: 1,
    restore: back.objective,
    scalesRows: true,
  }),
  certify: primitive({
    run: certify,
    check: checkCertify,
    needs: needsOfCertify,
    sweeps: 5,
    restore: back.certificate,
    scalesRows: true,
  }),
  multiply: primitive({ run: multiply, check: checkMultiply, needs: noNeeds, sweeps: 1 }),
  minVolumeEllipsoid: primitive({
    run: minVolumeEllipsoid,
    check: checkMinVolume,
    sweeps: 100,
    restore: back.minVolume,
    scalesRows: true,
  }),
  johnEllipsoid: primitive({
    run: johnEllipsoid,
    check: checkMinVolume,
    sweeps: 100,
    restore: back.john,
    scalesRows: true,
  }),
  quantise: primitive({ run: quantise, check: checkQuantise, sweeps: 3, restore: back.coded }),
  transformCode: primitive({
    run: transformCode,
    check: checkTransformCode,
    needs: needsOfTransformCode,
    sweeps: 10,
    restore: back.coded,
  }),
  trellisCode: primitive({
    run: trellisCode,
    check: checkTrellisCode,
    needs: needsOfTrellisCode,
    sweeps: 10,
    restore: back.coded,
  }),
  robustSubspace: primitive({
    run: robustSubspace,
    check: checkSubspace,
    needs: needsOfEllipsoid,
    sweeps: 100,
    restore: back.subspace,
    scalesRows: true,
  }),
  entrywiseLowRank: primitive({
    run: entrywiseLowRank,
    check: checkEntrywise,
    needs: needsOfEntrywise,
    sweeps: 300,
    restore: back.entrywise,
    scalesRows: true,
  }),
  sensitivities: primitive({ run: sensitivities, check: checkSensitivities, sweeps: 20, scalesRows: true }),
  coreset: primitive({ run: coreset, check: checkCoreset, sweeps: 20, restore: back.coreset, scalesRows: true }),
  levelSetEllipsoid: primitive({
    run: levelSetEllipsoid,
    check: checkLevelSet,
    needs: needsOfEllipsoid,
    sweeps: 1000,
    restore: back.levelSet,
    scalesRows: true,
  }),
};

export type PrimitiveName = keyof typeof primitives;
export type OptionsOf<Name extends PrimitiveName> = Parameters<(typeof primitives)[Name]["run"]>[2];
export type ResultOf<Name extends PrimitiveName> = Awaited<ReturnType<(typeof primitives)[Name]["run"]>>;

/** The table as those see it who were only told a name. */
export const primitiveNamed = (name: string) =>
  (primitives as unknown as Record<string, Primitive<Readonly<Record<string, unknown>>, unknown>>)[name];
