import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type LowRankResult } from "../../src/index.js";
import { spreadRows } from "../../src/geometry/subspace/row-groups.js";
import { toRowSource } from "../../src/matrix.js";
import { bell } from "./matrices.js";
import { strays, unionOfSubspaces } from "./unions.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

/** The left factor with each row's numbers in the columns of its group. */
const spread = ({ left, groups }: LowRankResult, count: number) => spreadRows(toRowSource(left), groups!, count);

describe("rows that lie in several subspaces", () => {
  test.each([
    { groups: 2, rank: 3, rows: 400, cols: 20, far: 20 },
    { groups: 3, rank: 4, rows: 900, cols: 30, far: 20 },
    { groups: 3, rank: 5, rows: 4500, cols: 24, far: 20 },
    { groups: 8, rank: 4, rows: 1600, cols: 40, far: Infinity },
  ])("$groups of $rank dimensions, every $far-th row far off: each row is with its own kind", async (shape) => {
    const { groups, rank, rows, cols } = shape;
    const { a, truth } = unionOfSubspaces(rows, cols, shape);
    const result = await loewner.lowRank(a, { rank, method: "clusters", groups });
    expect(result.method).toBe("clusters");
    expect(result.converged).toBe(true);
    expect(result.groups).toHaveLength(rows);
    expect(strays(truth, result.groups!, groups)).toBe(0);
    expect(result.left).toMatchObject({ rows, cols: rank });
    expect(result.right).toMatchObject({ rows: groups * rank, cols });
    const one = await loewner.lowRank(a, { rank, method: "subspace" });
    expect(result.report.objective.l21).toBeLessThan(0.7 * one.report.objective.l21);
  });

  test("a subspace's far rows do not turn it: the error of all others is near their noise", async () => {
    const shape = { groups: 3, rank: 4, far: 20 };
    const { a, truth } = unionOfSubspaces(900, 30, shape);
    const { left, right, groups } = await loewner.lowRank(a, { rank: 4, method: "clusters", groups: 3 });
    let squares = 0;
    let count = 0;
    for (let i = 0; i < 900; ++i) {
      if (truth[i] < 0) continue;
      for (let j = 0; j < 30; ++j) {
        let x = a.data[i * 30 + j];
        for (let t = 0; t < 4; ++t) x -= left.data[i * 4 + t] * right.data[(groups![i] * 4 + t) * 30 + j];
        squares += x * x;
        ++count;
      }
    }
    expect(Math.sqrt(squares / count)).toBeLessThan(0.05);
  });
});

describe("what is told of it", () => {
  const { a } = unionOfSubspaces(700, 24, { groups: 3, rank: 3, far: 30, noise: 0.3 });
  const options = { rank: 3, method: "clusters", groups: 3 } as const;

  test("the error is that of the factors handed out, and the bound that of their residual", async () => {
    for (const p of [0.7, 1, 1.5, 2]) {
      const result = await loewner.lowRank(a, { ...options, p });
      const left = spread(result, 3);
      const objective = await loewner.residual(a, { left, right: result.right }, { p });
      for (const key of ["lp", "l1", "l21", "l2"] as const)
        expect(result.report.objective[key] / objective[key]).toBeCloseTo(1, 6);
      expect(result.report.objective.worstRow.row).toBe(objective.worstRow.row);
      const certificate = await loewner.certify(a, result.right, { left, p });
      expect(result.certificate.bound / certificate.bound).toBeCloseTo(1, 9);
    }
  });

  test("the bound holds of random vectors", async () => {
    const { left, right, groups, certificate } = await loewner.lowRank(a, options);
    for (let trial = 0; trial < 20; ++trial) {
      const x = Float64Array.from({ length: 24 }, (_, j) => bell(40 + trial, j));
      const size = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
      let sum = 0;
      for (let i = 0; i < 700; ++i) {
        let y = 0;
        for (let j = 0; j < 24; ++j) {
          let r = a.data[i * 24 + j];
          for (let t = 0; t < 3; ++t) r -= left.data[i * 3 + t] * right.data[(groups![i] * 3 + t) * 24 + j];
          y += r * x[j];
        }
        sum += Math.abs(y);
      }
      const { bound, slack, rounding } = certificate;
      expect(sum).toBeLessThanOrEqual((bound * (1 + slack) + rounding) * size);
    }
  });

  test("rows of each right factor are orthonormal, and the largest entry of each is positive", async () => {
    const { right } = await loewner.lowRank(a, options);
    const rowOf = (k: number) => Float64Array.from(right.data.subarray(k * 24, (k + 1) * 24));
    for (let g = 0; g < 3; ++g)
      for (let s = 0; s < 3; ++s) {
        const row = rowOf(g * 3 + s);
        expect(Math.max(...row)).toBe(Math.max(...row.map(Math.abs)));
        for (let t = 0; t < 3; ++t) {
          const other = rowOf(g * 3 + t);
          const product = row.reduce((sum, x, j) => sum + x * other[j], 0);
          expect(product).toBeCloseTo(s === t ? 1 : 0, 5);
        }
      }
  });

  test("one group is the robust subspace, to the last bit", async () => {
    for (const rowWeights of [undefined, Float64Array.from({ length: 700 }, (_, i) => i % 4)]) {
      const one = await loewner.lowRank(a, { rank: 5, method: "clusters", groups: 1, rowWeights });
      const subspace = await loewner.lowRank(a, { rank: 5, method: "subspace", rowWeights });
      const plain = ({ seconds: _, ...rest }: LowRankResult) => rest;
      expect(plain(one)).toEqual(plain(subspace));
    }
  });

  test("a row that counts for nothing does not move the others", async () => {
    const rowWeights = Float64Array.from({ length: 700 }, (_, i) => (i % 30 === 29 ? 0 : 1));
    const near = await loewner.lowRank(a, { ...options, rowWeights });
    const { data } = a;
    const moved = data.map((x, at) => (Math.floor(at / 24) % 30 === 29 ? x * 3 : x));
    const other = await loewner.lowRank({ ...a, data: moved }, { ...options, rowWeights });
    expect(other.report.objective.l21 / near.report.objective.l21).toBeCloseTo(1, 3);
  });

  test("without a report, into a sink and in halves: the same groups and factors", async () => {
    const whole = await loewner.lowRank(a, options);
    const parts = new Float32Array(700 * 3);
    const sunk = await loewner.lowRank(a, {
      ...options,
      report: false,
      left: (start, rows) => parts.set(rows, start * 3),
    });
    expect(sunk.groups).toEqual(whole.groups);
    expect(sunk.right).toEqual(whole.right);
    expect(parts).toEqual(whole.left.data);
    const halves = await loewner.lowRank(a, { ...options, factorType: "f16" });
    expect(halves.groups).toEqual(whole.groups);
    expect(halves.report.objective.l21 / whole.report.objective.l21).toBeCloseTo(1, 3);
  });

  test("the scale of A changes nothing else", async () => {
    const data = Float64Array.from(a.data);
    const near = await loewner.lowRank({ data, rows: 700, cols: 24 }, options);
    const far = await loewner.lowRank({ data: data.map((x) => x * 2 ** -700), rows: 700, cols: 24 }, options);
    expect(far.groups).toEqual(near.groups);
    expect(far.report.objective.l21 / 2 ** -700 / near.report.objective.l21).toBeCloseTo(1, 9);
  });

  test("keep counts the right factors of all groups", async () => {
    const { rank } = await loewner.lowRank(a, { keep: 0.5, method: "clusters", groups: 4 });
    expect(rank).toBe(Math.floor((0.5 * 700 * 24) / (700 + 4 * 24)));
  });
});

describe("matrices that have less than is asked for", () => {
  test.each([
    ["rows of zeros alone", new Float32Array(40 * 6)],
    ["one row many times", Float32Array.from({ length: 240 }, (_, at) => 1 + (at % 6))],
    ["two rows that are not zero", Float32Array.from({ length: 240 }, (_, at) => (at < 12 ? 1 + at : 0))],
  ])("%s", async (_, data) => {
    const { report, groups, left } = await loewner.lowRank(
      { data, rows: 40, cols: 6 },
      { rank: 2, method: "clusters", groups: 3 },
    );
    expect(groups).toHaveLength(40);
    expect(left.data.every(Number.isFinite)).toBe(true);
    expect(report.objective.l21).toBeLessThan(1e-3);
  });
});

describe("bad input", () => {
  const a = { data: new Float32Array(60).fill(1), rows: 10, cols: 6 };
  test.each([
    [{ rank: 2, method: "clusters", groups: 0 }, "groups must be a whole number from 1 to 10, the rows of A; got 0."],
    [{ rank: 2, method: "clusters", groups: 11 }, "groups must be a whole number from 1 to 10, the rows of A; got 11."],
    [
      { rank: 2, method: "clusters", groups: 2.5 },
      "groups must be a whole number from 1 to 10, the rows of A; got 2.5.",
    ],
    [
      { rank: 2, method: "lewis", groups: 2 },
      'groups is for method "clusters"; the method is "lewis". Name that one, or leave groups out.',
    ],
    [
      { rank: 2, groups: 2 },
      'groups is for method "clusters"; the method is "auto". Name that one, or leave groups out.',
    ],
    [{ rank: 7, method: "clusters" }, "rank"],
    [{ keep: 0.3, method: "clusters", groups: 5 }, "in 5 groups; rank 1 takes"],
    [{ rank: 2, method: "clusters", p: 3 }, 'method "clusters" does not take p = 3'],
  ] as const)("%o", async (options, message) => {
    await expect(loewner.lowRank(a, options)).rejects.toThrow(message);
  });
});
