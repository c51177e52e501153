/** What a tokenizer puts around one text or two, their types, and how much of each is left where they are too long. */
import { isObject, list, UnlikePart } from "./tokenizer-parts.js";

/** A part of the whole: the first text, the second, or tokens of the tokenizer's own. */
export type Piece =
  { readonly text: 0 | 1; readonly type: number } | { readonly ids: readonly number[]; readonly type: number };

export interface Frames {
  readonly single: readonly Piece[];
  readonly pair: readonly Piece[];
}

const [first, second]: Piece[] = [
  { text: 0, type: 0 },
  { text: 1, type: 1 },
];

/**
 * @param processor post_processor of a tokenizer.json
 * @throws {UnlikePart} when it is of a kind that is not known, or damaged
 */
export function framesOf(processor: unknown): Frames {
  if (processor === null || processor === undefined) return { single: [first], pair: [first, second] };
  if (!isObject(processor)) throw new UnlikePart("its post_processor is damaged");
  switch (processor.type) {
    case "ByteLevel": // of the places of tokens only
      return framesOf(null);
    case "Sequence": {
      const others = list(processor.processors).filter((each) => !isObject(each) || each.type !== "ByteLevel");
      if (others.length > 1) throw new UnlikePart("its post_processor has several parts");
      return framesOf(others[0]);
    }
    case "BertProcessing": {
      const [cls, sep] = [endOf(processor.cls), endOf(processor.sep)];
      const single = [{ ids: cls, type: 0 }, first, { ids: sep, type: 0 }];
      return { single, pair: [...single, second, { ids: sep, type: 1 }] };
    }
    case "RobertaProcessing": {
      const [cls, sep] = [endOf(processor.cls), endOf(processor.sep)].map((ids) => ({ ids, type: 0 }));
      return { single: [cls, first, sep], pair: [cls, first, sep, sep, { text: 1, type: 0 }, sep] };
    }
    case "TemplateProcessing": {
      const pieces = (template: unknown) => list(template).map((each) => pieceOf(each, processor.special_tokens));
      return { single: pieces(processor.single), pair: pieces(processor.pair) };
    }
    default:
      throw new UnlikePart(`its post_processor ${JSON.stringify(processor.type)} is not known`);
  }
}

/** [token, id] */
function endOf(end: unknown): readonly number[] {
  const id = list(end)[1];
  if (typeof id !== "number") throw new UnlikePart("its post_processor is damaged");
  return [id];
}

function pieceOf(piece: unknown, specials: unknown): Piece {
  const { Sequence, SpecialToken } = isObject(piece) ? piece : {};
  if (isObject(Sequence) && (Sequence.id === "A" || Sequence.id === "B") && typeof Sequence.type_id === "number")
    return { text: Sequence.id === "A" ? 0 : 1, type: Sequence.type_id };
  if (isObject(SpecialToken) && typeof SpecialToken.id === "string" && typeof SpecialToken.type_id === "number") {
    const token =
      isObject(specials) && Object.hasOwn(specials, SpecialToken.id) ? specials[SpecialToken.id] : undefined;
    const ids = isObject(token) ? list(token.ids) : [];
    if (ids.length > 0 && ids.every((id) => typeof id === "number"))
      return { ids: ids as number[], type: SpecialToken.type_id };
  }
  throw new UnlikePart("its post_processor is damaged");
}

/**
 * Tokens that are kept of one text, or of each of two, of at most `most` together: the longer one is cut until both are equal, then both.
 * The second has the odd token where both are cut, as "longest first" of the library.
 */
export function keptLengths(lengths: readonly number[], most: number): number[] {
  if (lengths.length < 2) return lengths.map((length) => Math.min(length, most));
  const [a, b] = lengths;
  if (a + b <= most) return [a, b];
  const short = Math.min(a, b);
  let long = short > most ? short : Math.max(short, most - short);
  let kept = short;
  if (short + long > most) {
    kept = Math.floor(most / 2);
    long = kept + (most % 2);
  }
  return a > b ? [long, kept] : [kept, long];
}
