// What a draft of a layer under error feedback tells of codes of other widths.
import { afterAll, beforeAll, expect, test } from "vitest";
import { trellisError } from "../../src/code-trellis.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { feedbackIn, optionsFor, withFeedback } from "../../src/model/choices.js";
import { uniform } from "./onnx-models/random.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

const [rows, cols] = [128, 128];
/** Nearly normal. */
const normals = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => [0, 1, 2, 3].reduce((sum, k) => sum + uniform(seed, 4 * i + k) - 0.5, 0));

/** Second moments of inputs that lie near a few directions, the nearer the greater `fall`. */
function moments(fall: number): Float64Array {
  const inputs = normals(400 * cols, 2);
  const mixing = normals(cols * cols, 3);
  const h = new Float64Array(cols * cols);
  const mixed = new Float64Array(cols);
  for (let i = 0; i < 400; ++i) {
    mixed.fill(0);
    for (let k = 0; k < cols; ++k) {
      const x = inputs[i * cols + k] / (1 + fall * k);
      for (let j = 0; j < cols; ++j) mixed[j] += x * mixing[k * cols + j];
    }
    for (let a = 0; a < cols; ++a) for (let b = 0; b < cols; ++b) h[a * cols + b] += mixed[a] * mixed[b];
  }
  return h;
}

test.each([0.02, 0.2, 1])(
  "a draft in 4 bits tells the output errors of 1 to 6 bits (inputs fall by %f)",
  async (fall) => {
    const source = { rows, cols, data: normals(rows * cols, 1) };
    const h = moments(fall);
    const errorOf = async (bits: 1 | 2 | 3 | 4 | 6) =>
      (await loewner.trellisCode(source, { bits, moments: h, seed: 0 })).outputError!;
    const feedback = feedbackIn(await errorOf(4), trellisError(4, 10));
    for (const bits of [1, 2, 3, 6] as const) {
      const ratio = withFeedback(trellisError(bits, 10), feedback) / (await errorOf(bits));
      expect(ratio).toBeGreaterThan(bits === 1 ? 0.7 : 0.8);
      expect(ratio).toBeLessThan(bits === 1 ? 1.5 : 1.1);
    }
  },
);

test("trellis codes count by their outputs where a draft was measured, all else as it errs", () => {
  const layer = { ...{ rows, cols, bytes: 4 * rows * cols }, aim: "error" as const, isMultiplied: true };
  const singularValues = Float64Array.from({ length: cols }, (_, i) => 1 / (1 + i));
  const options = (feedback?: number) => optionsFor({ ...layer, singularValues, feedback }, { type: "auto" });
  const [plain, measured] = [options(), options(0.01)];
  expect(measured).toHaveLength(plain.length);
  plain.forEach(({ target, error }, i) => {
    const wanted = target?.type === "trellis" ? withFeedback(trellisError(target.bits, 10), 0.01) : error;
    expect(measured[i].error).toBe(wanted);
  });
  for (const squared of [0.001, 0.02, 0.27])
    expect(feedbackIn(withFeedback(squared, 0.3), squared)).toBeCloseTo(0.3, 12);
});
