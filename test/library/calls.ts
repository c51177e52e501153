// Every call that takes a matrix, and what of its answer must not depend on where it runs.
import type { Loewner, MatrixLike, RowType } from "../../src/index.js";
import { encodeNumbers } from "../../src/formats/index.js";
import { rowTypeBytes } from "../../src/matrix.js";

/** Rows that come late, in a buffer that is used again. */
export function lateSource(data: Float64Array, rows: number, cols: number, dtype: RowType): MatrixLike {
  const all = encodeNumbers(data, dtype);
  const rowBytes = cols * rowTypeBytes[dtype];
  const buffer = new Uint8Array(all.length);
  return {
    ...{ rows, cols, dtype, name: "late" },
    async read(start, count) {
      await new Promise((resolve) => setImmediate(resolve));
      const bytes = all.subarray(start * rowBytes, (start + count) * rowBytes);
      buffer.fill(255);
      buffer.set(bytes);
      return buffer.subarray(0, bytes.length);
    },
  };
}

/** All that is not a duration. */
export const bitsOf = (result: unknown) =>
  JSON.stringify(result, (key, value) =>
    key === "seconds"
      ? undefined
      : ArrayBuffer.isView(value)
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")
        : value === Infinity
          ? "inf"
          : Object.is(value, -0)
            ? "-0"
            : value,
  );

export const calls: Record<string, (loewner: Loewner, a: MatrixLike, rowWeights: Float64Array | undefined) => unknown> =
  {
    leverageScores: (loewner, a, rowWeights) => loewner.leverageScores(a, { rowWeights }),
    gram: (loewner, a, rowWeights) => loewner.gram(a, { rowWeights }),
    singularValues: (loewner, a, rowWeights) => loewner.singularValues(a, { rowWeights }),
    lewisWeights: async (loewner, a, rowWeights) => [
      await loewner.lewisWeights(a, { p: 1, rowWeights }),
      await loewner.lewisWeights(a, { p: Infinity, rowWeights }),
    ],
    sensitivities: (loewner, a, rowWeights) => loewner.sensitivities(a, { p: 1.5, rowWeights }),
    coreset: async (loewner, a, rowWeights) => [
      await loewner.coreset(a, { p: 1, size: 90, seed: 2, rowWeights }),
      await loewner.coreset(a, { p: 3, size: 90, seed: 2, scheme: "mixed", rowWeights }),
    ],
    robustSubspace: (loewner, a, rowWeights) => loewner.robustSubspace(a, { rank: 2, restarts: 1, rowWeights }),
    entrywiseLowRank: async (loewner, a, rowWeights) => [
      await loewner.entrywiseLowRank(a, { rank: 2, p: 1, maxIterations: 6, rowWeights, method: "splitting" }),
      await loewner.entrywiseLowRank(a, { rank: 2, p: 1, maxIterations: 6, rowWeights, method: "reweighting" }),
    ],
    levelSetEllipsoid: (loewner, a, rowWeights) => loewner.levelSetEllipsoid(a, { p: 1, maxIterations: 1, rowWeights }),
    minVolumeEllipsoid: (loewner, a) => loewner.minVolumeEllipsoid(a, { freeCenter: true }),
    johnEllipsoid: (loewner, a) => loewner.johnEllipsoid(a),
    quantise: async (loewner, a, rowWeights) => {
      const { right } = await loewner.lowRank(a, { rank: 3, method: "svd" });
      return [
        await loewner.quantise(a, { bits: 3, rowWeights }),
        await loewner.quantise(a, { bits: 4, right, rowWeights }),
      ];
    },
    transformCode: async (loewner, a, rowWeights) => [
      await loewner.transformCode(a, { bitsPerEntry: 4, rowWeights }),
      await loewner.transformCode(a, { bitsPerEntry: 3, p: 1, rowWeights, scale: "unbiased", exactRows: 2 }),
      await loewner.transformCode(a, { bitsPerEntry: 3, rowWeights, metric: (await loewner.gram(a)).data }),
    ],
    trellisCode: async (loewner, a) => {
      const { data: moments } = await loewner.gram(a);
      return [
        await loewner.trellisCode(a, { bits: 2, moments, damping: 0.1 }),
        await loewner.trellisCode(a, { bits: 3, p: 1, windowBits: 12 }),
      ];
    },
    "lowRank, certify, residual, multiply": async (loewner, a, rowWeights) => {
      const results: unknown[] = [];
      const slow = a.rows === 400 ? (["level-set", "auto"] as const) : [];
      for (const method of ["lewis", "svd", "subspace", "entrywise", ...slow] as const) {
        const result = await loewner.lowRank(a, { rank: 3, p: 1, method, maxWork: 1e12, rowWeights });
        const { left, right } = result;
        const blocks: unknown[] = [];
        await loewner.multiply({ left, right }, (start, rows) => void blocks.push([start, rows.slice()]));
        results.push(result, blocks);
        if (method !== "svd") continue;
        results.push(await loewner.residual(a, { left, right }, { p: 3, rowWeights }));
        results.push(await loewner.certify(a, right, { p: 1, rowWeights }));
      }
      results.push(await loewner.lowRank(a, { rank: 2, method: "clusters", groups: 3, rowWeights }));
      // f16 would end at 65504.
      results.push(await loewner.lowRank(a, { rank: 4, p: 2, rowWeights, factorType: "bf16" }));
      return results;
    },
  };
