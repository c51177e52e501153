// What every method of lowRank promises: the report is of the factors handed out, the bound holds, and auto is never worse than SVD.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type LowRankResult, type Matrix, type Method } from "../../src/index.js";
import { toDense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { apply, bell, matrix, norm, relative, residualOf, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const cases: [Kind, number, number, number, boolean][] = [
  ["heavy-tailed rows", 270, 10, 4, true],
  ["far rows, steep spectrum", 260, 7, 5, false],
  ["rank 2", 60, 7, 1, false],
  ["rank 2", 60, 7, 3, true],
  ["zero and duplicate rows", 50, 5, 2, false],
  ["plain", 6, 20, 3, false],
  ["plain", 1, 5, 1, false],
  ["plain", 30, 1, 1, true],
  ["plain", 20, 6, 6, false],
];
const methods: Method[] = ["level-set", "subspace", "entrywise", "auto"];
const weightsOf = (a: Matrix) => Float64Array.from({ length: a.rows }, (_, i) => Math.floor(3 * uniform(9, i)));

async function check(a: Matrix, result: LowRankResult, p: number, s?: Float64Array): Promise<void> {
  const { left, right, report, certificate } = result;
  const exact = objective(toDense(a), toDense(left), toDense(right), p, s);
  const size = norm(a.data, 1);
  const noise = a.data instanceof Float32Array ? 3e-7 : 1e-13;
  for (const key of ["l1", "l21", "l2"] as const) {
    expect(Math.abs(report.objective[key] - exact[key])).toBeLessThanOrEqual(1e-6 * exact[key] + 3 * noise * size);
  }
  const rest = residualOf(a, left, right);
  const { bound, slack, rounding } = certificate;
  for (let t = 0; t < 60; ++t) {
    // Random directions, and rows of the residual: they point where it is large.
    const x =
      t < 30
        ? Float64Array.from({ length: a.cols }, (_, j) => bell(3, t * a.cols + j))
        : rest.data.slice((t % a.rows) * a.cols, ((t % a.rows) + 1) * a.cols);
    expect(norm(apply(rest, x), p, s)).toBeLessThanOrEqual((bound * (1 + slack) + rounding) * norm(x, 2) * (1 + 1e-9));
  }
}

describe.each(methods)("%s", (method) => {
  test.each(cases)("%s %i x %i, rank %i, f32 %s", async (kind, rows, cols, rank, f32) => {
    const a = matrix(kind, rows, cols, { f32, seed: rows });
    for (const p of [1, 1.5, 2]) {
      for (const rowWeights of [undefined, weightsOf(a)]) {
        const result = await loewner.lowRank(a, { rank, p, method, rowWeights });
        await check(a, result, p, rowWeights);
      }
    }
  });
});

test("auto names SVD among its candidates, the winner first, and is never worse in the objective asked for", async () => {
  const a = matrix("heavy-tailed rows", 500, 14, { seed: 5, f32: true });
  for (const by of ["lp", "l21", "l2", "operator"] as const) {
    const { report, method } = await loewner.lowRank(a, { rank: 5, p: 1, objective: by });
    const score = (c: (typeof report.candidates)[0]) => (by === "operator" ? c.certificate.bound : c.objective[by]);
    expect(report.candidates[0].method).toBe(method);
    expect(report.candidates.map((c) => c.method)).toContain("svd");
    for (const other of report.candidates) expect(score(report.candidates[0])).toBeLessThanOrEqual(score(other));
  }
});

test("maxWork decides what auto tries, and by nothing else", async () => {
  const a = matrix("heavy-tailed rows", 300, 10, { seed: 6 });
  const tried = async (maxWork?: number) =>
    (await loewner.lowRank(a, { rank: 4, p: 1, maxWork })).report.candidates.map((c) => c.method).sort();
  expect(await tried(0)).toEqual(["lewis", "svd"]);
  expect(await tried()).toEqual(["entrywise", "lewis", "subspace", "svd"]);
});

test("each is best at what it is for", async () => {
  const a = matrix("heavy-tailed rows", 800, 16, { seed: 2 });
  const by = async (method: Method) => (await loewner.lowRank(a, { rank: 6, p: 1, method })).report.objective;
  const [svd, lewis, subspace, entrywise] = [
    await by("svd"),
    await by("lewis"),
    await by("subspace"),
    await by("entrywise"),
  ];
  for (const other of [svd, lewis, subspace]) expect(entrywise.l1).toBeLessThanOrEqual(other.l1);
  for (const other of [svd, lewis]) expect(subspace.l21).toBeLessThanOrEqual(other.l21);
  for (const other of [lewis, subspace, entrywise]) expect(svd.l2).toBeLessThanOrEqual(other.l2 * (1 + 1e-12));
});

test("a pair that does not project is certified by its residual", async () => {
  const a = matrix("heavy-tailed rows", 300, 8, { seed: 7 });
  const { left, right, certificate } = await loewner.lowRank(a, { rank: 3, p: 1, method: "entrywise" });
  const again = await loewner.certify(a, right, { left, p: 1 });
  expect(relative(again.bound, certificate.bound)).toBeLessThan(1e-9);
  // What certify says of the projection is another matrix's business.
  const projection = await loewner.certify(a, right, { p: 1 });
  expect(relative(projection.bound, certificate.bound)).toBeGreaterThan(1e-3);
});

test.each(["subspace", "entrywise"] as const)("%s: the same bytes from tiles of 256 and 1024 rows", async (method) => {
  const hashes = [];
  for (const tileRows of [256, 1024]) {
    const one = await createLoewner({ tileRows });
    const a = matrix("heavy-tailed rows", 1300, 10, { f32: true });
    const { left, right } = await one.lowRank(a, { rank: 4, p: 1, method });
    const hash = createHash("sha256");
    for (const { data } of [left, right]) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    hashes.push(hash.digest("hex"));
    one.dispose();
  }
  expect(hashes[1]).toBe(hashes[0]);
});
