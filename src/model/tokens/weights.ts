/**
 * Knowing the tokens: how much each row of an embedding table should count, from how often its token occurs. Rows that every
 * sentence reads are then kept closer to what they were than rows that hardly anything reads.
 */
import { InvalidFormatError, InvalidInputError } from "../../errors.js";
import { quote } from "../../formats/json.js";
import { checkNumbers } from "../../options.js";
import { estimateFrequency } from "./frequency.js";
import { readTokenizer, type Tokenizer } from "./tokenizer.js";

export interface TokenWeights {
  /** Relative counts, one a row, all above 0, mean 1: what `rowWeightsOf` takes. */
  weights: Float64Array;
  /** The token of each row as the tokenizer spells it; "" where it has none. */
  tokens: string[];
  /** Where the counts come from, as in "tokenizer.json: 21343 tokens, counts estimated by ..." */
  source: string;
  /** Added tokens that no row is for, in words; absent where there are none. */
  omitted?: string;
}

/**
 * Estimates how often each row of a table is read, from the tokenizer that goes with it.
 *
 * Unigram: the probabilities it stores. BPE: Zipf's law over the order of merges. WordPiece and WordLevel: Zipf's law over the
 * order of ids, which is that of frequency for vocabularies as trainers write them. Tokens put around every text ([CLS], </s>)
 * and [MASK] count as the most frequent one; other special tokens, placeholders such as [unused12] or <extra_id_3> and rows
 * beyond the vocabulary as the rarest. frequency.ts has the details.
 *
 * @param tokenizer a tokenizer.json of Hugging Face as text or UTF-8 bytes, or one that readTokenizer has read
 * @param rows of the table; may lack those of added tokens, and may exceed the vocabulary by 128 or a sixteenth of it, whichever is more, since tables are padded
 * @throws {InvalidFormatError} when it is not a tokenizer.json, of an unknown kind, or has ids far beyond its number of tokens
 * @throws {InvalidInputError} when the table does not fit the vocabulary; the message has both sizes
 */
export function tokenWeights(tokenizer: string | Uint8Array | Tokenizer, rows: number): TokenWeights {
  const read = isRead(tokenizer) ? tokenizer : readTokenizer(tokenizer);
  if (!fitsTable(read, rows)) throw misfit(read, rows);
  const { name, size, tokens } = read;
  if (size > mostIds(tokens.size)) {
    throw new InvalidFormatError(
      `${name}: token ${quote(tokens.get(size - 1)!)} has the id ${size - 1}, but there are only ${tokens.size} tokens; ids are rows of a table. The file is damaged; get it again.`,
      { file: name },
    );
  }
  const { counts, source } = estimateFrequency(read);
  const weights = new Float64Array(rows).fill(counts.reduce((a, b) => Math.min(a, b)));
  weights.set(counts.subarray(0, rows));
  const omitted = leftOut(read, rows);
  return {
    weights: toMeanOne(weights),
    tokens: Array.from({ length: rows }, (_, id) => read.tokens.get(id) ?? ""),
    source: `${read.name}: ${read.size} tokens, ${omitted && `${omitted}, `}counts estimated by ${source}`,
    ...(omitted && { omitted }),
  };
}

/** Ids may leave gaps, but numbers are kept for each: so many at most for so many tokens. */
const mostIds = (tokens: number) => 4 * tokens + 2 ** 16;

/** Added tokens that no row is for, in words. */
function leftOut({ misplaced, size, tokens }: Tokenizer, rows: number): string {
  const beyond = [...tokens.keys()].filter((id) => id >= rows && id < size).length;
  const all = [
    ...(misplaced.length ? [`${misplaced.map((token) => quote(token)).join(", ")}, whose id another token has`] : []),
    ...(beyond ? [`${beyond} added ${beyond === 1 ? "token" : "tokens"} past the table's ${rows} rows`] : []),
  ];
  return all.length ? `without ${all.join(", and ")}` : "";
}

/**
 * Whether a table of so many rows can belong to the tokenizer: as many as it has ids, or a few more; or one that was not made larger for
 * added tokens, which nothing can look up then.
 */
export function fitsTable({ size, leastRows }: Tokenizer, rows: number): boolean {
  return rows >= leastRows && (rows <= size || isPadded(rows, size));
}

/** Whether a table of so many rows can be one of so many tokens: tables are padded. */
export function isPadded(rows: number, tokens: number): boolean {
  return rows >= tokens && rows <= tokens + padding(tokens);
}

/** Rows that a table may have beyond its vocabulary; the most seen in published models is a fortieth. */
const padding = (size: number) => Math.max(128, Math.floor(size / 16));

/** The error for a table that does not fit, with both sizes. */
export function misfit({ name, size, tokens }: Tokenizer, rows: number): InvalidInputError {
  const found = `${name} has ${size} tokens (the last is ${quote(tokens.get(size - 1)!)}), but the table has ${rows} rows`;
  const why =
    rows < size
      ? "a table has a row for each token"
      : `${rows - size} rows without a token are more than padding explains (at most ${padding(size)})`;
  return new InvalidInputError(`${found}: ${why}. Give the tokenizer.json that belongs to this model.`, { file: name });
}

/**
 * The default power of counts. Measured on two models (docs/tokens.md): better than no weights at every size on both; 0.5 is
 * better yet where much is kept and worse than 0.25 where little is.
 */
export const defaultRowWeightsPower = 0.25;

/**
 * Row weights from counts: s_i = (c_i / c_min + 1)^power, scaled to a mean of 1, where c_min is the smallest count above 0. For
 * counts of a text c_min is 1 as a rule; the quotient makes shares of a whole, percentages and counts give the same weights.
 * Quotients above 2^60 count as 2^60.
 *
 * The power is made of square roots, so that every engine gives the same bits.
 *
 * @param counts one a row, at least 0, finite, not all 0
 * @param power a multiple of 1/8 from 0 (all rows alike) to 1. Default 0.25.
 * @throws {InvalidInputError} on another power, or a count that is negative or not finite (it names the row), or all 0
 */
export function rowWeightsOf(counts: ArrayLike<number>, power = defaultRowWeightsPower): Float64Array {
  checkPower(power);
  checkNumbers("counts", counts);
  let least = Infinity;
  for (let i = 0; i < counts.length; ++i) {
    const count = counts[i];
    if (!(count >= 0 && count < Infinity)) {
      throw new InvalidInputError(`The count of row ${i} is ${count}; counts must be finite and at least 0.`, {
        row: i,
      });
    }
    if (count > 0 && count < least) least = count;
  }
  if (least === Infinity) {
    throw new InvalidInputError(
      `All ${counts.length} counts are 0, which tells no row from another; count tokens in some text first.`,
    );
  }
  return toMeanOne(Float64Array.from(counts, (count) => eighths(Math.min(count / least, 2 ** 60) + 1, power * 8)));
}

/** @throws {InvalidInputError} unless it is a multiple of 1/8 from 0 to 1 */
export function checkPower(power: number): void {
  if (!(power >= 0 && power <= 1 && Number.isInteger(power * 8))) {
    throw new InvalidInputError(
      `The power of the counts must be a multiple of 1/8 from 0 to 1, such as 0.125, 0.25 or 0.5; got ${power}.`,
    );
  }
}

/** x^(n / 8) for n from 0 to 8, by square roots. */
function eighths(x: number, n: number): number {
  if (n === 8) return x;
  let result = 1;
  let root = x;
  for (let bit = 4; bit >= 1; bit >>= 1) {
    root = Math.sqrt(root);
    if (n & bit) result *= root;
  }
  return result;
}

/** Divided by their mean, in place. Summed in order, so that every engine gives the same bits. */
function toMeanOne(values: Float64Array): Float64Array {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  return values.map((value) => value / mean);
}

function isRead(tokenizer: string | Uint8Array | Tokenizer): tokenizer is Tokenizer {
  return typeof tokenizer === "object" && "tokens" in tokenizer;
}
