// Coresets of rows that come in pieces, at the ends of the number range.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, isLoewnerError, type Loewner } from "../../src/index.js";
import { given, tortures, weightings, wideTortures } from "./matrices.js";
import { notFinite } from "./numbers.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

test.each([1, 1.5, 3])("p = %s: rows that were pushed, positive weights, finite ratios", async (p) => {
  const faults: string[] = [];
  for (const [name, make] of Object.entries({ ...tortures, ...wideTortures })) {
    for (const weights of ["none", "1e300", "1e-300", "some 0", "all 0", "1e-250 to 1"]) {
      const { exact } = (await given(make, "f64"))!;
      const weightOf = weightings[weights];
      const rowWeights = weightOf && Float64Array.from({ length: exact.rows }, (_, i) => weightOf(i, exact.rows));
      const label = `${name}, weights ${weights}`;
      try {
        const stream = loewner.coresetStream({ cols: exact.cols, p, size: 4, tileRows: 32 });
        await stream.push(exact, { rowWeights });
        await stream.push(exact, { rowWeights });
        const result = await stream.finish();
        faults.push(...notFinite(result).map((x) => `${label}: ${x}`));
        if (!result.weights.every((w) => w > 0)) faults.push(`${label}: a weight is not positive`);
        result.indices.forEach((row, k) => {
          for (let j = 0; j < exact.cols; ++j) {
            if (result.rows.data[k * exact.cols + j] !== exact.data[(row % exact.rows) * exact.cols + j])
              faults.push(`${label}: row ${row} is not the one that was pushed`);
          }
        });
      } catch (error) {
        if (!isLoewnerError(error, "INVALID_INPUT")) faults.push(`${label}: ${String(error)}`);
        else if (name in tortures && !/1e-?(300|250)/.test(weights)) faults.push(`${label}: refused: ${error.message}`);
      }
    }
  }
  expect(faults).toEqual([]);
});
