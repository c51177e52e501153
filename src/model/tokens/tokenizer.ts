/**
 * Reads a Hugging Face tokenizer.json (the `tokenizers` library's own format): which token each id stands for, and what the
 * file tells of how common tokens are: scores of Unigram, the order of merges of BPE, the order of ids of the others.
 *
 * Only that is read; how text is cut into tokens is not. Memory: a few times the file. Nothing is allocated by an id's size.
 */
import { InvalidFormatError, isLoewnerError } from "../../errors.js";
import { checkJsonDepth, quote, shownJson } from "../../formats/json.js";
import { type LimitOptions, limitsOf, overLimit, type ReadLimits } from "../../formats/limits.js";
import { errorMessage, sniff, sniffedBytes } from "../../formats/sniff.js";

export type TokenizerKind = "Unigram" | "BPE" | "WordPiece" | "WordLevel";

/** A vocabulary: ids are rows of the model's embedding table. */
export interface Tokenizer {
  /** File name, for messages. */
  readonly name: string;
  readonly kind: TokenizerKind;
  /** Largest id + 1: rows that the table needs. */
  readonly size: number;
  /** The same without added tokens: rows that the table needs at least. */
  readonly leastRows: number;
  /** Added tokens under an id that another token has. The library gives them one behind all others, and says so; here they are left out. */
  readonly misplaced: readonly string[];
  /** Token of each id, as the file spells it (byte-level BPE: "Ġthe" for " the"). Some ids may have none. */
  readonly tokens: ReadonlyMap<number, string>;
  /** Unigram: natural logarithm of each token's probability, by id; 0 for what was put in by hand. */
  readonly scores?: Float64Array;
  /** BPE: ids left, right, merged of each merge, in order of merging. */
  readonly merges?: Int32Array;
  /** Ids that the tokenizer puts around every text: [CLS], [SEP], <s>, </s>. */
  readonly framing: ReadonlySet<number>;
  /** Ids of added tokens marked special. */
  readonly special: ReadonlySet<number>;
  /** Id of what stands for text that no token matches. */
  readonly unknown?: number;
}

type Json = Record<string, unknown>;

/**
 * @param text the file, as text or as UTF-8 bytes
 * @param name its name, for messages
 * @param options.limits `jsonBytes`, `jsonDepth`
 * @throws {InvalidFormatError} when it is not JSON, not a tokenizer, or of a kind other than Unigram, BPE, WordPiece and
 *   WordLevel; it says what was found.
 * @throws {LimitError} when it is larger, or nested deeper, than is read.
 */
export function readTokenizer(
  text: string | Uint8Array,
  name = "tokenizer.json",
  options: LimitOptions = {},
): Tokenizer {
  const bad = (what: string, options?: ErrorOptions) =>
    new InvalidFormatError(`${name}: ${what}`, { file: name }, options);
  const file = parse(text, name, limitsOf(options), bad);
  const { model } = file;
  if (!isObject(model))
    throw bad(`${whatItIs(file)} A tokenizer.json with a "model" in it was expected.${errorMessage(startOf(text))}`);
  const kind = kindOf(model, bad);

  const tokens = new Map<number, string>();
  const ids = new Map<string, number>();
  const add = (token: string, id: unknown) => {
    if (!isId(id)) throw bad(`token ${quote(token)} has the id ${shownJson(id)}, which is not a whole number.`);
    const other = tokens.get(id);
    if (other !== undefined && other !== token)
      throw bad(`tokens ${quote(other)} and ${quote(token)} have the same id ${id}; the file is damaged.`);
    tokens.set(id, token);
    ids.set(token, id);
  };

  let scores: Float64Array | undefined;
  if (kind === "Unigram") {
    const vocabulary = model.vocab;
    if (!isList(vocabulary) || !vocabulary.every(isScored))
      throw bad(`the vocabulary of a Unigram tokenizer should be a list of [token, score] pairs, and is not.`);
    scores = Float64Array.from(vocabulary, ([, score]) => score);
    vocabulary.forEach(([token], id) => add(token, id));
  } else {
    if (!isObject(model.vocab))
      throw bad(`the vocabulary of a ${kind} tokenizer should map tokens to ids; it is ${nameOf(model.vocab)}.`);
    for (const [token, id] of Object.entries(model.vocab)) add(token, id);
  }

  let leastRows = 0;
  for (const id of tokens.keys()) leastRows = Math.max(leastRows, id + 1);
  const special = new Set<number>();
  const misplaced: string[] = [];
  for (const added of isList(file.added_tokens) ? file.added_tokens : []) {
    if (!isObject(added) || typeof added.content !== "string" || !isId(added.id))
      throw bad(`an entry of added_tokens has no "content" or no "id": ${quote(shownJson(added))}.`);
    // The model's own id counts where both have the token, as in the library.
    if (!ids.has(added.content)) {
      if (tokens.has(added.id)) {
        misplaced.push(added.content);
        continue;
      }
      add(added.content, added.id);
    }
    if (added.special === true) special.add(ids.get(added.content)!);
  }
  if (tokens.size === 0) throw bad("the vocabulary is empty.");

  let size = 0;
  for (const id of tokens.keys()) size = Math.max(size, id + 1);
  const unknown = unknownOf(model, ids);
  const merges = kind === "BPE" ? mergesOf(model, ids, bad) : undefined;
  const framing = framingOf(file.post_processor, ids);
  return { name, kind, size, leastRows, misplaced, tokens, scores, merges, framing, special, unknown };
}

const startOf = (text: string | Uint8Array) =>
  typeof text === "string" ? new TextEncoder().encode(text.slice(0, sniffedBytes)) : text.subarray(0, sniffedBytes);

type Bad = (what: string, options?: ErrorOptions) => InvalidFormatError;

function parse(text: string | Uint8Array, name: string, limits: ReadLimits, bad: Bad): Json {
  const { length } = text;
  if (length > limits.jsonBytes)
    throw overLimit(limits, "jsonBytes", `a tokenizer of ${length} bytes`, length, { file: name });
  const start = startOf(text);
  let file: unknown;
  try {
    const json = typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true }).decode(text);
    file = JSON.parse(json);
    checkJsonDepth(json, limits, name);
  } catch (cause) {
    if (isLoewnerError(cause)) throw cause;
    const hint = /^\s*[{[]/.test(String.fromCharCode(...start))
      ? " It is damaged or cut off; get it again."
      : sniff(start);
    // Engines quote a piece of the text, lines and all.
    const why = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ");
    throw bad(`not JSON (${why}); a tokenizer.json was expected.${hint}`, { cause });
  }
  if (!isObject(file)) throw bad(`it holds ${nameOf(file)}; a tokenizer.json, which is one object, was expected.`);
  return file;
}

/** What a JSON file without a tokenizer's model probably is: the other files of a model's folder. */
function whatItIs(file: Json): string {
  if (typeof file.tokenizer_class === "string") return "this is a tokenizer_config.json, which holds no vocabulary.";
  if (typeof file.class_name === "string") return "this is a tokenizer of Keras, not one of Hugging Face.";
  if (typeof file.model_type === "string") return "this is a config.json.";
  const values = Object.values(file);
  if (values.length > 0 && values.every(isId))
    return "this is a vocab.json, which does not tell what kind of tokenizer it belongs to.";
  return "this JSON file is no tokenizer.";
}

/** Files older than 0.9 of the library do not name the kind; what is in the model tells. */
function kindOf(model: Json, bad: Bad): TokenizerKind {
  const { type } = model;
  if (type === undefined) {
    if (model.merges !== undefined) return "BPE";
    if (isList(model.vocab)) return "Unigram";
    return model.continuing_subword_prefix !== undefined ? "WordPiece" : "WordLevel";
  }
  if (type === "Unigram" || type === "BPE" || type === "WordPiece" || type === "WordLevel") return type;
  throw bad(
    `the tokenizer is of the kind ${shownJson(type)}; Unigram, BPE, WordPiece and WordLevel are known. Give counts in an .npy file instead, one number a row.`,
  );
}

function unknownOf(model: Json, ids: ReadonlyMap<string, number>): number | undefined {
  if (isId(model.unk_id)) return model.unk_id;
  return typeof model.unk_token === "string" ? ids.get(model.unk_token) : undefined;
}

/** Merges are "left right" in older files, ["left", "right"] in newer ones, whose tokens may hold spaces. */
function mergesOf(model: Json, ids: ReadonlyMap<string, number>, bad: Bad): Int32Array {
  if (!isList(model.merges)) throw bad(`a BPE tokenizer should have a list of merges; it has ${nameOf(model.merges)}.`);
  const prefix = typeof model.continuing_subword_prefix === "string" ? model.continuing_subword_prefix : "";
  const merges = new Int32Array(3 * model.merges.length);
  model.merges.forEach((merge: unknown, i) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!isPair(pair)) throw bad(`merge ${i} is ${quote(shownJson(merge))}, not two tokens; the file is damaged.`);
    const [left, right] = pair;
    const merged = left + (right.startsWith(prefix) ? right.slice(prefix.length) : right);
    [left, right, merged].forEach((token, j) => {
      const id = ids.get(token);
      if (id === undefined)
        throw bad(`merge ${i} is of ${quote(token)}, which the vocabulary does not have; the file is damaged.`);
      merges[3 * i + j] = id;
    });
  });
  return merges;
}

/** Ids that the post-processor puts around one text. */
function framingOf(processor: unknown, ids: ReadonlyMap<string, number>): Set<number> {
  const framing = new Set<number>();
  const collect = (processor: unknown) => {
    if (!isObject(processor)) return;
    const add = (token: unknown) => {
      const id = typeof token === "string" ? ids.get(token) : undefined;
      if (id !== undefined) framing.add(id);
    };
    if (isList(processor.processors)) processor.processors.forEach(collect);
    for (const end of [processor.cls, processor.sep]) if (isList(end)) add(end[0]);
    for (const piece of isList(processor.single) ? processor.single : []) {
      if (!isObject(piece) || !isObject(piece.SpecialToken)) continue;
      const { id } = piece.SpecialToken;
      const own =
        isObject(processor.special_tokens) && typeof id === "string" ? processor.special_tokens[id] : undefined;
      if (isObject(own) && isList(own.tokens)) own.tokens.forEach(add);
      else add(id);
    }
  };
  collect(processor);
  return framing;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isScored(entry: unknown): entry is [string, number] {
  return isList(entry) && entry.length === 2 && typeof entry[0] === "string" && Number.isFinite(entry[1]);
}

function isPair(pair: unknown): pair is [string, string] {
  return isList(pair) && pair.length === 2 && pair.every((token) => typeof token === "string");
}

function nameOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
