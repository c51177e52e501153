// Counts guessed from a tokenizer, and row weights from counts: against how often the reference implementation met each token,
// on vocabularies made up here, and their invariants.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exponential } from "../../src/model/tokens/exponential.js";
import { readTokenizer } from "../../src/model/tokens/tokenizer.js";
import { defaultRowWeightsPower, rowWeightsOf, tokenWeights } from "../../src/model/tokens/weights.js";
import { failure } from "../formats/fixtures.js";

const folder = new URL("../fixtures/tokenizers/", import.meta.url);
const text = (name: string) => readFileSync(fileURLToPath(new URL(`${name}.json`, folder)), "utf8");
const counts: Record<string, number[]> = JSON.parse(text("counts"));

const meanOf = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0) / x.length;

/** Rank correlation: 1 for the same order, 0 for none. Equals share their mean rank. */
function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const ranks = (x: ArrayLike<number>) => {
    const values = Array.from(x);
    return values.map(
      (value) => values.filter((other) => other < value).length + values.filter((other) => other === value).length / 2,
    );
  };
  const [u, v] = [ranks(a), ranks(b)].map((rank) => rank.map((value) => value - meanOf(rank)));
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
}

/** A tokenizer.json of which only what is given differs from a plain one. */
function tokenizerJson(model: object, rest: object = {}): string {
  return JSON.stringify({ version: "1.0", added_tokens: [], post_processor: null, ...rest, model });
}

const wordLevel = (...tokens: string[]) => ({
  type: "WordLevel",
  vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  unk_token: "<unk>",
});

const special = (content: string, id: number) => ({ content, id, special: true });

describe("tokenizers of the reference implementation", () => {
  // The rank correlation with true counts that was attained: a lower one is a regression.
  test.each([
    ["wordpiece", "WordPiece", 160, 0.237],
    ["byte-level-bpe", "BPE", 421, 0.544],
    ["unigram", "Unigram", 105, 0.923],
    ["word-level", "WordLevel", 60, 0.996],
  ])("%s", (name, kind, rows, attained) => {
    const tokenizer = readTokenizer(text(name));
    expect(tokenizer).toMatchObject({ kind, size: rows });
    const { weights, tokens, source } = tokenWeights(text(name), rows);
    expect(spearman(weights, counts[name])).toBeGreaterThanOrEqual(attained);
    expect(meanOf(weights)).toBeCloseTo(1, 12);
    expect(Math.min(...weights)).toBeGreaterThan(0);
    expect(tokens).toHaveLength(rows);
    expect(source).toMatch(new RegExp(`^tokenizer\\.json: ${rows} tokens, .*${kind}`));
  });
});

describe("counts", () => {
  const weigh = (json: string, rows: number) => {
    const { weights, tokens } = tokenWeights(json, rows);
    return (token: string) => weights[tokens.indexOf(token)];
  };

  test("Unigram: ratios are those of the probabilities; what has no score of its own is the rarest", () => {
    const vocab = [["<unk>", 0], ["a", -1], ["b", -3.5], ["c", -9], ["<0x0A>", -2], ["byHand", 0]]; // prettier-ignore
    const weight = weigh(tokenizerJson({ type: "Unigram", vocab, unk_id: 0 }), 6);
    expect(weight("a") / weight("b")).toBeCloseTo(Math.exp(2.5), 12);
    expect(weight("b") / weight("c")).toBeCloseTo(Math.exp(5.5), 9);
    for (const token of ["<unk>", "<0x0A>", "byHand"]) expect(weight(token)).toBe(weight("c"));
    // A score that no text can have given does not stretch the scale without end.
    const wide = weigh(tokenizerJson({ type: "Unigram", vocab: [["a", -1], ["b", -1e10]] }), 2); // prettier-ignore
    expect(wide("a") / wide("b")).toBeLessThan(2 ** 40);
  });

  test("Zipf's law in the order of ids, whatever the order in the file", () => {
    const vocab = { third: 2, first: 0, second: 1 };
    const weight = weigh(tokenizerJson({ type: "WordLevel", vocab }), 3);
    expect(weight("first") / weight("second")).toBeCloseTo(3.7 / 2.7, 12);
    expect(weight("first") / weight("third")).toBeCloseTo(4.7 / 2.7, 12);
  });

  test("BPE: by the order of merges, less what later merges take", () => {
    const tokens = ["<s>", "t", "h", "e", "é", "the", "th", "he", "byHand"];
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    const expected: Record<string, number> = {
      t: 1 / 102.7,
      e: 1 / 102.7,
      he: 1 / 4.7,
      the: 1 / 3.7,
      th: 1 / 2.7 - 1 / 3.7,
    };
    const split = { type: "BPE", vocab, merges: [["t", "h"], ["th", "e"], ["h", "e"]] }; // prettier-ignore
    // The same as older files write it, and with a second way to make "the", which is not another token.
    const joined = { ...split, merges: ["t h", "th e", "h e", "t he"] };
    for (const model of [split, joined]) {
      const weight = weigh(tokenizerJson(model, { added_tokens: [special("<s>", 0)] }), tokens.length);
      for (const token in expected) expect(weight(token) / weight("he")).toBeCloseTo(expected[token] * 4.7, 12);
      for (const token of ["<s>", "é", "byHand"]) expect(weight(token)).toBe(weight("t"));
    }
    // All of it taken away: a tenth stays.
    const gone = { ...split, merges: ["t h", "th e", "th h", "th t"], vocab: { ...vocab, thh: 9, tht: 10 } };
    const weight = weigh(tokenizerJson(gone), 11);
    expect(weight("th") / weight("the")).toBeCloseTo((0.1 / 2.7) * 3.7, 12);
  });

  test("WordPiece: the alphabet stands first but does not count first", () => {
    const vocab = Object.fromEntries(
      ["!", "b", "ب", "##b", "the", "of", "##ing", "and", "word"].map((t, id) => [t, id]),
    );
    const weight = weigh(tokenizerJson({ type: "WordPiece", vocab }), 9);
    expect(weight("the") / weight("word")).toBeCloseTo(6.7 / 2.7, 12);
    expect(weight("the") / weight("##b")).toBeCloseTo(102.7 / 2.7, 12);
    expect(weight("!")).toBe(weight("##b"));
    expect(weight("ب")).toBe(weight("!")); // the rarest there is, here
  });

  test("a vocabulary of characters has no order to go by", () => {
    const vocab = { 一: 0, 丁: 1, 七: 2, ab: 3 };
    const { weights, source } = tokenWeights(tokenizerJson({ type: "WordPiece", vocab }), 4);
    expect([...weights]).toEqual([1, 1, 1, 1]);
    expect(source).toMatch(/no order/);
  });

  test("a vocabulary sorted by spelling has no order to go by either", () => {
    const words = Array.from({ length: 40 }, (_, i) => `w${String(i).padStart(2, "0")}`);
    const distinct = (list: string[]) =>
      new Set(tokenWeights(tokenizerJson(wordLevel(...list)), list.length).weights).size;
    expect(distinct(words)).toBe(1);
    expect(distinct(["the", ...words.slice(0, -1), "and"])).toBe(1);
    expect(distinct(words.map((_, i) => words[(i * 17) % 40]))).toBe(40);
    expect(distinct(words.slice(0, 31))).toBe(31);
  });

  test.each([
    ["TemplateProcessing", { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }], special_tokens: { "<s>": { ids: [0], tokens: ["<s>"] } } }], // prettier-ignore
    ["BertProcessing", { type: "BertProcessing", cls: ["<s>", 0], sep: ["<s>", 0] }],
    ["Sequence", { type: "Sequence", processors: [{ type: "ByteLevel" }, { type: "RobertaProcessing", cls: ["<s>", 0], sep: ["<s>", 0] }] }], // prettier-ignore
  ])("what stands around every text counts as the most frequent token: %s", (_, post_processor) => {
    const added_tokens = [special("<s>", 0), special("<pad>", 1), special("<mask>", 5)];
    const json = tokenizerJson(wordLevel("<s>", "<pad>", "<unk>", "word", "other"), { added_tokens, post_processor });
    const weight = weigh(json, 6);
    for (const token of ["<s>", "<mask>", "<unk>"]) expect(weight(token)).toBe(weight("word"));
    expect(weight("<pad>")).toBe(weight("other"));
    expect(weight("other")).toBeLessThan(weight("word"));
  });

  test.each([
    "[unused12]",
    "<unused5>",
    "<extra_id_3>",
    "<|reserved_special_token_7|>",
    "<|extra_0|>",
    "<|placeholder1|>",
    "madeupword0003",
    "[PAD151645]",
  ])("%s is a placeholder", (token) => {
    // prettier-ignore
    const weight = weigh(tokenizerJson(wordLevel(token, "a1", "b2")), 3);
    expect(weight(token)).toBe(weight("b2"));
  });

  test.each(["unused", "extra", "<extra>", "reserved1", "[12]", "pad"])("%s is a word", (token) => {
    const weight = weigh(tokenizerJson(wordLevel(token, "a1", "b2")), 3);
    expect(weight(token)).toBeGreaterThan(weight("a1"));
  });

  test("rows beyond the vocabulary and ids without a token are the rarest", () => {
    const { weights, tokens } = tokenWeights(tokenizerJson({ type: "WordLevel", vocab: { a1: 0, b2: 2 } }), 64);
    expect(tokens.slice(0, 4)).toEqual(["a1", "", "b2", ""]);
    expect(weights[1]).toBe(weights[2]);
    expect(new Set(weights.subarray(2)).size).toBe(1);
    expect(meanOf(weights)).toBeCloseTo(1, 12);
  });

  test("names that JavaScript's objects have of their own are tokens like others", () => {
    const json = '{"model": {"type": "WordLevel", "vocab": {"__proto__": 0, "constructor": 1, "7": 2}}}';
    expect(tokenWeights(json, 3).tokens).toEqual(["__proto__", "constructor", "7"]);
  });

  test("random vocabularies: positive, mean 1, and only numbers of ids matter, not their spelling", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 3, maxLength: 9 }), { minLength: 1, maxLength: 60 }),
        (words) => {
          const json = tokenizerJson(wordLevel(...words));
          const bytes = new TextEncoder().encode(json);
          const { weights, tokens } = tokenWeights(bytes, words.length);
          expect(tokens).toEqual(words);
          expect(meanOf(weights)).toBeCloseTo(1, 9);
          expect(tokenWeights(json, words.length).weights).toEqual(weights);
          for (let id = 1; id < words.length; ++id) expect(weights[id]).toBeLessThanOrEqual(weights[id - 1]);
        },
      ),
      { numRuns: 60, seed: 20265 },
    );
  });

  test("kinds that older files do not name are told by what the model holds", () => {
    const kindOf = (model: object) => readTokenizer(tokenizerJson(model)).kind;
    expect(kindOf({ vocab: [["a", -1]] })).toBe("Unigram");
    expect(kindOf({ vocab: { a: 0 }, merges: [] })).toBe("BPE");
    expect(kindOf({ vocab: { a: 0 }, continuing_subword_prefix: "##" })).toBe("WordPiece");
    expect(kindOf({ vocab: { a: 0 } })).toBe("WordLevel");
  });
});

describe("errors", () => {
  const plain = tokenizerJson(wordLevel("a", "b", "last"));

  test.each([
    ["text", "hello", /tokenizer\.json: not JSON/],
    ["cut off", plain.replaceAll(",", ",\n").slice(0, 60), /not JSON .* damaged or cut off/],
    ["a NumPy file", Uint8Array.from("\x93NUMPY", (c) => c.charCodeAt(0)), /It is a NumPy \.npy file/],
    ["a list", "[1]", /holds a list/],
    ["null", "null", /holds null/],
    ["config.json", '{"model_type": "bert"}', /this is a config\.json/],
    [
      "tokenizer_config.json",
      '{"tokenizer_class": "BertTokenizer"}',
      /tokenizer_config\.json, which holds no vocabulary/,
    ],
    ["a tokenizer of Keras", '{"class_name": "Tokenizer", "config": {}}', /a tokenizer of Keras/],
    ["vocab.json", '{"a": 0, "b": 1}', /this is a vocab\.json/],
    ["another kind", tokenizerJson({ type: "Neural" }), /"Neural"; Unigram, BPE, WordPiece and WordLevel are known/],
    ["no vocabulary", tokenizerJson({ type: "BPE" }), /should map tokens to ids; it is nothing/],
    ["an empty vocabulary", tokenizerJson({ type: "WordLevel", vocab: {} }), /vocabulary is empty/],
    ["a score that is none", tokenizerJson({ type: "Unigram", vocab: [["a", null]] }), /\[token, score\] pairs/],
    ["an id that is none", tokenizerJson({ type: "WordLevel", vocab: { a: 0.5 } }), /"a" has the id 0\.5/],
    ["one id twice", tokenizerJson({ type: "WordLevel", vocab: { a: 1, b: 1 } }), /"a" and "b" have the same id 1/],
    ["merge of three", tokenizerJson({ type: "BPE", vocab: { a: 0 }, merges: ["a a a"] }), /merge 0 is .*not two/],
    [
      "merge of what is not there",
      tokenizerJson({ type: "BPE", vocab: { a: 0 }, merges: ["a a"] }),
      /merge 0 is of "aa"/,
    ],
    ["an added token without id", tokenizerJson(wordLevel("a"), { added_tokens: [{ content: "x" }] }), /no "id"/],
  ])("%s", async (_, json, message) => {
    const error = await failure(() => readTokenizer(json), "INVALID_FORMAT");
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
    expect(error.place.file).toBe("tokenizer.json");
  });

  test("not UTF-8", async () => {
    const error = await failure(() => readTokenizer(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), "INVALID_FORMAT");
    expect(error.message).toMatch(/not JSON/);
  });

  test("an added token under an id that another has, or past the table, is left out, and said to be", () => {
    const added = [
      { id: 1, content: "<|im_end|>", special: true },
      { id: 3, content: "<pad>", special: true },
    ];
    const json = tokenizerJson(wordLevel("a", "b", "c"), { added_tokens: added });
    const whole = tokenWeights(json, 4);
    expect(whole.tokens).toEqual(["a", "b", "c", "<pad>"]);
    expect(whole.source).toContain('4 tokens, without "<|im_end|>", whose id another token has, counts');
    const cut = tokenWeights(json, 3);
    expect(cut.tokens).toEqual(["a", "b", "c"]);
    expect(cut.weights).toHaveLength(3);
    expect(cut.source).toContain("1 added token past the table's 3 rows, counts");
  });

  test("a table that does not fit: both sizes", async () => {
    const small = await failure(() => tokenWeights(plain, 2), "INVALID_INPUT");
    expect(small.message).toMatch(/3 tokens \(the last is "last"\).* 2 rows.*Give the tokenizer\.json that belongs/);
    const large = await failure(() => tokenWeights(plain, 132), "INVALID_INPUT");
    expect(large.message).toMatch(/3 tokens.*132 rows: 129 rows without a token.*at most 128/);
    expect(tokenWeights(plain, 131).weights).toHaveLength(131);
    // An id that would need a table of gigabytes is refused before anything of that size is allocated.
    const far = tokenizerJson({ type: "WordLevel", vocab: { a: 0, far: 2 ** 50 } });
    expect((await failure(() => tokenWeights(far, 100), "INVALID_INPUT")).message).toContain(String(2 ** 50 + 1));
  });
});

test("ids far beyond the number of tokens, in a table that fits them", async () => {
  const far = tokenizerJson({ type: "WordLevel", vocab: { a: 0, far: 2 ** 30 } });
  const error = await failure(() => tokenWeights(far, 2 ** 30 + 1), "INVALID_FORMAT");
  expect(error.message).toMatch(/^tokenizer\.json: token "far" has the id 1073741824, but there are only 2 tokens/);
  expect(tokenWeights(tokenizerJson({ type: "WordLevel", vocab: { a: 0, b: 60_000 } }), 60_001).weights).toHaveLength(
    60_001,
  );
});

describe("row weights", () => {
  test("(count + 1)^power up to scale, mean 1", () => {
    const counts = Float32Array.of(0, 1, 15, 255, 4095);
    for (const eighth of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      const weights = rowWeightsOf(counts, eighth / 8);
      expect(meanOf(weights)).toBeCloseTo(1, 12);
      counts.forEach((count, i) => expect(weights[i] / weights[0]).toBeCloseTo((count + 1) ** (eighth / 8), 9));
    }
    expect(rowWeightsOf(counts)).toEqual(rowWeightsOf(counts, defaultRowWeightsPower));
  });

  test("counts, shares and percentages give the same weights, to rounding", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 1000000 }), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        fc.nat({ max: 8 }),
        (list, scale, eighth) => {
          const counts = [...list, 1];
          const weights = rowWeightsOf(counts, eighth / 8);
          rowWeightsOf(
            counts.map((count) => count * scale),
            eighth / 8,
          ).forEach((weight, i) => expect(Math.abs(weight / weights[i] - 1)).toBeLessThan(1e-12));
          // More often is never less.
          counts.forEach((count, i) =>
            expect(weights[i] >= weights[counts.length - 1]).toBe(count >= 1 || eighth === 0),
          );
        },
      ),
      { numRuns: 100, seed: 20266 },
    );
  });

  test("numbers at the ends of the range stay finite", () => {
    const weights = rowWeightsOf([5e-324, 1e308, 0], 1);
    expect(weights.every((weight) => weight > 0 && weight < Infinity)).toBe(true);
  });

  test("the same bits in every engine", () => {
    const { weights } = tokenWeights(text("unigram"), 128);
    const bits = (x: Float64Array) => new Uint8Array(x.buffer).reduce((hash, byte) => (hash * 31 + byte) | 0, 7);
    expect([bits(weights), bits(rowWeightsOf(weights, 0.375))]).toEqual([-1105095995, -1490454429]);
  });

  test.each([
    ["a power that is no eighth", [1, 2], 0.3, /multiple of 1\/8 from 0 to 1.*got 0\.3/],
    ["a power above 1", [1, 2], 1.125, /got 1\.125/],
    ["a negative power", [1, 2], -0.25, /got -0\.25/],
    ["NaN as power", [1, 2], NaN, /got NaN/],
    ["a negative count", [1, -2], 0.25, /row 1 is -2/],
    ["NaN as count", [NaN], 0.25, /row 0 is NaN/],
    ["infinity", [1, 2, Infinity], 0.25, /row 2 is Infinity/],
    ["all 0", [0, 0], 0.25, /All 2 counts are 0/],
  ])("%s", async (_, counts, power, message) => {
    expect((await failure(() => rowWeightsOf(counts, power), "INVALID_INPUT")).message).toMatch(message);
  });
});

test("exponential: Math.exp to the last places", () => {
  for (const x of [0, 1, -1, 0.5, -0.34657359, 0.3465736, -27.7, 700, -700]) {
    expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(4.5e-16);
  }
  fc.assert(
    fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => {
      expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(4.5e-16);
    }),
    { numRuns: 2000, seed: 20267 },
  );
  expect([exponential(-701), exponential(-Infinity), exponential(701), exponential(NaN)]).toEqual([
    0,
    0,
    Infinity,
    NaN,
  ]);
});
