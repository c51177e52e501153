// Texts as feeds: token ids, padded in batches, with the mask, types and positions that the graph takes.
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import type { NpyTensor } from "../../formats/npy-array.js";
import type { OnnxModel, OnnxValue } from "../../formats/onnx/types.js";
import { declaredInput, fill, type ModelInput, onnxInputs, typeOf } from "../onnx/inputs.js";
import { turn } from "../onnx/runner.js";
import type { Text, TextTokenizer } from "./text-tokenizer.js";
import { type Feed, feedOf, inputsOf, isMaskName } from "./feeds.js";
import { checkOptions, type Names } from "../../option-names.js";

const textFeedsNames: Names<TextFeedOptions> = { tokenizer: 1, maxLength: 1, signal: 1 };

export interface TextFeedOptions {
  readonly tokenizer: TextTokenizer;
  /** Tokens a text, at most; longer ones are cut. Default: as many as the tokenizer's file says, or 512, if the model has as many positions. */
  readonly maxLength?: number;
  readonly signal?: AbortSignal;
}

/** What goes into a model for one text, or for a pair of texts. */
export interface Sequence {
  /** Token ids. */
  readonly ids: ArrayLike<number>;
  /** Of which of the two texts each token is. Default: all of the first. */
  readonly types?: ArrayLike<number>;
}

/** What a batch may have at most: tokens, padding among them, and texts. */
export interface BatchSize {
  readonly tokens: number;
  readonly texts: number;
}

const calibrationBatch: BatchSize = { tokens: 512, texts: 32 };
const defaultLength = 512;

/**
 * Feeds of texts, in order of their length so that little is padding. A model without an attention mask gets only texts of one length
 * in a batch. Texts without tokens are left out.
 * @throws {InvalidInputError} when there is no text, the model takes no token ids, or wants inputs that texts do not give.
 */
export async function textFeeds(model: OnnxModel, texts: readonly Text[], options: TextFeedOptions): Promise<Feed[]> {
  checkOptions("textFeeds", options, textFeedsNames);
  const inputs = textInputs(model);
  const { tokenizer, signal } = options;
  const { maxLength = usualLength(model, inputs, tokenizer) } = options;
  if (!Number.isSafeInteger(maxLength) || maxLength < 1 || maxLength > (inputs.sequence ?? Infinity))
    throw new InvalidInputError(
      `maxLength must be a whole number from 1 to ${inputs.sequence ?? "the positions of the model"}; got ${maxLength}.`,
    );
  const encoded: Sequence[] = [];
  for (const [i, text] of texts.entries()) {
    if (i % 64 === 0) await turn();
    throwIfAborted(signal);
    const tokens = tokenizer.encode(text, { maxLength });
    if (tokens.ids.length > 0) encoded.push(tokens);
  }
  if (encoded.length === 0) {
    const what = texts.length ? `none of ${texts.length} texts has a token in it` : "no texts were given";
    throw new InvalidInputError(`${model.source.name}: there is nothing to calibrate on: ${what}.`);
  }
  const feeds: Feed[] = [];
  for (const batch of batchesOf(encoded, inputs, calibrationBatch))
    feeds.push(await feedOfTexts(model, inputs, batch, tokenizer));
  return feeds;
}

/** Tokens of a text, at most: as many as the tokenizer's file says, or 512, if the model has as many positions. */
export function usualLength(
  model: OnnxModel,
  { sequence = Infinity }: TextInputs,
  { maxLength }: TextTokenizer,
): number {
  return Math.min(maxLength ?? defaultLength, positionsOf(model), sequence);
}

/** The inputs of a model that texts give. */
export interface TextInputs {
  readonly ids: OnnxValue;
  readonly mask?: OnnxValue;
  readonly types?: OnnxValue;
  readonly positions?: OnnxValue;
  /** Sizes that the model fixes. */
  readonly batch?: number;
  readonly sequence?: number;
}

/** @throws {InvalidInputError} when the model takes no token ids, or one number of them and no mask */
export function textInputs(model: OnnxModel): TextInputs {
  const file = model.source.name;
  const inputs = inputsOf(model);
  const named = (test: (name: string) => boolean) => inputs.find(({ name }) => test(name));
  const mask = named(isMaskName);
  const types = named((name) => /token_type|segment/i.test(name));
  const positions = named((name) => /^position(s|_ids)?$/i.test(name));
  const others = new Set([mask, types, positions]);
  const integers = inputs.filter((input) => [6, 7].includes(input.elemType) && !others.has(input));
  const ids =
    integers.find(({ name }) => /^(encoder_)?input_ids$/i.test(name)) ??
    (integers.length === 1 ? integers[0] : undefined);
  if (!ids || (ids.dims && ids.dims.length !== 2)) {
    throw new InvalidInputError(
      `${file} takes no token ids of shape batch x sequence, so texts cannot be its inputs; it takes ${inputs.map(declaredInput).join(", ") || "none"}. Give arrays instead: an .npz with one for each input.`,
      { file },
    );
  }
  const [batch, sequence] = (ids.dims ?? []).map((size) => (typeof size === "number" && size > 0 ? size : undefined));
  if (sequence !== undefined && !mask) {
    throw new InvalidInputError(
      `${file} takes exactly ${sequence} tokens a text and has no attention mask, so shorter texts cannot be its inputs. Give arrays instead: an .npz with one for each input.`,
      { file, tensor: ids.name },
    );
  }
  return { ids, mask, types, positions, batch, sequence };
}

/** Rows of the smallest table of positions; two of RoBERTa's 514 and the like are for padding. */
export function positionsOf({ graph }: OnnxModel): number {
  let least = Infinity;
  for (const { name, dims } of graph.initializers.values())
    if (dims.length === 2 && dims[0] >= 8 && isPositions.test(name)) least = Math.min(least, dims[0] - (dims[0] % 8));
  return least;
}

const isPositions = /(^|[._/])(position_embeddings?|embed_positions|positional_embedding|pos_embed\w*|wpe)([._/]|$)/i;

/**
 * In order of their length, so that little is padding: as many as fit a batch, all of one length where nothing tells padding.
 * @param sequences stay as they are
 */
export function* batchesOf<T extends Sequence>(
  sequences: readonly T[],
  { mask, batch, sequence }: TextInputs,
  { tokens, texts }: BatchSize,
): Generator<T[]> {
  const sorted = [...sequences].sort((a, b) => a.ids.length - b.ids.length);
  let current: T[] = [];
  for (const each of sorted) {
    const { length } = each.ids;
    const isFull =
      batch === undefined
        ? current.length === texts || (current.length + 1) * (sequence ?? length) > tokens
        : current.length === batch;
    if (current.length > 0 && (isFull || (!mask && length !== current[0].ids.length))) {
      yield current;
      current = [];
    }
    current.push(each);
  }
  if (current.length > 0) yield current;
}

/** What shorter texts of a batch are filled up with, and where. */
export type Padding = Pick<TextTokenizer, "padId" | "padType" | "padSide">;

/**
 * A model of a fixed batch gets rows of padding in place of texts that are not there. Positions are counted from the first token of a text
 * on; before it they are 0.
 */
export async function feedOfTexts(
  model: OnnxModel,
  inputs: TextInputs,
  texts: readonly Sequence[],
  { padId = 0, padType = 0, padSide }: Padding = {},
): Promise<Feed> {
  const file = model.source.name;
  const { batch = texts.length, sequence = texts.at(-1)!.ids.length } = inputs;
  const lengthOf = (i: number) => texts[i]?.ids.length ?? 0;
  // Of token j of text i: negative before it, past its length behind it.
  const number: Record<"ids" | "mask" | "types" | "positions", (i: number, j: number) => number> = {
    ids: (i, j) => texts[i]?.ids[j] ?? padId,
    mask: (i, j) => (j >= 0 && j < lengthOf(i) ? 1 : 0),
    types: (i, j) => (j >= 0 && j < lengthOf(i) ? (texts[i].types?.[j] ?? 0) : padType),
    positions: (_, j) => Math.max(0, j),
  };
  const before = Array.from({ length: batch }, (_, i) => (padSide === "left" ? sequence - lengthOf(i) : 0));
  const given: Record<string, NpyTensor> = {};
  for (const role of ["ids", "mask", "types", "positions"] as const) {
    const input = inputs[role];
    if (!input) continue;
    const dtype = typeOf(input, file);
    const data = fill(dtype, batch * sequence, (at) => {
      const i = Math.floor(at / sequence);
      return number[role](i, (at % sequence) - before[i]);
    });
    given[input.name] = { dtype, shape: [batch, sequence], data };
  }
  if (Object.keys(given).length === inputsOf(model).length) return given;
  // What remains is made up, and must be of no consequence: a cache that is empty, a flag that says so.
  const all = await onnxInputs(model, { given });
  const other = all.find(({ name, data, dtype }) => !Object.hasOwn(given, name) && data.length > 0 && dtype !== "bool");
  if (other) throw notOfTexts(file, other);
  return feedOf(all);
}

function notOfTexts(file: string, { name, dtype, shape }: ModelInput): InvalidInputError {
  return new InvalidInputError(
    `${file} also takes "${name}" (${dtype}, such as ${shape.join(" x ")}), which texts do not give. Give arrays instead: an .npz with one for each input.`,
    { file, tensor: name },
  );
}
