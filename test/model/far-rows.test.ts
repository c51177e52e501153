// What examples/far-rows shows, held: far rows cost SVD many answers and the l_1 method few; without them the two tie.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error an example, in plain JavaScript
import { classifier } from "../../examples/far-rows/texts.mjs";
import { createLoewner, type Loewner } from "../../src/index.js";
import { modelObjective } from "../../src/model/index.js";

interface Task {
  table: Float32Array;
  rows: number;
  cols: number;
  readOut: Float32Array;
  classes: number;
  ids: BigInt64Array;
  labels: Uint8Array;
  count: number;
  length: number;
}
const make = classifier as (options: { farShare: number; rows: number }) => Task;

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

/** Share of right answers with this table: the mean of a text's rows is read out as their sum. */
function accuracy(
  table: ArrayLike<number>,
  { rows, cols, readOut, classes, ids, labels, count, length }: Task,
): number {
  const scores = new Float64Array(rows * classes);
  for (let i = 0; i < rows; ++i) {
    for (let c = 0; c < cols; ++c) {
      for (let k = 0; k < classes; ++k) scores[i * classes + k] += table[i * cols + c] * readOut[c * classes + k];
    }
  }
  let right = 0;
  for (let text = 0; text < count; ++text) {
    const sums = new Float64Array(classes);
    for (const id of ids.subarray(text * length, (text + 1) * length)) {
      for (let k = 0; k < classes; ++k) sums[k] += scores[Number(id) * classes + k];
    }
    right += sums.indexOf(Math.max(...sums)) === labels[text] ? 1 : 0;
  }
  return right / count;
}

/** Points lost at a size, by SVD and by the method that is chosen for p = 1. */
async function lost(task: Task, keep: number): Promise<{ svd: number; l1: number }> {
  const trained = accuracy(task.table, task);
  const answers = async (options: { method?: "svd"; p: number }) => {
    const { left, right } = await loewner.lowRank(
      { data: task.table, rows: task.rows, cols: task.cols },
      { keep, objective: modelObjective, ...options },
    );
    const whole = new Float64Array(task.rows * task.cols);
    await loewner.multiply({ left, right }, (start, tile) => whole.set(tile, start * task.cols));
    return 100 * (trained - accuracy(whole, task));
  };
  return { svd: await answers({ method: "svd", p: 2 }), l1: await answers({ p: 1 }) };
}

describe("a table with far rows", () => {
  it("loses a third at most of what SVD loses, at two sizes", async () => {
    const task = make({ farShare: 0.02, rows: 4000 });
    for (const keep of [0.3, 0.15]) {
      const { svd, l1 } = await lost(task, keep);
      expect(svd, `points that SVD loses at ${keep}`).toBeGreaterThan(4);
      expect(l1, `points lost at ${keep}, where SVD loses ${svd}`).toBeLessThan(svd / 3);
    }
  });

  it("ties with SVD without them", async () => {
    const task = make({ farShare: 0, rows: 4000 });
    const { svd, l1 } = await lost(task, 0.15);
    expect(Math.abs(svd - l1)).toBeLessThan(0.5);
  });
});
