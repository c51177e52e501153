/**
 * How often each token of a vocabulary occurs, guessed from its tokenizer alone: relative counts.
 *
 * Unigram says it: a score is the logarithm of the token's probability. The others tell an order, which Zipf's law turns into
 * counts, 1 / (rank + 2.7) for ranks from 0 (Mandelbrot's form, with the constant that fits English words):
 *
 *   BPE         the order of merges: a pair is merged when it is the most frequent one. Later merges take most of its
 *               occurrences away again ("th" lives on in "the"), so what they take is subtracted.
 *   WordPiece   the order of ids: trainers write tokens as they find them, frequent ones first.
 *   WordLevel   the order of ids: trainers sort by frequency.
 *
 * Limits: the ids of a WordPiece or WordLevel vocabulary that is sorted by spelling tell nothing, and where most of its tokens
 * are single characters (Chinese) they are; then all counts are equal. Another order that is not by frequency is not seen.
 * Characters beyond ASCII that no merge makes count as the rarest of a BPE or WordPiece model, whatever the language.
 *
 * Sources: Zipf, Human behavior and the principle of least effort (1949); Mandelbrot, An informational theory of the
 * statistical structure of language (1953); Kudo, arXiv 1804.10959 (Unigram); Sennrich, Haddow, Birch, arXiv 1508.07909 (BPE).
 */
import { exponential } from "./exponential.js";
import type { Tokenizer } from "./tokenizer.js";

export interface FrequencyEstimate {
  /** Relative counts by id, all above 0. Ids without a token have the smallest. */
  counts: Float64Array;
  /** Where they come from, in words. */
  source: string;
}

/** Zipf's law in Mandelbrot's form: relative count of the token with this rank, from 0. */
const zipf = (rank: number) => 1 / (rank + 2.7);

/** Rank whose count characters of ASCII get: on BERT's vocabulary and on trained ones their mean logarithm lies at about 100. */
const characterRank = 100;

/** Share of a merged token's occurrences that stays whatever later merges take: the estimate knows ranks, not counts. */
const remainder = 0.1;

/** What no text used to train a tokenizer could tell from never: about one in 10^12 tokens. */
const rarest = 2 ** -40;

/** Rows that exist to be filled in later, and bytes that no other token covers. */
const placeholder =
  /^[<[]\|?(unused|reserved|extra_id|extra|placeholder|dummy|pad)[a-z_-]*\d+\|?[>\]]$|^madeupword\d+$|^<0x[0-9a-f]{2}>$/i;

/** A masked language model is asked with one of these in each text. */
const mask = /^[<[]\|?mask\|?[>\]]$/i;

/** Cost: one pass over the vocabulary and its merges. Allocates one number an id, so `size` must be known to be sane. */
export function estimateFrequency(tokenizer: Tokenizer): FrequencyEstimate {
  const { size, tokens, kind } = tokenizer;
  const counts = new Float64Array(size);
  const ordinary = [...tokens.keys()].filter((id) => isOrdinary(tokenizer, id)).sort((a, b) => a - b);
  const source = countOrdinary(counts, tokenizer, ordinary);

  let least = Infinity;
  let most = 0;
  for (const count of counts) {
    if (count > 0) least = Math.min(least, count);
    most = Math.max(most, count);
  }
  if (most === 0)
    return { counts: counts.fill(1), source: `nothing, as its ${kind} model has only special tokens: all alike` };
  for (let id = 0; id < size; ++id) if (counts[id] === 0) counts[id] = least;
  for (const id of frequent(tokenizer)) counts[id] = most;
  return { counts, source };
}

/** Counts of what texts are made of; what nothing is known of stays 0. Returns where they come from. */
function countOrdinary(counts: Float64Array, tokenizer: Tokenizer, ordinary: number[]): string {
  const { tokens, kind, scores, merges } = tokenizer;
  if (kind === "Unigram") {
    for (const id of ordinary) counts[id] = Math.max(rarest, exponential(scores![id]));
    return "the scores of its Unigram model";
  }
  const characters = ordinary.filter((id) => isCharacter(tokens.get(id)!));
  const words = ordinary.filter((id) => !isCharacter(tokens.get(id)!));
  const hasOrder =
    kind === "BPE"
      ? merges!.length > 0
      : words.length > characters.length && !isSorted(words.map((id) => tokens.get(id)!));
  if (!hasOrder) {
    for (const id of ordinary) counts[id] = 1;
    return `nothing, as its ${kind} model has no order to go by: all alike`;
  }
  if (kind === "WordLevel") {
    ordinary.forEach((id, rank) => (counts[id] = zipf(rank)));
    return "Zipf's law over the ids of its WordLevel model";
  }
  // Trainers list the alphabet first, sorted by code point: its order tells nothing.
  for (const id of characters) if (isAscii(tokens.get(id)!)) counts[id] = zipf(characterRank);
  if (kind === "BPE") {
    countMerged(counts, merges!);
    return "Zipf's law over the merges of its BPE model";
  }
  words.forEach((id, rank) => (counts[id] = zipf(rank)));
  return "Zipf's law over the ids of its WordPiece model";
}

/** Sorted by spelling: so it is with nine neighbours in ten, where an order of frequency has five. A few words say nothing. */
function isSorted(words: string[]): boolean {
  let ascents = 0;
  for (let i = 1; i < words.length; ++i) if (words[i - 1] < words[i]) ++ascents;
  return words.length >= 32 && ascents > 0.9 * (words.length - 1);
}

/** BPE: what each merge makes, less what later merges take of it. `merges` as in Tokenizer. */
function countMerged(counts: Float64Array, merges: Int32Array): void {
  // Files made from other formats list every split of a token: the first one makes it.
  const made = new Map<number, number>();
  for (let i = 0; i < merges.length; i += 3) {
    if (!made.has(merges[i + 2])) made.set(merges[i + 2], i);
  }
  const before = new Map<number, number>();
  for (const id of made.keys()) before.set(id, zipf(before.size));
  for (const [id, count] of before) counts[id] = count;
  for (const [id, i] of made) {
    for (const part of [merges[i], merges[i + 1]]) if (before.has(part)) counts[part] -= before.get(id)!;
  }
  for (const [id, count] of before) counts[id] = Math.max(counts[id], remainder * count);
}

/** Not special, not a placeholder, and (Unigram) with a score of its own: those put in by hand have 0, a certain event. */
function isOrdinary({ tokens, scores, special, framing, unknown }: Tokenizer, id: number): boolean {
  if (special.has(id) || framing.has(id) || id === unknown || placeholder.test(tokens.get(id)!)) return false;
  return scores === undefined || scores[id] < 0;
}

/** What occurs in every text; in word vocabularies also the token of all words that are missing, some in a hundred. */
function frequent({ kind, tokens, framing, special, unknown }: Tokenizer): number[] {
  const masks = [...special].filter((id) => mask.test(tokens.get(id)!));
  return [...framing, ...masks, ...(kind === "WordLevel" && unknown !== undefined ? [unknown] : [])];
}

/** One character, after the mark of WordPiece for the middle of a word. */
function isCharacter(token: string): boolean {
  const inWord = token.length > 2 && token.startsWith("##") ? token.slice(2) : token;
  return inWord.length <= 2 && [...inWord].length === 1;
}

function isAscii(token: string): boolean {
  return token.codePointAt(token.length - 1)! < 128;
}
