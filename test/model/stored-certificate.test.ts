// What is proved of layers in few bits, also of those whose residual is kept out of memory.
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { readRows, toRowSource } from "../../src/matrix.js";
import { identity, storedCertificate } from "../../src/model/stored-certificate.js";
import { factorsOf } from "../../src/model/kinds/index.js";
import { apply, bell, matrix, norm, residualOf, uniform, type Kind } from "../library/matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const cases = fc.record({
  kind: fc.constantFrom<Kind>("plain", "heavy-tailed rows", "far rows, steep spectrum", "zero and duplicate rows"),
  rows: fc.integer({ min: 2, max: 520 }),
  cols: fc.integer({ min: 2, max: 20 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  bits: fc.constantFrom(8 as const, 4 as const, 3 as const, 2 as const),
  p: fc.constantFrom(1, 1.5, 2, 3, Infinity),
  dense: fc.boolean(),
  // Above and below 1, and 0.
  weigh: fc.constantFrom(undefined, 0.01, 5),
  seed: fc.integer({ min: 0, max: 1000 }),
});

test("no x makes |(A - stored) x|_p larger than the bound, whichever way it was proved", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ kind, rows, cols, share, bits, p, dense, weigh, seed }) => {
      const a = matrix(kind, rows, cols, { seed, f32: true });
      const rank = 1 + Math.floor(share * (Math.min(rows, cols) - 1));
      const rowWeights =
        weigh && Float64Array.from({ length: rows }, (_, i) => (i % 7 === 6 ? 0 : weigh * uniform(seed, i)));
      const right = dense
        ? undefined
        : (await loewner.lowRank(a, { rank, p, rowWeights, method: "svd", left: false })).right;
      const coded = await loewner.quantise(a, { right, bits, p, rowWeights, seed });
      const source = toRowSource(a);
      const factors = await factorsOf({ kind: "pair", left: coded.left, right: coded.right });
      const whole = factors.right ?? identity(cols);
      const known = await loewner.residual(a, { left: factors.left, right: whole }, { p, rowWeights });
      const left = { data: Float32Array.from(await readRows(factors.left)), rows, cols: coded.left.cols };
      const rest = residualOf(a, left, whole);
      for (const residualBytes of [0, 1 << 30]) {
        const options = { p, rowWeights, residualBytes };
        const proved = await storedCertificate(loewner, source, factors, options);
        // verify has the error already.
        expect(await storedCertificate(loewner, source, factors, options, known)).toEqual(proved);
        const bound = proved.bound * (1 + proved.slack) + proved.rounding;
        for (let k = 0; k < 24; ++k) {
          const x =
            k < 8 && k < rows
              ? Float64Array.from(rest.data.subarray(k * cols, (k + 1) * cols))
              : Float64Array.from({ length: cols }, (_, j) => bell(seed + k, j));
          expect(norm(apply(rest, x), p, rowWeights)).toBeLessThanOrEqual(bound * norm(x, 2) * (1 + 1e-12));
        }
      }
    }),
    { numRuns: 60, seed: 20262 },
  );
});

test("the norms of rows bound less well than the residual's ellipsoid, and claim nothing of other choices", async () => {
  const a = matrix("plain", 400, 12, { f32: true });
  const { right } = await loewner.lowRank(a, { rank: 6, left: false });
  const coded = await loewner.quantise(a, { right, bits: 8 });
  const factors = await factorsOf({ kind: "pair", left: coded.left, right: coded.right });
  const [byRows, byEllipsoid] = await Promise.all(
    [0, 1 << 30].map((residualBytes) => storedCertificate(loewner, toRowSource(a), factors, { residualBytes })),
  );
  expect(byRows.lower).toBe(0);
  expect(byEllipsoid.lower).toBeGreaterThan(0);
  expect(byRows.bound).toBeGreaterThan(byEllipsoid.bound);
});
