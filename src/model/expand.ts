// Factors multiplied back, for tools that know nothing of them.
import { takeTurn } from "../engine/turn.js";
import { InvalidInputError, OutOfMemoryError, throwIfAborted } from "../errors.js";
import {
  encodeNumbers,
  layOutSafetensors,
  rowTypeOf,
  tensorBytes,
  type SafetensorsDtype,
  type SafetensorsFile,
  type SafetensorsInput,
} from "../formats/index.js";
import { quote } from "../formats/json.js";
import { type Matrix, type RowSource, widenRows } from "../matrix.js";
import type { Loewner, RunOptions } from "../types/index.js";
import { checkCall } from "./checked.js";
import { metadataKey, type LayerDescription } from "./description.js";
import { factorsOf, openValue, sharedTensorsOf, tensorsOf } from "./kinds/index.js";
import { rowsOf } from "./kinds/pair.js";
import type { Model } from "./model.js";
import { passThrough, safetensorsModel } from "./safetensors/model.js";

export interface ExpandedModel {
  tensors: SafetensorsInput[];
  metadata: [string, string][] | undefined;
  /** Of the file that will be written. */
  byteLength: number;
  /** Names of the tensors that were made whole. */
  layers: string[];
}

/**
 * The same file with X in place of its factors. Products are computed while the file is being written; those of a layer that was
 * fitted transposed are held in memory. The event loop gets its turn meanwhile, and `options.signal` ends it.
 * @throws {InvalidInputError} when the file holds no factors
 * @throws {OutOfMemoryError} when a product is larger than can be; from writing, when one that was fitted transposed is
 */
export async function expandModel(
  loewner: Loewner,
  file: SafetensorsFile,
  options: RunOptions = {},
): Promise<ExpandedModel> {
  const model = safetensorsModel(file);
  checkCall("expandModel", model, options);
  const { described } = model;
  if (described.size === 0) {
    throw new InvalidInputError(
      `${file.source.name} holds no factors: it was not compressed by loewner, or is expanded already.`,
      { file: file.source.name },
    );
  }
  const parts = new Map<string, string>();
  for (const [name, layer] of described) for (const tensor of tensorsOf(layer)) parts.set(tensor, name);
  const shared = new Set([...described.values()].flatMap(sharedTensorsOf));
  const done = new Set<string>();
  const tensors: SafetensorsInput[] = [];
  for (const tensor of file.tensors.keys()) {
    const name = parts.get(tensor);
    if (shared.has(tensor)) continue;
    if (name === undefined) tensors.push(passThrough(file, tensor));
    else if (!done.has(name)) {
      done.add(name);
      tensors.push(product(loewner, model, name, described.get(name)!, options));
    }
  }
  const metadata = file.metadataEntries
    ?.filter(([key]) => key !== metadataKey)
    .map(([k, v]): [string, string] => [k, v]);
  const kept = metadata?.length ? metadata : undefined;
  const { byteLength } = layOutSafetensors(tensors, kept);
  return { tensors, metadata: kept, byteLength, layers: [...described.keys()] };
}

function product(
  loewner: Loewner,
  model: Model,
  name: string,
  described: LayerDescription,
  options: RunOptions,
): SafetensorsInput {
  const { rows, cols, transposed } = described;
  const shape = described.shape ?? (transposed ? [cols, rows] : [rows, cols]);
  const dtype = described.dtype as SafetensorsDtype;
  const type = rowTypeOf(dtype)!;
  const { signal } = options;
  async function* blocks() {
    const value = await openValue(model, described);
    const left = value.kind === "pair" ? rowsOf(value.left) : (await factorsOf(value)).left;
    if ("right" in value && value.right)
      yield* productBlocks(loewner, model, name, { left, right: rowsOf(value.right) }, options);
    else yield* rowBlocks(left);
  }
  /** Some at a time: a block of a wide table is large. */
  async function* encoded(values: Float32Array | Float64Array) {
    for (let at = 0; at < values.length; at += atATime) {
      await heed(signal);
      yield encodeNumbers(values.subarray(at, at + atATime), type);
    }
  }
  const byteLength = tensorBytes(dtype, shape);
  if (typeof byteLength !== "number") throw tooLarge(model, name, shape, "more than 2^53");
  return {
    ...{ name, dtype, shape, byteLength },
    async *chunks() {
      if (!transposed) {
        for await (const block of blocks()) yield* encoded(block);
        return;
      }
      const whole = numbers(rows * cols, type === "f64");
      if (!whole) throw tooLarge(model, name, shape, `${byteLength}`);
      let row = 0;
      let moved = 0;
      for await (const block of blocks()) {
        for (let i = 0; i < block.length / cols; ++i, ++row) {
          for (let j = 0; j < cols; ++j) whole[j * rows + row] = block[i * cols + j];
          if ((moved += cols) < atATime) continue;
          await heed(signal);
          moved = 0;
        }
      }
      yield* encoded(whole);
    },
  };
}

/** Numbers that are decoded, moved or encoded without a look at the signal: milliseconds. */
const atATime = 1 << 20;

/** Whoever wants it to stop is heard. */
async function heed(signal?: AbortSignal): Promise<void> {
  await takeTurn();
  throwIfAborted(signal);
}

/** Undefined where the runtime has no room for so many. */
function numbers(length: number, double: boolean): Float32Array | Float64Array | undefined {
  try {
    return double ? new Float64Array(length) : new Float32Array(length);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Factors of a few bytes may describe a product of any size. */
function tooLarge(model: Model, tensor: string, shape: readonly number[], bytes: string): OutOfMemoryError {
  return new OutOfMemoryError(
    `${model.name}: tensor ${quote(tensor)} of shape [${shape.join(", ")}] takes ${bytes} bytes when its factors are multiplied back, more than fit in memory. Expand it where there is more, or use the factors as they are.`,
    { file: model.name, tensor },
  );
}

/** Rows as they are stored, decoded or widened block by block. */
async function* rowBlocks(source: RowSource): AsyncGenerator<Float64Array> {
  const { rows, cols } = source;
  const step = Math.max(1, Math.floor(atATime / cols));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const block = new Float64Array(count * cols);
    await widenRows(source, row, count, block);
    yield block;
  }
}

async function matrixOf(model: Model, tensor: string, source: RowSource, { signal }: RunOptions): Promise<Matrix> {
  const { rows, cols, dtype } = source;
  const data = numbers(rows * cols, dtype === "f64");
  if (!data) throw tooLarge(model, tensor, [rows, cols], `${4 * rows * cols}`);
  let at = 0;
  for await (const block of rowBlocks(source)) {
    await heed(signal);
    data.set(block, at);
    at += block.length;
  }
  return { data, rows, cols };
}

/** left * right, block by block: a queue of one turns the callback into a stream. */
async function* productBlocks(
  loewner: Loewner,
  model: Model,
  name: string,
  { left, right }: { left: RowSource; right: RowSource },
  options: RunOptions,
): AsyncGenerator<Float32Array | Float64Array> {
  const whole = await matrixOf(model, name, right, options);
  let ready: ((block: Float32Array | Float64Array | undefined) => void) | undefined;
  let taken: (() => void) | undefined;
  let wanted = true;
  const another = () => new Promise<Float32Array | Float64Array | undefined>((resolve) => (ready = resolve));
  let next = another();
  const abort = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
  const work = loewner.multiply(
    { left, right: whole },
    (_start, block) =>
      new Promise<void>((resolve) => {
        if (!wanted) return resolve(); // nobody waits for what is made until the abort is seen
        taken = resolve;
        ready!(block);
      }),
    { ...options, signal },
  );
  const ended = work.then(() => ready!(undefined));
  try {
    for (;;) {
      const block = await Promise.race([next, ended.then(() => next)]);
      if (!block) break;
      yield block;
      next = another();
      taken!();
    }
  } finally {
    abort.abort();
    wanted = false;
    taken?.();
    await work.catch(() => undefined);
  }
}
