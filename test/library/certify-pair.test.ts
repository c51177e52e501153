// certify on pairs as they are stored: by the residual and by the projection, for left factors that are off and right ones of any kind.
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { failure } from "../formats/fixtures.js";
import { apply, bell, matrix, norm, residualOf, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

const ps = fc.constantFrom(0.5, 1, 1.5, 2, 3, Infinity);
const kinds = fc.constantFrom<Kind>("plain", "heavy-tailed rows", "rank 2", "zero and duplicate rows");

const cases = fc.record({
  kind: kinds,
  rows: fc.integer({ min: 2, max: 600 }),
  cols: fc.integer({ min: 2, max: 14 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  p: ps,
  f32: fc.boolean(),
  /** What is done to right. */
  change: fc.constantFrom("none", "times 3", "random", "two equal rows", "zeros"),
  /** left is off by so much. */
  off: fc.constantFrom(0, 1e-4, 0.1, 10),
  weigh: fc.constantFrom(undefined, 0.01, 5),
  seed: fc.integer({ min: 0, max: 1000 }),
});

test(
  "no x makes |(A - left right) x|_p larger than is certified, whatever the pair",
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ kind, rows, cols, share, p, f32, change, off, weigh, seed }) => {
        const a = matrix(kind, rows, cols, { seed, f32 });
        const rank = 1 + Math.floor(share * (Math.min(rows, cols) - 1));
        const rowWeights =
          weigh && Float64Array.from({ length: rows }, (_, i) => (i % 7 === 6 ? 0 : weigh * uniform(seed, i)));
        const { left, right } = await loewner.lowRank(a, { rank, p, rowWeights, method: "svd" });
        right.data.forEach((x, i) => {
          if (change === "times 3") right.data[i] = 3 * x;
          if (change === "random") right.data[i] = bell(seed + 3, i);
          if (change === "two equal rows") right.data[i] = right.data[i % cols];
          if (change === "zeros") right.data[i] = 0;
        });
        left.data.forEach((x, i) => (left.data[i] = x + off * bell(seed + 4, i)));
        const rest = residualOf(a, left, right);
        for (const by of ["projection", "residual"] as const) {
          const { bound, slack, rounding } = await loewner.certify(a, right, { left, by, p, rowWeights });
          for (let k = 0; k < 24; ++k) {
            const x =
              k < 8 && k < rows
                ? Float64Array.from(rest.data.subarray(k * cols, (k + 1) * cols))
                : Float64Array.from({ length: cols }, (_, j) => bell(seed + k, j));
            expect(norm(apply(rest, x), p, rowWeights)).toBeLessThanOrEqual(
              (bound * (1 + slack) + rounding) * norm(x, 2) * (1 + 1e-12),
            );
          }
        }
      }),
      { numRuns: 120, seed: 20263 },
    );
  },
);

test("factors that project, rounded to any type, are certified by what factorType allows", async () => {
  for (const factorType of ["f64", "f32", "f16", "bf16"] as const) {
    for (const p of [0.5, 1, 1.5, 2, 3, Infinity]) {
      for (const kind of ["plain", "far rows, steep spectrum", "zero and duplicate rows"] as const) {
        const a = matrix(kind, 700, 16, { seed: 4, f32: factorType !== "f64" });
        const { left, right } = await loewner.lowRank(a, { rank: 9, p, method: "lewis", factorType });
        const total = ({ bound, slack, rounding }: Awaited<ReturnType<Loewner["certify"]>>) =>
          bound * (1 + slack) + rounding;
        const allowed = total(await loewner.certify(a, right, { p, factorType }));
        const measured = total(await loewner.certify(a, right, { p, left, by: "projection" }));
        expect(measured).toBeLessThanOrEqual(allowed * 1.001);
        // It is not so of a left that is another.
        left.data.forEach((x, i) => (left.data[i] = -3 * x));
        expect(total(await loewner.certify(a, right, { p, left, by: "projection" }))).toBeGreaterThan(1.5 * allowed);
      }
    }
  }
});

test("options that are none are refused", async () => {
  const a = matrix("plain", 20, 4);
  const { left, right } = await loewner.lowRank(a, { rank: 2 });
  const by = "sums" as "residual";
  expect((await failure(loewner.certify(a, right, { left, by }), "INVALID_INPUT")).message).toMatch(
    /^by must be one of "residual", "projection"; got "sums"/,
  );
  const factorType = "int8" as "f16";
  expect((await failure(loewner.certify(a, right, { factorType }), "INVALID_INPUT")).message).toMatch(
    /^factorType must be one of/,
  );
});
