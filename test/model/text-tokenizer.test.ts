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
