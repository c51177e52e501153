// The sweep that projects and certifies at once: the same certificate as by a sweep of its own, the same factors as without.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Loewner } from "../../src/index.js";
import { matrix } from "./matrices.js";
import { always, createLoewner } from "./threads.js";

let one: Loewner;
let two: Loewner;
beforeAll(async () => {
  one = await createLoewner({ threads: 1, tileRows: 512 });
  two = await createLoewner({ ...always, threads: 2 });
});
afterAll(() => [one, two].forEach((loewner) => loewner.dispose()));

const bytes = (data: Float32Array | Float64Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const options = { p: 1, method: "lewis" } as const;

describe.each([1, 1.5, 3])("p = %d", (p) => {
  const a = matrix("heavy-tailed rows", 3000, 24, { f32: true, seed: 5 });
  const rowWeights = Float64Array.from({ length: 3000 }, (_, i) => (i % 7 ? 1 + (i % 3) : 0));

  test.each([undefined, rowWeights])("against a sweep of its own, row weights %#", async (weights) => {
    const call = { ...options, p, rowWeights: weights };
    // A rank above d / 2 has the products; a sink for left keeps them apart.
    const together = await one.lowRank(a, { ...call, rank: 18 });
    const left = new Float32Array(3000 * 18);
    const apart = await one.lowRank(a, { ...call, rank: 18, left: (start, rows) => left.set(rows, start * 18) });
    const distortion = ({ upper, lower }: { upper: number; lower: number }) => upper / lower;
    const ideal = 24 ** Math.abs(1 / p - 0.5);
    expect(distortion(together.certificate) / ideal).toBeLessThanOrEqual(1.01);
    expect(distortion(apart.certificate) / ideal).toBeLessThanOrEqual(1.01);
    if (together.iterations === apart.iterations) {
      expect(bytes(together.right.data).equals(bytes(apart.right.data))).toBe(true);
      expect(bytes(together.left.data).equals(bytes(left))).toBe(true);
      expect(together.report.objective).toEqual(apart.report.objective);
      expect(together.certificate.upper / apart.certificate.upper).toBeCloseTo(1, 2);
      expect(together.certificate.lower / apart.certificate.lower).toBeCloseTo(1, 2);
    }
  });

  test("the bytes of one thread by two", async () => {
    const [x, y] = await Promise.all([one, two].map((each) => each.lowRank(a, { ...options, p, rank: 20 })));
    expect(bytes(y.left.data).equals(bytes(x.left.data))).toBe(true);
    expect({ ...y, left: 0, seconds: 0 }).toEqual({ ...x, left: 0, seconds: 0 });
  });
});

test.each([0.01, 1e-4])(
  "tolerance %d: calls on an open matrix answer as calls on their own, whatever came before",
  async (tolerance) => {
    const a = matrix("heavy-tailed rows", 16500, 16, { f32: true, seed: 9 });
    const open = one.open(a);
    for (const [p, rank] of [
      [1, 12],
      [1, 3],
      [1, 12],
      [3, 12],
      [1, 14],
      [3, 4],
    ]) {
      const call = { ...options, p, rank, tolerance };
      const held = await one.lowRank(open, call);
      const alone = await one.lowRank(a, call);
      expect({ ...held, seconds: 0 }).toEqual({ ...alone, seconds: 0 });
    }
    open.close();
  },
);

describe("report: false", () => {
  const a = matrix("plain", 900, 12, { f32: true, seed: 2 });

  test.each([
    ["svd", 2, 9],
    ["svd", 1, 4],
    ["lewis", 1, 9],
    ["lewis", 3, 2],
    ["subspace", 1, 3],
    ["entrywise", 1, 2],
  ] as const)("%s, p = %d, rank %i: the factors and the certificate of the full call", async (method, p, rank) => {
    const full = await one.lowRank(a, { method, p, rank });
    const { left, right, certificate, ...rest } = await one.lowRank(a, { method, p, rank, report: false });
    expect(rest).not.toHaveProperty("report");
    expect(bytes(left.data).equals(bytes(full.left.data))).toBe(true);
    expect(bytes(right.data).equals(bytes(full.right.data))).toBe(true);
    expect(certificate.bound / full.certificate.bound).toBeCloseTo(1, 2);
  });

  test("left goes to a sink", async () => {
    const full = await one.lowRank(a, { method: "svd", p: 2, rank: 5 });
    const left = new Float32Array(900 * 5);
    const sink = (start: number, rows: Float32Array | Float64Array) => left.set(rows, start * 5);
    const alone = await one.lowRank(a, { method: "svd", p: 2, rank: 5, report: false, left: sink });
    expect(alone.left.data.length).toBe(0);
    expect(bytes(left).equals(bytes(full.left.data))).toBe(true);
  });

  test("auto compares errors, so it cannot do without", async () => {
    const call = one.lowRank(a, { p: 1, rank: 3, report: false });
    await expect(call).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await expect(call).rejects.toThrow(/"auto" compares the errors of several. Name one, such as "lewis"/);
    // At p = 2 there is one method.
    expect((await one.lowRank(a, { p: 2, rank: 3, report: false })).method).toBe("svd");
  });
});
