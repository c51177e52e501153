// Texts as token ids, cut to what a model takes; what was cut is counted.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { TextTokenizer } from "../calibrate/text-tokenizer.js";
import { positionsOf, type Sequence, textInputs, usualLength } from "../calibrate/texts.js";
import type { Encoder } from "./task.js";

export interface CountingEncoder extends Encoder {
  /** Texts, or pairs, that were cut. */
  readonly truncated: number;
}

/**
 * @param maxLength tokens a text, at most. Default: as many as the tokenizer's file says, or 512, if the model has as many positions
 * @throws {InvalidInputError} when maxLength is out of range, or the model takes no token ids
 */
export function encoderFor(model: OnnxModel, tokenizer: TextTokenizer, maxLength?: number): CountingEncoder {
  const inputs = textInputs(model);
  const most = Math.min(positionsOf(model), inputs.sequence ?? Infinity);
  const length = maxLength ?? usualLength(model, inputs, tokenizer);
  if (!(Number.isSafeInteger(length) && length >= 1 && length <= most))
    throw new InvalidInputError(`maxLength must be a whole number from 1 to ${most}; got ${length}.`);
  return new Cutting(tokenizer, length);
}

class Cutting implements CountingEncoder {
  truncated = 0;

  constructor(
    private readonly tokenizer: TextTokenizer,
    readonly maxLength: number,
  ) {}

  get maskId(): number | undefined {
    return this.tokenizer.maskId;
  }

  encode(text: string, pair?: string): Sequence {
    const { maxLength } = this;
    const tokens = this.tokenizer.encode(pair === undefined ? text : [text, pair], { maxLength });
    if (tokens.isCut) ++this.truncated;
    return tokens;
  }

  plain(text: string): readonly number[] {
    return this.tokenizer.encode(text, { specialTokens: false }).ids;
  }
}
