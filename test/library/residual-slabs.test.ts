// Residuals are taken over slabs of 16384 rows, so that the left factor need not fit into memory: errors are those of all rows.
import { expect, test } from "vitest";
import { objective } from "../../reference/objective.js";
import { createLoewner, type RowSource } from "../../src/index.js";
import { matrix, relative } from "./matrices.js";

const [rows, cols, rank] = [2 * 16384 + 300, 5, 2];

test("a left factor of more than one slab, row weights and the worst row in the last", async () => {
  const a = matrix("plain", rows, cols);
  a.data[(rows - 7) * cols] = 1000;
  const left = matrix("plain", rows, rank, { seed: 2 });
  const right = matrix("plain", rank, cols, { seed: 3 });
  const weights = Float64Array.from({ length: rows }, (_, i) => 1 + (i % 7));
  let largest = 0;
  const source: RowSource = {
    ...{ rows, cols: rank, dtype: "f64" },
    read(start, count) {
      largest = Math.max(largest, count);
      return new Uint8Array(left.data.buffer, start * rank * 8, count * rank * 8);
    },
  };
  const loewner = await createLoewner();
  for (const rowWeights of [undefined, weights]) {
    const got = await loewner.residual(a, { left: source, right }, { p: 1.5, rowWeights });
    const expected = objective(
      { data: Float64Array.from(a.data), rows, cols },
      { data: Float64Array.from(left.data), rows, cols: rank },
      { data: Float64Array.from(right.data), rows: rank, cols },
      1.5,
      rowWeights,
    );
    for (const key of ["lp", "l1", "l21", "l2"] as const) expect(relative(got[key], expected[key])).toBeLessThan(1e-12);
    expect(got.worstRow.row).toBe(rows - 7);
  }
  expect(largest).toBeLessThanOrEqual(16384);
  loewner.dispose();
});
