import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createLoewner,
  type Loewner,
  type LowRankOptions,
  type Matrix,
  rankForKeep,
  type RowSource,
} from "../../src/index.js";
import { encodeNumbers } from "../../src/formats/index.js";
import { jacobiSvd } from "../../reference/jacobi-svd.js";
import { toDense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { kinds, matrix, relative, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const all = Object.keys(kinds) as Kind[];

function sourceOf(a: Matrix, dtype: "f16" | "bf16" | "f32" | "f64"): RowSource {
  const bytes = encodeNumbers(a.data, dtype);
  const rowBytes = bytes.length / a.rows;
  return {
    rows: a.rows,
    cols: a.cols,
    dtype,
    name: "table",
    read: async (start, count) => bytes.slice(start * rowBytes, (start + count) * rowBytes),
  };
}

const hash = ({ left, right }: { left: Matrix; right: Matrix }) => {
  const bytes = (x: Matrix) => new Uint8Array(x.data.buffer, x.data.byteOffset, x.data.byteLength);
  return createHash("sha256").update(bytes(left)).update(bytes(right)).digest("hex");
};

describe("p = 2 is SVD", () => {
  test.each([
    ["far rows, steep spectrum", 2048, 64, true],
    ["far rows, steep spectrum", 2048, 64, false],
    ["heavy-tailed rows", 1000, 40, true],
    ["plain", 300, 33, false],
  ] as const)("%s %i x %i, f32 %s", async (kind, rows, cols, f32) => {
    const a = matrix(kind, rows, cols, { f32, seed: 5 });
    const { sigma } = jacobiSvd({ data: Float64Array.from(a.data), rows, cols });
    for (const rank of [1, cols >> 2, cols >> 1, (3 * cols) >> 2]) {
      const { report, certificate } = await loewner.lowRank(a, { rank, p: 2 });
      const best = Math.sqrt(sigma.slice(rank).reduce((sum, x) => sum + x * x, 0));
      expect(relative(report.objective.l2, best)).toBeLessThan(1e-6);
      expect(relative(certificate.sigmaNext, sigma[rank])).toBeLessThan(f32 ? 1e-4 : 1e-6);
    }
  });
});

describe("sizes", () => {
  const a = matrix("plain", 60, 12);
  test("keep gives floor(keep n d / (n + d))", async () => {
    expect(rankForKeep(0.72, 50265, 768)).toBe(544);
    for (const keep of [0.2, 0.5, 0.72, 1]) {
      const { rank, left, right } = await loewner.lowRank(a, { keep });
      expect(rank).toBe(Math.floor((keep * 60 * 12) / 72 + 1e-9));
      expect([left.rows, left.cols, right.rows, right.cols]).toEqual([60, rank, rank, 12]);
    }
  });
  test("energy gives the smallest rank that holds it", async () => {
    const sigma = await loewner.singularValues(a);
    const total = sigma.reduce((sum, x) => sum + x * x, 0);
    for (const energy of [0.1, 0.5, 0.9, 1]) {
      const { rank } = await loewner.lowRank(a, { energy });
      const held = (k: number) => sigma.slice(0, k).reduce((sum, x) => sum + x * x, 0) / total;
      expect(held(rank)).toBeGreaterThanOrEqual(energy - 1e-12);
      if (rank > 1) expect(held(rank - 1)).toBeLessThan(energy);
    }
    expect((await loewner.lowRank(matrix("rank 2", 50, 9), { energy: 1 })).rank).toBe(2);
  });
});

describe("invariants", () => {
  test.each(all)("%s: auto is no worse than either, in each objective", async (kind) => {
    for (const f32 of [true, false]) {
      const a = matrix(kind, 270, 7, { f32, seed: 6 });
      for (const objective of ["lp", "l21", "l2", "operator"] as const) {
        const { report, method } = await loewner.lowRank(a, { rank: 3, p: 1, objective });
        const scores = report.candidates.map((c) =>
          objective === "operator" ? c.certificate.bound : c.objective[objective],
        );
        expect(report.candidates.map((c) => c.method)).toEqual(expect.arrayContaining(["lewis", "svd"]));
        expect(report.candidates[0].method).toBe(method);
        expect(scores[0]).toBe(Math.min(...scores));
      }
    }
  });

  test("scaling by a power of two scales left, to the bit", async () => {
    const a = matrix("heavy-tailed rows", 300, 10, { f32: true });
    const b = { ...a, data: a.data.map((x) => x * 8) };
    const [x, y] = [await loewner.lowRank(a, { rank: 4 }), await loewner.lowRank(b, { rank: 4 })];
    expect(Array.from(y.right.data)).toEqual(Array.from(x.right.data));
    expect(Array.from(y.left.data)).toEqual(Array.from(x.left.data, (v) => v * 8));
  });

  test("row order does not matter, integer weights are copies, weight 0 is absence", async () => {
    const a = matrix("heavy-tailed rows", 40, 5);
    const take = (rows: number[]): Matrix => ({
      data: Float64Array.from(rows.flatMap((i) => Array.from(a.data.subarray(5 * i, 5 * i + 5)))),
      rows: rows.length,
      cols: 5,
    });
    const reversed = await loewner.lowRank(take([...Array(40).keys()].reverse()), {
      rank: 2,
      method: "lewis",
      tolerance: 1e-7,
    });
    const plain = await loewner.lowRank(a, { rank: 2, method: "lewis", tolerance: 1e-7 });
    plain.right.data.forEach((x, i) => expect(Math.abs(x - reversed.right.data[i])).toBeLessThan(1e-9));
    const copies = [...Array(40).keys()].flatMap((i) => Array<number>(i % 3).fill(i));
    const rowWeights = Array.from({ length: 40 }, (_, i) => i % 3);
    for (const p of [1, 1.5, 2, 3]) {
      const options: LowRankOptions = { rank: 2, p, tolerance: 1e-7, method: p === 2 ? "svd" : "lewis" };
      const weighted = await loewner.lowRank(a, { ...options, rowWeights });
      const copied = await loewner.lowRank(take(copies), options);
      weighted.right.data.forEach((x, i) => expect(Math.abs(x - copied.right.data[i])).toBeLessThan(1e-6));
      for (const key of ["lp", "l1", "l21", "l2"] as const)
        expect(relative(weighted.report.objective[key], copied.report.objective[key])).toBeLessThan(1e-6);
    }
  });

  test.each(all)("%s: right is orthonormal, its largest entries positive, left is A right'", async (kind) => {
    const a = matrix(kind, 270, 9, { seed: 12 });
    const { left, right, rank } = await loewner.lowRank(a, { rank: 4, method: "lewis" });
    for (let i = 0; i < rank; ++i) {
      const row = Array.from(right.data.subarray(9 * i, 9 * i + 9));
      for (let k = 0; k < rank; ++k) {
        const dot = row.reduce((sum, x, j) => sum + x * right.data[9 * k + j], 0);
        expect(Math.abs(dot - (i === k ? 1 : 0))).toBeLessThan(1e-13);
      }
      expect(Math.max(...row)).toBe(Math.max(...row.map(Math.abs)));
      for (let r = 0; r < 270; r += 31) {
        const product = row.reduce((sum, x, j) => sum + x * a.data[9 * r + j], 0);
        expect(Math.abs(left.data[r * rank + i] - product)).toBeLessThan(
          1e-12 * (1 + Math.max(...a.data.map(Math.abs))),
        );
      }
    }
  });

  test("extreme entries: columns from 1e-38 to 1e38 in f32, 1e-200 to 1e200 in f64", async () => {
    for (const [f32, range] of [
      [true, 37],
      [false, 200],
    ] as const) {
      const a = matrix("plain", 50, 4, { f32 });
      for (let i = 0; i < a.data.length; ++i) a.data[i] *= 10 ** [-range, -3, 3, range][i % 4];
      const { scores, rank } = await loewner.leverageScores(a);
      expect(rank).toBe(4);
      const reference = await loewner.leverageScores(matrix("plain", 50, 4, { f32 }));
      scores.forEach((x, i) => expect(Math.abs(x - reference.scores[i])).toBeLessThan(f32 ? 1e-5 : 1e-9));
      const { report, left, right } = await loewner.lowRank(a, { rank: 2 });
      expect([...left.data, ...right.data, report.objective.l1].every(Number.isFinite)).toBe(true);
    }
  });
});

describe("the same bytes", () => {
  test("from tiles of 256, 512 and 4096 rows, from memory and from a source, twice", async () => {
    const a = matrix("heavy-tailed rows", 1500, 14, { f32: true, seed: 2 });
    const hashes = new Set<string>();
    for (const tileRows of [256, 512, 4096]) {
      const instance = await createLoewner({ tileRows });
      for (const input of [a, sourceOf(a, "f32")]) {
        for (const p of [1, 2]) hashes.add(`${p} ${hash(await instance.lowRank(input, { rank: 5, p }))}`);
      }
      instance.dispose();
    }
    expect(hashes.size).toBe(2);
  });

  test.each(["f16", "bf16"] as const)("%s rows are widened, and factors rounded to what %s holds", async (dtype) => {
    const a = matrix("heavy-tailed rows", 300, 11, { f32: true });
    const source = sourceOf(a, dtype);
    const { left, right, report } = await loewner.lowRank(source, { rank: 5 });
    const widened = { ...a, data: new Float32Array(a.data.length) };
    await loewner.multiply(
      {
        left: source,
        right: { data: Float32Array.from({ length: 121 }, (_, i) => (i % 12 ? 0 : 1)), rows: 11, cols: 11 },
      },
      (start, rows) => widened.data.set(rows, start * 11),
    );
    for (const { data } of [left, right]) {
      const bytes = encodeNumbers(data, dtype);
      const round = sourceOf({ data, rows: 1, cols: data.length }, dtype);
      expect(await round.read(0, 1)).toEqual(bytes);
    }
    const again = await loewner.residual(widened, { left, right });
    expect(relative(again.l1, report.objective.l1)).toBeLessThan(1e-5);
  });
});

test("the worst row is the lowest of equals, within a block and across blocks", async () => {
  const a = matrix("plain", 600, 6, { seed: 12 });
  for (const row of [20, 90, 300]) a.data.set([50, -40, 30, 20, -10, 60], row * 6);
  const zero = (rows: number, cols: number) => ({ data: new Float64Array(rows * cols), rows, cols });
  const { worstRow } = await loewner.residual(a, { left: zero(600, 1), right: zero(1, 6) });
  expect(worstRow.row).toBe(20);
});

test("f32: rows ten million times larger than the rest are done in f64, and the report is of what is stored", async () => {
  const a = matrix("plain", 700, 12, { seed: 31, f32: true });
  for (let i = 7; i < 700; i += 50) for (let j = 0; j < 12; ++j) a.data[i * 12 + j] = 1e7 * ((i % 11) + 1) * (j % 5);
  const { left, right, report } = await loewner.lowRank(a, { rank: 4, p: 1, method: "svd" });
  const exact = objective(toDense(a), toDense(left), toDense(right), 1);
  expect(relative(report.objective.l1, exact.l1)).toBeLessThan(1e-6);
  // What f32 factors can do: every stored number is within half a unit in the last place of A V.
  const size = 1e7 * 11 * Math.sqrt(12 * 6);
  expect(report.objective.worstRow.norm).toBeLessThan(4 * 2 ** -24 * size);
});

test("rank rule: directions a million times smaller count, those a billion times smaller do not", async () => {
  const rank = async (size: number) => {
    const a = matrix("plain", 300, 4, { seed: 8 });
    // Column 2 leaves column 1 by `size`; column 3 is a copy of column 0, so that Cholesky gives up.
    for (let i = 0; i < 300; ++i) {
      a.data[4 * i + 2] = a.data[4 * i + 1] + size * a.data[4 * i + 2];
      a.data[4 * i + 3] = a.data[4 * i];
    }
    return (await loewner.leverageScores(a)).rank;
  };
  expect([await rank(1), await rank(1e-6), await rank(1e-9)]).toEqual([3, 3, 2]);
});
