// Texts as feeds: token ids, padded in batches, with the mask, types and positions that the graph takes.
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import type { NpyTensor } from "../../formats/npy-array.js";
import type { OnnxModel, OnnxValue } from "../../formats/onnx/types.js";
import { declaredInput, fill, type ModelInput, onnxInputs, typeOf } from "../onnx/inputs.js";
import { turn } from "../onnx/runner.js";
import type { Text, TextTokenizer, TextTokens } from "./text-tokenizer.js";
import { type Feed, feedOf, inputsOf, isMaskName } from "./feeds.js";

export interface TextFeedOptions {
  readonly tokenizer: TextTokenizer;
  /** Tokens a text, at most; longer ones are cut. Default: as many as the tokenizer's file says, or 512, if the model has as many positions. */
  readonly maxLength?: number;
  readonly signal?: AbortSignal;
}

/** Texts that are run together. */
export interface TextBatch {
  readonly feed: Feed;
  /** Which text each row of the feed is; a model of a fixed batch may have rows behind them that are of padding alone. */
  readonly rows: readonly number[];
  /** Tokens of each of these rows; what stands behind them is padding. */
  readonly tokens: readonly TextTokens[];
}

export interface TextBatches {
  /** In order of their length, so that little is padding. */
  readonly batches: readonly TextBatch[];
  /** Tokens that a text was cut to, where it had more. */
  readonly maxLength: number;
  /** Texts that were cut. */
  readonly cut: number;
  /** Texts without a token, which are in no batch. */
  readonly empty: readonly number[];
}

/** Tokens a batch, padding among them, and texts, at most. */
const batchTokens = 1024;
const batchTexts = 32;
const defaultLength = 512;

/**
 * Feeds of texts, in order of their length so that little is padding. A model without an attention mask gets only texts of one length
 * in a batch. Texts without tokens are left out.
 * @throws {InvalidInputError} when there is no text, the model takes no token ids, or wants inputs that texts do not give.
 */
export async function textFeeds(model: OnnxModel, texts: readonly Text[], options: TextFeedOptions): Promise<Feed[]> {
  const { batches } = await textBatches(model, texts, options);
  if (batches.length === 0) {
    const what = texts.length ? `none of ${texts.length} texts has a token in it` : "no texts were given";
    throw new InvalidInputError(`${model.source.name}: there is nothing to calibrate on: ${what}.`);
  }
  return batches.map(({ feed }) => feed);
}

/**
 * The same with what each row is, and how many texts were cut. Pairs of texts come with their types, where the model takes these.
 * @throws {InvalidInputError} when the model takes no token ids, or wants inputs that texts do not give.
 * Cost: cutting them into tokens, some 10,000 short texts a second.
 */
export async function textBatches(
  model: OnnxModel,
  texts: readonly Text[],
  options: TextFeedOptions,
): Promise<TextBatches> {
  const inputs = textInputs(model);
  const { tokenizer, signal } = options;
  const most = Math.min(tokenizer.maxLength ?? defaultLength, positionsOf(model), inputs.sequence ?? Infinity);
  const { maxLength = most } = options;
  if (!Number.isSafeInteger(maxLength) || maxLength < 1 || maxLength > (inputs.sequence ?? Infinity))
    throw new InvalidInputError(
      `maxLength must be a whole number from 1 to ${inputs.sequence ?? "the positions of the model"}; got ${maxLength}.`,
    );
  const encoded: Row[] = [];
  const empty: number[] = [];
  let cut = 0;
  for (const [row, text] of texts.entries()) {
    if (row % 64 === 0) await turn();
    throwIfAborted(signal);
    const tokens = tokenizer.encode(text, { maxLength });
    if (tokens.isCut) ++cut;
    if (tokens.ids.length > 0) encoded.push({ row, tokens });
    else empty.push(row);
  }
  encoded.sort((a, b) => a.tokens.ids.length - b.tokens.ids.length);
  const batches: TextBatch[] = [];
  for (const batch of batchesOf(encoded, inputs)) {
    const tokens = batch.map(({ tokens }) => tokens);
    const feed = await feedOfTexts(model, inputs, tokens, tokenizer.padId ?? 0);
    batches.push({ feed, rows: batch.map(({ row }) => row), tokens });
  }
  return { batches, maxLength, cut, empty };
}

interface Row {
  readonly row: number;
  readonly tokens: TextTokens;
}

interface TextInputs {
  readonly ids: OnnxValue;
  readonly mask?: OnnxValue;
  readonly types?: OnnxValue;
  readonly positions?: OnnxValue;
  /** Sizes that the model fixes. */
  readonly batch?: number;
  readonly sequence?: number;
}

function textInputs(model: OnnxModel): TextInputs {
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
function positionsOf({ graph }: OnnxModel): number {
  let least = Infinity;
  for (const { name, dims } of graph.initializers.values())
    if (dims.length === 2 && dims[0] >= 8 && isPositions.test(name)) least = Math.min(least, dims[0] - (dims[0] % 8));
  return least;
}

const isPositions = /(^|[._/])(position_embeddings?|embed_positions|positional_embedding|pos_embed\w*|wpe)([._/]|$)/i;

/** Of texts in order of their length: as many as fit, all of one length where nothing tells padding. */
function* batchesOf(encoded: readonly Row[], { mask, batch, sequence }: TextInputs): Generator<Row[]> {
  const lengthOf = ({ tokens }: Row) => tokens.ids.length;
  let current: Row[] = [];
  for (const each of encoded) {
    const isFull =
      batch === undefined
        ? current.length === batchTexts || (current.length + 1) * (sequence ?? lengthOf(each)) > batchTokens
        : current.length === batch;
    if (current.length > 0 && (isFull || (!mask && lengthOf(each) !== lengthOf(current[0])))) {
      yield current;
      current = [];
    }
    current.push(each);
  }
  if (current.length > 0) yield current;
}

/** A model of a fixed batch gets rows of padding in place of texts that are not there. */
async function feedOfTexts(
  model: OnnxModel,
  inputs: TextInputs,
  texts: readonly TextTokens[],
  padId: number,
): Promise<Feed> {
  const file = model.source.name;
  const { batch = texts.length, sequence = texts.at(-1)!.ids.length } = inputs;
  const number: Record<"ids" | "mask" | "types" | "positions", (i: number, j: number) => number> = {
    ids: (i, j) => texts[i]?.ids[j] ?? padId,
    mask: (i, j) => (j < (texts[i]?.ids.length ?? 0) ? 1 : 0),
    types: (i, j) => texts[i]?.types?.[j] ?? 0,
    positions: (_, j) => j,
  };
  const given: Record<string, NpyTensor> = {};
  for (const role of ["ids", "mask", "types", "positions"] as const) {
    const input = inputs[role];
    if (!input) continue;
    const dtype = typeOf(input, file);
    const data = fill(dtype, batch * sequence, (at) => number[role](Math.floor(at / sequence), at % sequence));
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
