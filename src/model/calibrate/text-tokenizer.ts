// A tokenizer.json that cuts texts: the package @huggingface/tokenizers does it, which whoever calls brings along.
import { InvalidFormatError } from "../../errors.js";
import type { LimitOptions } from "../../formats/limits.js";
import { readTokenizer } from "../tokens/tokenizer.js";
import { charsmapNormalizer } from "./charsmap.js";
import { framesOf, type Frames, keptLengths } from "./post-processor.js";
import { checkModel, isObject, likeNormalizer, likePreTokenizer, list, UnlikePart } from "./tokenizer-parts.js";

/** A text, or two that are read together: premise and hypothesis, question and answer. */
export type Text = string | readonly [string, string];

export interface EncodeOptions {
  /** Tokens at most, those around the texts among them; of longer ones the end is cut off, of two first the longer one's. Default: all. */
  readonly maxLength?: number;
  /** Put the tokens around that the tokenizer's file asks for. Default true. */
  readonly specialTokens?: boolean;
}

/** Tokens of a text or of two. The attention mask is 1 for each of them. */
export interface TextTokens {
  readonly ids: readonly number[];
  /** Of each token the text that it belongs to, as the tokenizer's file has it (token_type_ids). Default: 0. */
  readonly types?: readonly number[];
  /** Whether something was cut off. Default false. */
  readonly isCut?: boolean;
}

/** Cuts texts into tokens. */
export interface TextTokenizer {
  /** File name, for messages. */
  readonly name?: string;
  encode(text: Text, options?: EncodeOptions): TextTokens;
  /** What shorter texts of a batch are filled up with. Default 0. */
  readonly padId?: number;
  /** Type (token_type_ids) of that. Default 0. */
  readonly padType?: number;
  /** Where it goes: behind a text, or before it, as models have it that read the last token. Default "right". */
  readonly padSide?: "left" | "right";
  /** What stands for a hidden token of a masked language model. */
  readonly maskId?: number;
  /** Tokens that its file cuts texts to. */
  readonly maxLength?: number;
}

/** `Tokenizer` of @huggingface/tokenizers. */
export type TokenizerClass = new (
  tokenizer: object,
  config: object,
) => {
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
};

/**
 * A tokenizer of that package from its file, which gives the ids of the `tokenizers` library of Python. Half of a surrogate pair counts as
 * U+FFFD. Letters that are newer than the library's tables of Unicode, or than the engine's, may fall into other tokens.
 * @param text tokenizer.json, as text or as UTF-8 bytes
 * @throws {InvalidFormatError} when it is no tokenizer.json, or has parts that the package does not know, or uses otherwise than the
 *   library: BPE with a continuing_subword_prefix or dropout, Unigram with byte_fallback, words whose unknown characters would be joined
 *   across spaces, Split or Punctuation that merges with a neighbour, FixedLength, added tokens marked single_word.
 * @throws {LimitError} as readTokenizer.
 */
export function textTokenizer(
  Tokenizer: TokenizerClass,
  text: string | Uint8Array,
  name = "tokenizer.json",
  options: LimitOptions = {},
): TextTokenizer {
  const { unknown } = readTokenizer(text, name, options); // its errors say what is wrong
  const json = JSON.parse(typeof text === "string" ? text : new TextDecoder().decode(text)) as {
    normalizer?: unknown;
    pre_tokenizer?: unknown;
    post_processor?: unknown;
    padding?: { pad_id?: unknown; pad_type_id?: unknown; direction?: unknown } | null;
    truncation?: { max_length?: unknown; direction?: unknown } | null;
  };
  let tokenizer: InstanceType<TokenizerClass>;
  let frames: Frames;
  try {
    checkModel(json);
    frames = framesOf(json.post_processor);
    const normalizer = likeNormalizer(json.normalizer ?? null);
    const pre_tokenizer = likePreTokenizer(json.pre_tokenizer ?? null);
    // Decoders only turn tokens back into text; what is put around texts is put there below.
    const parts = { normalizer, pre_tokenizer, post_processor: null, decoder: null };
    tokenizer = new Tokenizer({ added_tokens: [], ...json, ...parts }, {});
    replaceCharsmaps(normalizer, (tokenizer as { normalizer?: unknown }).normalizer);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidFormatError(
      `${name}: @huggingface/tokenizers cannot use it: ${reason}. Cut the texts into token ids in Python and give those, as an .npz.`,
      { file: name },
      { cause },
    );
  }
  const padId = whole(json.padding?.pad_id) ?? tokenizer.token_to_id("[PAD]") ?? tokenizer.token_to_id("<pad>");
  const padType = whole(json.padding?.pad_type_id);
  const padSide = json.padding?.direction === "Left" ? ("left" as const) : ("right" as const);
  const maskId = tokenizer.token_to_id("[MASK]") ?? tokenizer.token_to_id("<mask>");
  const maxLength = whole(json.truncation?.max_length);
  const fromStart = json.truncation?.direction === "Left";
  const idsOf = (each: string): number[] => {
    const { ids } = tokenizer.encode(each.replace(/\p{Surrogate}/gu, "\ufffd"), { add_special_tokens: false });
    // Where a model has no word for something the package gives nothing, if it does not know that kind of model's own token for it.
    return ids.map((id: number | undefined) => id ?? unknown).filter((id) => id !== undefined);
  };
  return {
    ...{ name, padId, padType, padSide, maskId, maxLength },
    encode: (given, own) => framed((typeof given === "string" ? [given] : given).map(idsOf), frames, fromStart, own),
  };
}

function framed(
  texts: readonly (readonly number[])[],
  { single, pair }: Frames,
  fromStart: boolean,
  { maxLength = Infinity, specialTokens = true }: EncodeOptions = {},
): TextTokens {
  const pieces = (texts.length > 1 ? pair : single).filter((piece) => "text" in piece || specialTokens);
  const around = pieces.reduce((sum, piece) => sum + ("ids" in piece ? piece.ids.length : 0), 0);
  const lengths = texts.map(({ length }) => length);
  const kept = keptLengths(lengths, Math.max(0, maxLength - around));
  const cut = texts.map((ids, i) => (fromStart ? ids.slice(ids.length - kept[i]) : ids.slice(0, kept[i])));
  const ids: number[] = [];
  const types: number[] = [];
  for (const piece of pieces) {
    for (const id of "ids" in piece ? piece.ids : cut[piece.text]) {
      ids.push(id);
      types.push(piece.type);
    }
  }
  const isCut = around > maxLength || kept.some((length, i) => length < lengths[i]);
  // Fewer tokens than belong around: their beginning.
  return around > maxLength
    ? { ids: ids.slice(0, maxLength), types: types.slice(0, maxLength), isCut }
    : { ids, types, isCut };
}

/** The package's own Precompiled knows no table. */
function replaceCharsmaps(part: unknown, made: unknown): void {
  if (!isObject(part)) return;
  if (part.type === "Sequence") {
    const all = list((made as { normalizers?: unknown } | undefined)?.normalizers);
    list(part.normalizers).forEach((each, i) => replaceCharsmaps(each, all[i]));
  } else if (part.type === "Precompiled" && typeof part.precompiled_charsmap === "string") {
    if (typeof (made as { normalize?: unknown } | undefined)?.normalize !== "function")
      throw new UnlikePart("this version of the package has its normaliser elsewhere");
    (made as { normalize: unknown }).normalize = charsmapNormalizer(part.precompiled_charsmap);
  }
}

const whole = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : undefined);
