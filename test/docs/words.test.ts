// The README is a page that one reads to its end: few words, and plain ones. And its picture shows what the results say.
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

/** What is read aloud: no code, no tables, no comments, no addresses. A list's items and headings end like sentences. */
function prose(text: string): string {
  return text
    .replace(/<!--[^]*?-->/g, "")
    .replace(/^```[^]*?^```$/gm, "")
    .replace(/^( {4}|\|).*$/gm, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/`[^`]*`/g, "it")
    .replace(/^#+ (.*)$/gm, "$1.")
    .replace(/^- (.*(?:\n {2}.*)*)$/gm, "$1.")
    .replace(/[*_]/g, "");
}

const wordsOf = (text: string) => text.match(/[A-Za-z][A-Za-z'’-]*|\d[\d.,]*/g) ?? [];

/** Vowels in a row count once; a last silent e does not. */
function syllablesOf(word: string): number {
  const plain = word.toLowerCase().replace(/[^a-z]/g, "");
  if (plain.length <= 3) return 1;
  const spoken = plain.replace(/(?:[^laeiouy]es|[^td]ed|[^laeiouy]e)$/, "");
  return Math.max(1, spoken.match(/[aeiouy]+/g)?.length ?? 0);
}

/** Flesch's reading ease: 100 is very easy, 60 plain English, 30 hard. */
function readingEase(text: string): number {
  const plain = prose(text);
  const words = wordsOf(plain);
  const sentences = plain.split(/[.!?:]+(?:\s|$)/).filter((each) => wordsOf(each).length > 0);
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0);
  return 206.835 - (1.015 * words.length) / sentences.length - (84.6 * syllables) / words.length;
}

test.each([
  ["a", 1],
  ["model", 2],
  ["table", 2],
  ["make", 1],
  ["compressed", 2],
  ["smaller", 2],
  ["sentence", 2],
])("%s has %i syllables", (word, count) => {
  expect(syllablesOf(word)).toBe(count);
});

describe("reading ease", () => {
  test("tells plain words from others", () => {
    expect(readingEase("The cat sat on the mat. It was a good mat.")).toBeGreaterThan(90);
    expect(readingEase("Considerable generalisation necessitates mathematical sophistication.")).toBeLessThan(0);
  });

  test.each(["README.md", "docs/quick-start.md"])("of %s is above 50", (page) => {
    expect(readingEase(read(page))).toBeGreaterThan(50);
  });
});

test("the README has at most 700 words, code and tables included", () => {
  expect(
    read("README.md")
      .replace(/<!--[^]*?-->/g, "")
      .match(/[^\s|]*\w[^\s|]*/g)!.length,
  ).toBeLessThanOrEqual(700);
});

describe("docs/score.svg, the picture in the README", () => {
  interface Score {
    model: string;
    task: string;
    series: { name: string; points: { megabytes: number; score: number }[] }[];
  }
  const data = JSON.parse(read("docs/score.json")) as Score;

  test("is what bench/score.mjs makes of docs/score.json", async () => {
    const script = pathToFileURL(fileURLToPath(new URL("bench/score.mjs", root))).href;
    const { scorePicture } = (await import(script)) as { scorePicture(data: Score): string };
    expect(read("docs/score.svg")).toBe(scorePicture(data));
  });

  test("shows figures that docs/results.md has", () => {
    const rows = read("docs/results.md").split("\n");
    for (const { megabytes, score } of data.series.flatMap(({ points }) => points)) {
      const [size, mark] = [megabytes.toFixed(2), score.toFixed(2)].map((each) => each.replace(".", "\\."));
      expect(
        rows.some((row) => new RegExp(`\\| ${size} +\\| ${mark} +\\|`).test(row)),
        `${size} ${mark}`,
      ).toBe(true);
    }
  });
});
