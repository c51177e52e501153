// Every primitive, by name.
import { john, levelSet, minVolume } from "./checks-ellipsoids.js";
import {
  certify,
  entrywise,
  lowRank,
  quantise,
  residual,
  singularValues,
  subspace,
  transformCode,
  trellisCode,
} from "./checks-factors.js";
import { coreset, leverage, lewis, sensitivities } from "./checks-weights.js";
import type { Check } from "./situation.js";

/** The p that a check is about: others are not tried. */
const every = [1, 1.25, 1.5, 2, 3, Infinity];
const finite = [1, 1.25, 1.5, 2, 3];

export const checks: Record<string, { check: Check; ps: readonly number[]; weighted: boolean }> = {
  leverageScores: { check: leverage, ps: [2], weighted: true },
  singularValues: { check: singularValues, ps: [2], weighted: true },
  lewisWeights: { check: lewis, ps: every, weighted: true },
  sensitivities: { check: sensitivities, ps: finite, weighted: true },
  coreset: { check: coreset, ps: finite, weighted: true },
  levelSetEllipsoid: { check: levelSet, ps: every, weighted: true },
  "minVolumeEllipsoid, centred": { check: minVolume(false), ps: [2], weighted: false },
  "minVolumeEllipsoid, free": { check: minVolume(true), ps: [2], weighted: false },
  johnEllipsoid: { check: john, ps: [Infinity], weighted: false },
  robustSubspace: { check: subspace, ps: [1, 1.25, 1.5, 2], weighted: true },
  "entrywiseLowRank, reweighting": { check: entrywise("reweighting"), ps: finite, weighted: true },
  "entrywiseLowRank, splitting": { check: entrywise("splitting"), ps: finite, weighted: true },
  "lowRank, lewis": { check: lowRank("lewis"), ps: every, weighted: true },
  "lowRank, svd": { check: lowRank("svd"), ps: every, weighted: true },
  "lowRank, level-set": { check: lowRank("level-set"), ps: every, weighted: true },
  "lowRank, subspace": { check: lowRank("subspace"), ps: [1, 1.5, 2], weighted: true },
  "lowRank, entrywise": { check: lowRank("entrywise"), ps: finite, weighted: true },
  "lowRank, auto lp": { check: lowRank("auto", "lp"), ps: every, weighted: true },
  "lowRank, auto l21": { check: lowRank("auto", "l21"), ps: every, weighted: true },
  "lowRank, auto l2": { check: lowRank("auto", "l2"), ps: every, weighted: true },
  "lowRank, auto operator": { check: lowRank("auto", "operator"), ps: every, weighted: true },
  "certify, lewis": { check: certify("lewis", false), ps: every, weighted: true },
  "certify, level-set": { check: certify("level-set", false), ps: every, weighted: true },
  "certify, pair": { check: certify("lewis", true), ps: every, weighted: true },
  "residual and multiply": { check: residual, ps: every, weighted: true },
  "quantise, A": { check: quantise(4, false), ps: [1, 2, Infinity], weighted: true },
  trellisCode: { check: trellisCode(false), ps: finite, weighted: false },
  "trellisCode, moments": { check: trellisCode(true), ps: [2], weighted: false },
  transformCode: { check: transformCode(false), ps: finite, weighted: true },
  "transformCode, under a metric": { check: transformCode(true), ps: [1, 2], weighted: true },
  "quantise, pair": { check: quantise(3, true), ps: [1, 2, Infinity], weighted: true },
};
