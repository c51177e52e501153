// The bytes of every answer are those of one thread.
import { beforeAll, afterAll, expect, test } from "vitest";
import type { Loewner, MatrixLike, RowType } from "../../src/index.js";
import { encodeNumbers } from "../../src/formats/index.js";
import { rowTypeBytes } from "../../src/matrix.js";
import { matrix } from "./matrices.js";
import { always, createLoewner } from "./threads.js";

const threads: Loewner[] = [];
let inline: Loewner;

beforeAll(async () => {
  inline = await createLoewner({ tileRows: 256 });
  for (const options of [{ threads: 2 }, { threads: 3 }, { threads: 3, residentBytes: 0 }]) {
    threads.push(await createLoewner({ ...always, ...options }));
  }
});
afterAll(() => [inline, ...threads].forEach((loewner) => loewner.dispose()));

/** Rows that come late, in a buffer that is used again. */
function source(data: Float64Array, rows: number, cols: number, dtype: RowType): MatrixLike {
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
const bitsOf = (result: unknown) =>
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

const shapes = [
  [2100, 7, "f32"],
  [1536, 6, "f64"],
  [1300, 5, "f16"],
  [400, 5, "bf16"],
  [200, 6, "f32"],
] as const;

const calls: Record<string, (loewner: Loewner, a: MatrixLike, rowWeights: Float64Array | undefined) => unknown> = {
  leverageScores: (loewner, a, rowWeights) => loewner.leverageScores(a, { rowWeights }),
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
  levelSetEllipsoid: (loewner, a, rowWeights) => loewner.levelSetEllipsoid(a, { p: 1, maxIterations: 2, rowWeights }),
  minVolumeEllipsoid: (loewner, a) => loewner.minVolumeEllipsoid(a, { freeCenter: true }),
  johnEllipsoid: (loewner, a) => loewner.johnEllipsoid(a),
  quantise: async (loewner, a, rowWeights) => {
    const { right } = await loewner.lowRank(a, { rank: 3, method: "svd" });
    return [
      await loewner.quantise(a, { bits: 3, rowWeights }),
      await loewner.quantise(a, { bits: 4, right, rowWeights }),
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
    results.push(await loewner.lowRank(a, { rank: 4, p: 2, rowWeights, factorType: "f16" }));
    return results;
  },
};

for (const [name, call] of Object.entries(calls)) {
  // Hundreds of sweeps each.
  const some = name === "levelSetEllipsoid" ? shapes.filter(([rows]) => rows === 400 || rows === 1536) : shapes;
  test.each(some)(`${name}: %i x %i %s`, async (rows, cols, dtype) => {
    const { data } = matrix("heavy-tailed rows", rows, cols, { f32: dtype !== "f64", seed: rows });
    // f16 ends at 65504.
    const scaled = Float64Array.from(data, (x) => (dtype === "f16" ? Math.max(-1e4, Math.min(1e4, x)) : x));
    const a = source(scaled, rows, cols, dtype);
    const weights = dtype === "bf16" ? undefined : Float64Array.from({ length: rows }, (_, i) => (i * 7) % 5);
    const expected = bitsOf(await call(inline, a, weights));
    for (const loewner of threads) expect(bitsOf(await call(loewner, a, weights)) === expected).toBe(true);
  });
}
