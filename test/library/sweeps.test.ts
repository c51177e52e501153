// How often each primitive goes over the rows of A, and with which operations: that is what a call costs, so none more goes unseen.
import { afterAll, beforeAll, expect, test } from "vitest";
import { InlineEngine } from "../../src/engine/inline.js";
import { MatrixCache, type Cache } from "../../src/geometry/matrix-cache.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { toRowSource } from "../../src/matrix.js";
import { runPrimitive } from "../../src/schedule/far-scales.js";
import type { OptionsOf, PrimitiveName } from "../../src/schedule/primitives/index.js";
import { matrix } from "./matrices.js";

let engine: InlineEngine;
/** Names of the operations of the call under way, in order. */
let sweeps: string[] = [];
beforeAll(async () => {
  engine = await InlineEngine.create(await inlinedKernel());
  const sweep = engine.sweep.bind(engine);
  engine.sweep = (rows, given, hooks) => {
    sweeps.push(rows.source === a ? given.op : `${given.op} of other rows`);
    return sweep(rows, given, hooks);
  };
});
afterAll(() => engine.dispose());

const a = toRowSource(matrix("heavy-tailed rows", 600, 12, { f32: true, seed: 2 }));
const right = matrix("plain", 3, 12);
right.data.fill(0).set([1], 0);
right.data.set([1], 13);
right.data.set([1], 26);
const left = matrix("plain", 600, 3, { seed: 5 });
const gram = Float64Array.from({ length: 144 }, (_, i) => Number(i % 13 === 0));

/** How often each operation ran. */
async function sweepsOf<Name extends PrimitiveName>(name: Name, options: OptionsOf<Name>, cache?: Cache) {
  sweeps = [];
  await runPrimitive(name, { engine, source: a, options: { ...options }, hooks: {}, cache });
  const counts: Record<string, number> = {};
  for (const op of sweeps) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

type Case = { [Name in PrimitiveName]: [string, Name, OptionsOf<Name>, Record<string, number>] }[PrimitiveName];
const cases: Case[] = [
  ["leverage scores", "leverageScores", {}, { profile: 1, gram: 1, leverage: 1 }],
  ["Lewis weights, p = 1", "lewisWeights", { p: 1 }, { profile: 1, lewisStart: 1, lewisStep: 12, gram: 1 }],
  ["Lewis weights, p = 3", "lewisWeights", { p: 3 }, { profile: 1, lewisStart: 1, gram: 1, lewisStep: 10 }],
  ["Lewis weights, p = Infinity", "lewisWeights", { p: Infinity }, { profile: 1, gram: 1, leverage: 2 }],
  ["low rank, p = 2", "lowRank", { rank: 3, p: 2 }, { gram: 1, project: 1 }],
  ["low rank, p = 2, without a report", "lowRank", { rank: 3, p: 2, report: false }, { gram: 1, project: 1 }],
  [
    "low rank, p = 1, Lewis",
    "lowRank",
    { rank: 3, p: 1, method: "lewis" },
    { profile: 1, lewisStart: 1, lewisStep: 11, project: 1 },
  ],
  [
    "low rank, p = 1, Lewis, without a report",
    "lowRank",
    { rank: 3, p: 1, method: "lewis", report: false },
    { profile: 1, lewisStart: 1, lewisStep: 11, project: 1 },
  ],
  [
    "low rank, p = 1, SVD",
    "lowRank",
    { rank: 3, p: 1, method: "svd" },
    { gram: 1, lewisStart: 1, lewisStep: 11, project: 1 },
  ],
  [
    "low rank, p = 1, the best of all methods",
    "lowRank",
    { rank: 3, p: 1, method: "auto" },
    {
      gram: 1,
      lewisStart: 1,
      lewisStep: 11,
      project: 5,
      "residual of other rows": 2,
      entrywiseReweight: 200,
      "multiply of other rows": 1,
      "profile of other rows": 2,
      "lewisStart of other rows": 1,
      "lewisStep of other rows": 7,
      subspace: 16,
    },
  ],
  ["singular values", "singularValues", {}, { gram: 2 }],
  ["residual, p = 1", "residual", { left, right, p: 1 }, { profile: 1, "residual of other rows": 1 }],
  ["certificate of a right factor, p = 2", "certify", { right, p: 2 }, { profile: 1, gram: 1 }],
  ["certificate of a right factor, p = 1", "certify", { right, p: 1 }, { profile: 1, lewisStart: 1, lewisStep: 11 }],
  [
    "certificate of a pair, p = 1",
    "certify",
    { right, left, p: 1 },
    {
      profile: 1,
      "multiply of other rows": 1,
      "profile of other rows": 2,
      "lewisStart of other rows": 1,
      "lewisStep of other rows": 11,
    },
  ],
  ["multiply", "multiply", { right: matrix("plain", 12, 4), sink: () => undefined }, { multiply: 1 }],
  ["smallest ellipsoid", "minVolumeEllipsoid", { tolerance: 0.1 }, { profile: 1, gram: 1, leverage: 2 }],
  ["John ellipsoid", "johnEllipsoid", { tolerance: 0.1 }, { profile: 1, gram: 1, leverage: 2 }],
  ["codes of A, 3 bits", "quantise", { bits: 3 }, { profile: 1, quantise: 1 }],
  [
    "codes of a pair, 4 bits",
    "quantise",
    { bits: 4, right },
    { profile: 1, "profile of other rows": 1, "quantise of other rows": 1, quantise: 1 },
  ],
  [
    "transform codes",
    "transformCode",
    { bitsPerEntry: 2 },
    { scatter: 3, transform: 3, "profile of other rows": 3, "quantise of other rows": 3 },
  ],
  ["trellis codes", "trellisCode", { bits: 3 }, { profile: 1, lengths: 1, "trellis of other rows": 1 }],
  [
    "trellis codes by moments",
    "trellisCode",
    { bits: 3, moments: gram },
    { profile: 1, lengths: 1, gram: 1, "trellis of other rows": 1 },
  ],
  ["robust subspace", "robustSubspace", { rank: 3, restarts: 1 }, { gram: 1, subspace: 35 }],
  [
    "entrywise, by reweighting",
    "entrywiseLowRank",
    { rank: 2, p: 1, maxIterations: 4, method: "reweighting" },
    {
      profile: 1,
      "residual of other rows": 51,
      gram: 1,
      lewisStart: 1,
      lewisStep: 6,
      project: 100,
      entrywiseReweight: 200,
    },
  ],
  [
    "entrywise, by splitting",
    "entrywiseLowRank",
    { rank: 2, p: 1, maxIterations: 4, method: "splitting" },
    {
      profile: 1,
      "residual of other rows": 1,
      gram: 1,
      lewisStart: 1,
      lewisStep: 6,
      project: 4,
      entrywiseSplit: 12,
      entrywiseRefit: 3,
    },
  ],
  [
    "sensitivities, p = 1",
    "sensitivities",
    { p: 1 },
    { profile: 2, lewisStart: 1, lewisStep: 12, gram: 2, lewisScale: 1, sensitivity: 1 },
  ],
  [
    "coreset, p = 1",
    "coreset",
    { p: 1, size: 90 },
    {
      profile: 2,
      lewisScale: 2,
      lewisStart: 1,
      lewisStep: 6,
      gram: 2,
      sensitivity: 1,
      "profile of other rows": 1,
      "lewisStart of other rows": 1,
      "lewisStep of other rows": 6,
      "gram of other rows": 3,
      "lewisScale of other rows": 1,
      "sensitivity of other rows": 1,
      norms: 10,
      "norms of other rows": 10,
    },
  ],
  [
    "level-set ellipsoid, p = 1",
    "levelSetEllipsoid",
    { p: 1, maxIterations: 1 },
    {
      profile: 1,
      lewisStart: 1,
      lewisStep: 11,
      levelSetSlopes: 144,
      levelSetGram: 20,
      levelSetTrials: 20,
      multiply: 2,
      levelSetBreaks: 114,
    },
  ],
];

test.each(cases)("%s", async (_, name, options, expected) => {
  expect(await sweepsOf(name, options)).toEqual(expected);
});

test("an open matrix: scales, spectrum and ellipsoid once, then what depends on the rank alone", async () => {
  const cache = new MatrixCache();
  const counts = [];
  for (const rank of [3, 5, 2]) counts.push(await sweepsOf("lowRank", { rank, p: 1, method: "lewis" }, cache));
  expect(counts).toEqual([{ profile: 1, lewisStart: 1, lewisStep: 11, project: 1 }, { project: 1 }, { project: 1 }]);
});
