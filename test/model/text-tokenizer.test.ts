// Token ids against those of the Python library: small tokenizers of every kind, and texts that are hard to cut.
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { type Text, textTokenizer } from "../../src/model/calibrate/text-tokenizer.js";
import { failure } from "../formats/fixtures.js";

type Short = number[] | { count: number; hash: number };
interface Recorded {
  texts: string[];
  lines: string[];
  pairs: [string, string][];
  sizes: number[];
  tokenizers: Record<
    string,
    {
      texts: Short[];
      bare: Short[];
      pairs: { ids: Short; types: Short }[];
      cut: { ids: number[]; types: number[] }[][];
      left: number[][];
    }
  >;
}
const read = (name: string) =>
  readFileSync(new URL(`../fixtures/tokenizers/torture/${name}.json`, import.meta.url), "utf8");
const recorded = JSON.parse(read("expected")) as Recorded;
const names = Object.keys(recorded.tokenizers);

/** As expect.py shortens long answers. */
function short(numbers: readonly number[] = []): Short {
  if (numbers.length <= 120) return [...numbers];
  return { count: numbers.length, hash: numbers.reduce((total, number) => (total * 31 + number) % 2 ** 31, 0) };
}

describe.each(names)("%s cuts as the tokenizers library of Python", (name) => {
  const expected = recorded.tokenizers[name];
  const tokenizer = textTokenizer(Tokenizer, read(name), name);

  test("texts: empty, long, spaces, emoji, control characters, many scripts, tokens spelled out", () => {
    const found = [...recorded.texts, ...recorded.lines].map((text) => [
      text.slice(0, 80),
      short(tokenizer.encode(text).ids),
    ]);
    expect(found).toEqual(
      [...recorded.texts, ...recorded.lines].map((text, i) => [text.slice(0, 80), expected.texts[i]]),
    );
  });

  test("without the tokens that belong around a text", () => {
    expect(
      recorded.texts.slice(0, 7).map((text) => short(tokenizer.encode(text, { specialTokens: false }).ids)),
    ).toEqual(expected.bare);
  });

  test("pairs with their types, whole and cut, the longer text first", () => {
    const encode = (text: Text, maxLength?: number) => {
      const { ids, types } = tokenizer.encode(text, { maxLength });
      return { ids, types };
    };
    expect(
      recorded.pairs.map((pair) => encode(pair)).map(({ ids, types }) => ({ ids: short(ids), types: short(types) })),
    ).toEqual(expected.pairs);
    for (const [i, size] of recorded.sizes.entries())
      expect([size, recorded.pairs.map((pair) => encode(pair, size))]).toEqual([size, expected.cut[i]]);
  });

  test("cut at the beginning where the file says so", () => {
    const left = JSON.stringify({
      ...(JSON.parse(read(name)) as object),
      truncation: { direction: "Left", max_length: 8, strategy: "LongestFirst", stride: 0 },
    });
    const own = textTokenizer(Tokenizer, left, name);
    expect(recorded.pairs.map((pair) => own.encode(pair, { maxLength: 8 }).ids)).toEqual(expected.left);
  });
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a file of any shape, which the test changes
type Json = Record<string, any>;
const wordpiece = (change: (file: Json) => void) => changed("bert-uncased", change);
/** A tokenizer of the folder with something else in its file. */
function changed(name: string, change: (file: Json) => void) {
  const file = JSON.parse(read(name)) as Record<string, unknown>;
  change(file);
  return textTokenizer(Tokenizer, JSON.stringify(file), "t.json");
}

test("what was cut is said; fewer tokens than belong around are their beginning", () => {
  const tokenizer = textTokenizer(Tokenizer, read("bert-uncased"));
  const { ids } = tokenizer.encode("the cat");
  expect(tokenizer.encode("the cat", { maxLength: ids.length }).isCut).toBe(false);
  expect(tokenizer.encode("the cat", { maxLength: ids.length - 1 }).isCut).toBe(true);
  expect(tokenizer.encode("the cat", { maxLength: 2 })).toEqual({ ids: [2, 3], types: [0, 0], isCut: true });
  expect(tokenizer.encode("the cat", { maxLength: 1 })).toEqual({ ids: [2], types: [0], isCut: true });
  expect(tokenizer.encode("", { maxLength: 2 })).toEqual({ ids: [2, 3], types: [0, 0], isCut: false });
});

test("half of a surrogate pair counts as U+FFFD, as UTF-8 has it", () => {
  for (const name of names) {
    const tokenizer = textTokenizer(Tokenizer, read(name));
    expect(tokenizer.encode("a\ud83db \ude00").ids).toEqual(tokenizer.encode("a\ufffdb \ufffd").ids);
  }
});

test("files of older versions put spaces before words by add_prefix_space", () => {
  const metaspace = { type: "Metaspace", replacement: "\u2581" };
  const own = (pre_tokenizer: object) =>
    changed("t5", (file) => (file.pre_tokenizer = pre_tokenizer)).encode("the cat").ids;
  expect(own({ ...metaspace, add_prefix_space: true })).toEqual(
    own({ ...metaspace, prepend_scheme: "always", split: true }),
  );
  expect(own({ ...metaspace, add_prefix_space: true })).toEqual(
    textTokenizer(Tokenizer, read("t5")).encode("the cat").ids,
  );
});

describe("what the package would cut otherwise than the library is refused", () => {
  const refused: [string, string, (file: Json) => void, RegExp][] = [
    [
      "BPE with a prefix of continuing pieces",
      "gpt2",
      ({ model }) => (model.continuing_subword_prefix = "##"),
      /its BPE has a prefix of continuing pieces \("##"\)/,
    ],
    ["BPE with dropout", "gpt2", ({ model }) => (model.dropout = 0.1), /leaves out merges by chance/],
    ["Unigram with bytes", "t5", ({ model }) => (model.byte_fallback = true), /its Unigram falls back on bytes/],
    [
      "Unigram of words without a mark",
      "t5",
      (file) => (file.pre_tokenizer = { type: "WhitespaceSplit" }),
      /it joins unknown characters/,
    ],
    [
      "a mark before words that is not known",
      "t5",
      ({ model }) => (model.vocab = model.vocab.filter(([token]: [string]) => token !== "\u2581")),
      /it joins unknown characters/,
    ],
    [
      "a token between spaces only",
      "gpt2",
      ({ added_tokens }) => (added_tokens[0].single_word = true),
      /its token "<\|endoftext\|>" counts between spaces only/,
    ],
    [
      "pieces merged with a neighbour",
      "words",
      (file) =>
        (file.pre_tokenizer = { type: "Split", pattern: { String: "-" }, behavior: "MergedWithNext", invert: false }),
      /its Split with behavior "MergedWithNext"/,
    ],
    [
      "punctuation merged with a neighbour",
      "words",
      (file) => (file.pre_tokenizer = { type: "Punctuation", behavior: "MergedWithPrevious" }),
      /its Punctuation with behavior "MergedWithPrevious"/,
    ],
    [
      "pieces of one length",
      "words",
      (file) => (file.pre_tokenizer = { type: "FixedLength", length: 3 }),
      /its FixedLength with length 3/,
    ],
    [
      "a mark of several characters",
      "words",
      (file) => (file.pre_tokenizer = { type: "Metaspace", replacement: "__" }),
      /its Metaspace with replacement "__"/,
    ],
    [
      "a table of SentencePiece that is damaged",
      "t5",
      ({ normalizer }) => (normalizer.normalizers[0].precompiled_charsmap = "AAAA"),
      /its precompiled_charsmap is damaged/,
    ],
    [
      "a table that is no base64",
      "t5",
      ({ normalizer }) => (normalizer.normalizers[0].precompiled_charsmap = "?"),
      /its precompiled_charsmap is damaged/,
    ],
    [
      "a post-processor that is not known",
      "gpt2",
      (file) => (file.post_processor = { type: "Guess" }),
      /its post_processor "Guess" is not known/,
    ],
    [
      "a post-processor in several parts",
      "gpt2",
      (file) =>
        (file.post_processor = {
          type: "Sequence",
          processors: [{ type: "BertProcessing" }, { type: "BertProcessing" }],
        }),
      /several parts/,
    ],
    [
      "a post-processor without ids",
      "bert-cased",
      ({ post_processor }) => (post_processor.sep = ["[SEP]"]),
      /its post_processor is damaged/,
    ],
    [
      "a template of tokens that are not there",
      "bert-uncased",
      ({ post_processor }) => (post_processor.special_tokens = {}),
      /its post_processor is damaged/,
    ],
  ];
  test.each(refused)("%s", async (_, name, change, message) => {
    const error = await failure(() => changed(name, change), "INVALID_FORMAT");
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(
      /^t\.json: @huggingface\/tokenizers cannot use it: .* Cut the texts into token ids in Python/,
    );
  });

  test("a package whose normaliser is elsewhere, where there is a table of SentencePiece", async () => {
    class Other {
      encode = () => ({ ids: [] });
      token_to_id = () => undefined;
    }
    expect((await failure(() => textTokenizer(Other, read("t5")), "INVALID_FORMAT")).message).toMatch(
      /this version of the package has its normaliser elsewhere/,
    );
  });
});

test("parts in one of several: ends within a Sequence, a Sequence of ByteLevel alone, none at all", () => {
  const whole = textTokenizer(Tokenizer, read("bert-uncased")).encode(["the", "cat"]);
  const within = wordpiece(
    (file) => (file.post_processor = { type: "Sequence", processors: [{ type: "ByteLevel" }, file.post_processor] }),
  );
  expect(within.encode(["the", "cat"])).toEqual(whole);
  const none = wordpiece((file) => delete file.post_processor).encode(["the", "cat"]);
  expect(none.ids).toEqual(whole.ids.filter((id) => id > 4));
  expect(
    wordpiece((file) => (file.post_processor = { type: "Sequence", processors: [] })).encode(["the", "cat"]),
  ).toEqual(none);
  expect(new Set(none.types)).toEqual(new Set([0, 1]));
});
