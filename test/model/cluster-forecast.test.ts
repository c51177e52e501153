// Clusters of rows among what `auto` tries: where a cheap look at some rows says that they lie in several subspaces, and nowhere else.
import { beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { toRowSource } from "../../src/matrix.js";
import { clusterTails } from "../../src/model/cluster-forecast.js";
import { compressModel, safetensorsModel, verifyLayers } from "../../src/model/index.js";
import { bell } from "../library/matrices.js";
import { unionOfSubspaces } from "../library/unions.js";
import { mainFile, openBytes, safetensorsBytes } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  return () => loewner.dispose();
});

const union = unionOfSubspaces(1400, 64, { groups: 4, rank: 8, noise: 0.3 });

test("what clusters lose is foretold from a sample, to four tenths", async () => {
  const tails = await clusterTails(loewner, toRowSource(union.a), undefined, {});
  expect(tails.map(({ groups }) => groups).slice(0, 2)).toEqual([2, 4]);
  const total = union.a.data.reduce((sum, x) => sum + x * x, 0);
  for (const { groups, tails: each } of tails.slice(0, 2)) {
    const rank = 8;
    const { report } = await loewner.lowRank(union.a, { rank, groups, method: "clusters", p: 2 });
    const squares = report.objective.l2 ** 2 / total;
    expect(each[rank] / squares).toBeGreaterThan(0.7);
    expect(each[rank] / squares).toBeLessThan(1.4);
    expect(each[0]).toBeCloseTo(1, 9);
  }
});

test("rows that lie in one subspace, anywhere, or at zero are no clusters", async () => {
  const made = (entry: (i: number, j: number) => number) => ({
    data: Float32Array.from({ length: 1400 * 64 }, (_, at) => entry(Math.floor(at / 64), at % 64)),
    rows: 1400,
    cols: 64,
  });
  const one = unionOfSubspaces(1400, 64, { groups: 1, rank: 8 });
  const scaled = made((i, j) => bell(1, 64 * i + j) / (1 + j / 8));
  const zeros = made(() => 0);
  const small = unionOfSubspaces(100, 64, { groups: 4, rank: 8 });
  const few = unionOfSubspaces(1400, 16, { groups: 4, rank: 2 });
  for (const a of [one.a, scaled, zeros, small.a, few.a])
    expect(await clusterTails(loewner, toRowSource(a), undefined, {})).toEqual([]);
});

test("auto stores a table in clusters where these err least, and not where they do not", async () => {
  const name = "word_embeddings.weight";
  const plain = Float32Array.from({ length: 1400 * 64 }, (_, at) => bell(1, at) / (1 + (at % 64) / 8));
  for (const [data, isClustered] of [
    [union.a.data, true],
    [plain, false],
  ] as const) {
    const bytes = await safetensorsBytes([{ name, rows: 1400, cols: 64, data }]);
    const whole = safetensorsModel(await openBytes(bytes));
    const options = { layers: ["all"], keep: 0.06, type: "auto" } as const;
    const { layers, files } = await compressModel(loewner, whole, options);
    expect(layers[0].method === "clusters").toBe(isClustered);
    expect(layers[0].bytesAfter).toBeLessThanOrEqual(0.06 * layers[0].bytesBefore);
    if (!isClustered) continue;
    const small = safetensorsModel(await openBytes(await mainFile(files)));
    expect((await verifyLayers(loewner, whole, small)).ok).toBe(true);
  }
});
