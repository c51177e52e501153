// p so large that only rows on the ellipsoid count: a result, converged or not, in a number of sweeps that does not grow with p.
import { expect, test } from "vitest";
import { createLoewner } from "../../src/create.js";
import { matrix } from "./matrices.js";

test.each([1e9, 2 ** 62, 1e300])("p = %d gives weights and bounds in a bounded number of sweeps", async (p) => {
  const loewner = await createLoewner({ threads: 1 });
  const { weights, iterations, certificate } = await loewner.lewisWeights(matrix("plain", 12, 2, { seed: 3 }), { p });
  loewner.dispose();
  expect(iterations).toBeLessThanOrEqual(25_200);
  expect(weights.every((weight) => weight >= 0 && weight <= 1 + 1e-9)).toBe(true);
  expect(certificate.lower).toBeGreaterThan(0);
  expect(certificate.upper).toBeGreaterThanOrEqual(certificate.lower);
});
