// What a model is fed to be calibrated: batches of arrays by input name.
import { InvalidInputError } from "../../errors.js";
import type { NpyTensor } from "../../formats/npy-array.js";
import type { OnnxModel, OnnxValue } from "../../formats/onnx/types.js";
import { indexBounds } from "../onnx/index-bounds.js";
import { checkInput, declaredInput, type InputOptions, type ModelInput, onnxInputs } from "../onnx/inputs.js";
import { cut, sharedRows } from "../onnx/slices.js";
import type { Mask } from "./rows.js";

/** One run of the model: an array for each of its inputs. float16 is bit patterns, bool a byte. */
export type Feed = Readonly<Record<string, NpyTensor>>;

/** Elements of an input in one batch of arrays, about. */
const batchElements = 1 << 20;
/** Rows of the first dimension in one batch, at most. */
const batchRows = 32;

/**
 * Feeds made of whole arrays: inputs that share an open first dimension are cut along it, 32 rows a batch and fewer where a row is
 * large. Inputs that are not given are made up as `onnxInputs` does it.
 * @throws {InvalidInputError} when a name is none of the inputs', or a dtype or shape differs from the declared one.
 */
export async function arrayFeeds(model: OnnxModel, given: InputOptions["given"]): Promise<Feed[]> {
  return batches(await onnxInputs(model, { given }));
}

export interface MadeUpOptions extends Pick<InputOptions, "shapes" | "dims"> {
  /** Default 0. */
  readonly seed?: number;
  /** Batches, each with numbers of its own. Default 32. */
  readonly count?: number;
}

/**
 * Feeds without any data: inputs made up from the seed as `onnxInputs` makes them. They show which layers a model has and little of
 * what texts or pictures look like to them.
 * @throws {InvalidInputError} as `onnxInputs`.
 */
export async function madeUpFeeds(model: OnnxModel, options: MadeUpOptions = {}): Promise<Feed[]> {
  const { seed = 0, count = 32, ...rest } = options;
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidInputError(`count must be a whole number of at least 1; got ${count}.`);
  const feeds: Feed[] = [];
  for (let i = 0; i < count; ++i) feeds.push(...batches(await onnxInputs(model, { ...rest, seed: seed + i })));
  return feeds;
}

function batches(inputs: readonly ModelInput[]): Feed[] {
  const rows = sharedRows(inputs);
  const largest = inputs.reduce((most, { data }) => Math.max(most, data.length), 1);
  const step = rows && Math.max(1, Math.min(batchRows, Math.floor((batchElements * rows) / largest)));
  return (rows && step ? cut(inputs, rows, step) : [inputs]).map(feedOf);
}

/** Without what only messages need. */
export function feedOf(inputs: readonly ModelInput[]): Feed {
  return Object.fromEntries(inputs.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data }]));
}

/**
 * Checks every feed before anything runs.
 * @throws {InvalidInputError} when there is none, an input is missing, unknown, or of another type or shape than declared (names and
 *   shapes of all are said), or holds row numbers past the table that it indexes.
 */
export async function checkFeeds(model: OnnxModel, feeds: readonly Feed[]): Promise<void> {
  const file = model.source.name;
  if (feeds.length === 0)
    throw new InvalidInputError(`${file}: there is nothing to calibrate on: no feeds were given.`, { file });
  const check = await feedCheck(model);
  feeds.forEach(check);
}

/**
 * A check of one feed, for feeds that are made as they are run.
 * @throws {InvalidInputError} (the check) as `checkFeeds`
 */
export async function feedCheck(model: OnnxModel): Promise<(feed: Feed, number: number) => void> {
  const file = model.source.name;
  const wanted = inputsOf(model);
  const bounds = await indexBounds(model);
  return (feed, i) => {
    const names = Object.keys(feed);
    const [missing] = wanted.filter(({ name }) => !Object.hasOwn(feed, name));
    const unknown = names.find((name) => !wanted.some((input) => input.name === name));
    if (missing || unknown !== undefined) {
      const what = missing ? `has no "${missing.name}"` : `has "${unknown}", which is no input of the model`;
      const has = names.map((name) => `${name} (${feed[name].dtype}, ${feed[name].shape.join(" x ")})`).join(", ");
      throw new InvalidInputError(
        `${file}: feed ${i} ${what}. The model takes ${wanted.map(declaredInput).join(", ") || "none"}; the feed has ${has || "none"}.`,
        { file, tensor: missing?.name ?? unknown },
      );
    }
    for (const input of wanted) {
      checkInput(input, feed[input.name], file);
      const rows = bounds.get(input.name);
      if (rows !== undefined) checkRowNumbers(input.name, feed[input.name], rows, `${file}: feed ${i}`, file);
    }
  };
}

/** The inputs that have no default value. */
export function inputsOf({ graph }: OnnxModel): OnnxValue[] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}

function checkRowNumbers(name: string, { data, shape }: NpyTensor, rows: number, what: string, file: string): void {
  const width = shape.at(-1) ?? 1;
  for (let i = 0; i < data.length; ++i) {
    const id = Number(data[i]);
    if (id >= -rows && id < rows) continue;
    const row = Math.floor(i / width);
    throw new InvalidInputError(
      `${what} has ${id} in "${name}", row ${row}, column ${i % width}, but the table that it indexes has ${rows} rows. Take inputs, or a tokenizer.json, that belong to this model.`,
      { file, tensor: name, row, column: i % width },
    );
  }
}

/** Which positions are text, where the feed says it: an input such as attention_mask, of shape batch x sequence. */
export function maskOf(feed: Feed): Mask | undefined {
  const names = Object.keys(feed).filter((name) => isMaskName(name) && feed[name].shape.length === 2);
  const name = names.find((each) => /^attention_mask$/i.test(each)) ?? names[0];
  if (name === undefined) return undefined;
  const { shape, data } = feed[name];
  const [batch, sequence] = shape;
  return { batch, sequence, data: Uint8Array.from(data as ArrayLike<number | bigint>, (x) => (Number(x) > 0 ? 1 : 0)) };
}

/** attention_mask, input_mask, mask; not that of a decoder's other side or of pixels. */
export const isMaskName = (name: string) => /^((encoder_)?attention_mask|input_mask|mask)$/i.test(name);
