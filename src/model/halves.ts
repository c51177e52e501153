// What is no layer, in half precision: biases, norms, tables of positions. Half of their bytes, for errors of 2^-11 of each number.
import { encodeNumbers } from "../formats/index.js";
import { throwIfAborted } from "../errors.js";
import { type RowSource, widenRows } from "../matrix.js";
import { excludedBy, type Selection } from "./layers.js";
import type { Model } from "./model.js";

/** Tensors of fewer numbers save less than the node that makes floats of them takes. */
const leastNumbers = 128;
/** Numbers that are read at once. */
const atATime = 2 ** 18;
const largestHalf = 65504;
/** Squared error by rounding, of the whole's squares: what is mostly below the least normal half, 6e-5, is left alone. */
const mostError = 2 ** -20;

/**
 * Names of the tensors that halves hold well, for `LayOutOptions.halves`. What is excluded is not among them.
 *
 * Cost: all of them are read.
 */
export async function halvesOf(
  model: Model,
  { exclude }: Pick<Selection, "exclude">,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const isExcluded = excludedBy(exclude);
  const found = new Set<string>();
  for (const numbers of model.floats()) {
    throwIfAborted(signal);
    const { name = "", rows } = numbers;
    if (rows >= leastNumbers && !isExcluded(name) && (await areHalves(numbers))) found.add(name);
  }
  return found;
}

async function areHalves(numbers: RowSource): Promise<boolean> {
  let [squares, errors] = [0, 0];
  for await (const block of blocksOf(numbers)) {
    if (!block.every((x) => Math.abs(x) <= largestHalf)) return false;
    const rounded = new Float64Array(block.length);
    const halves = encodeNumbers(block, "f16");
    await widenRows({ rows: block.length, cols: 1, dtype: "f16", read: () => halves }, 0, block.length, rounded);
    for (let i = 0; i < block.length; ++i) {
      const error = block[i] - rounded[i];
      squares += block[i] * block[i];
      errors += error * error;
    }
  }
  return errors <= mostError * squares;
}

/** The same numbers, 2 bytes each. */
export function inHalves(numbers: RowSource) {
  return {
    byteLength: 2 * numbers.rows,
    async *chunks() {
      for await (const block of blocksOf(numbers)) yield encodeNumbers(block, "f16");
    },
  };
}

async function* blocksOf(numbers: RowSource): AsyncGenerator<Float64Array> {
  for (let start = 0; start < numbers.rows; start += atATime) {
    const block = new Float64Array(Math.min(atATime, numbers.rows - start));
    await widenRows(numbers, start, block.length, block);
    yield block;
  }
}
