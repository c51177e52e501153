// A tokenizer.json that cuts texts: the package @huggingface/tokenizers does it, which whoever calls brings along.
import { InvalidFormatError } from "../../errors.js";
import type { LimitOptions } from "../../formats/limits.js";
import { readTokenizer } from "../tokens/tokenizer.js";

/** Cuts texts into tokens. */
export interface TextTokenizer {
  /** File name, for messages. */
  readonly name?: string;
  /** With the tokens that belong around a text, or without them. */
  encode(text: string, options?: { add_special_tokens?: boolean }): { readonly ids: readonly number[] };
  /** What shorter texts of a batch are filled up with. */
  readonly padId?: number;
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
 * A tokenizer of that package from its file.
 * @param text tokenizer.json, as text or as UTF-8 bytes
 * @throws {InvalidFormatError} when it is no tokenizer.json, or has parts that the package does not know.
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
    padding?: { pad_id?: unknown } | null;
    truncation?: { max_length?: unknown } | null;
  };
  const parts = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
  let tokenizer: InstanceType<TokenizerClass>;
  try {
    // Decoders only turn tokens back into text.
    tokenizer = new Tokenizer({ ...parts, ...json, decoder: null }, {});
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidFormatError(
      `${name}: @huggingface/tokenizers cannot use it: ${reason}. Cut the texts into token ids in Python and give those, as an .npz.`,
      { file: name },
      { cause },
    );
  }
  const padId = whole(json.padding?.pad_id) ?? tokenizer.token_to_id("[PAD]") ?? tokenizer.token_to_id("<pad>");
  const maxLength = whole(json.truncation?.max_length);
  return {
    ...{ name, padId, maxLength },
    encode(each, own) {
      // Where a model has no word for something the package gives nothing, if it does not know that kind of model's own token for it.
      const ids = tokenizer.encode(each, own).ids.map((id: number | undefined) => id ?? unknown);
      return { ids: ids.filter((id) => id !== undefined) };
    },
  };
}

const whole = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : undefined);
