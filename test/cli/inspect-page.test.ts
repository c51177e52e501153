// The page of inspect --html: well formed, self-contained, and what it plots.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Inspection } from "../../src/model/index.js";
import { bytesOf, run, smallModel, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inspect = (...args: string[]) => run(folder, "inspect", ...args);
const json = (...args: string[]) => JSON.parse(inspect(...args, "--json").stdout) as Inspection;

describe("--html", () => {
  const hostile = "</script><script>alert(1)</script><!-- \"quoted\" & 'more' word_embeddings";
  let page: string;
  beforeAll(async () => {
    await writeModel(folder, "hostile.safetensors", [...smallModel(), tensor(hostile, 64, 4)]);
    expect(inspect("hostile.safetensors", "--html", "page.html", "--spectrum", "all", "--force").status).toBe(0);
    page = bytesOf(folder, "page.html").toString();
  });

  const blocks = (tag: string) =>
    [...page.matchAll(new RegExp(`<${tag}( [^>]*)?>([^]*?)</${tag}>`, "g"))].map((m) => [m[1] ?? "", m[2]]);
  const withoutCode = () => page.replace(/(<(script|style)[^>]*>)[^]*?(<\/\2>)/g, "$1$3");

  test("every tag is closed in its turn", () => {
    const open: string[] = [];
    for (const [, end, tag] of withoutCode().matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^>]*)?>/g)) {
      if (["meta", "wbr"].includes(tag)) continue;
      if (end) expect(open.pop()).toBe(tag);
      else open.push(tag);
    }
    expect(open).toEqual([]);
  });

  test("refers to nothing outside, and its policy allows its own scripts and style alone", () => {
    expect(page).not.toMatch(/https?:\/\/|\bsrc=|\bhref=|@import|url\(/);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)![1];
    expect(policy).toMatch(/^default-src 'none'; /);
    const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    const [data, ...scripts] = blocks("script");
    expect(data[0]).toContain("application/json");
    expect(scripts).toHaveLength(2);
    // What uPlot's licence asks of every copy.
    expect(scripts[0][1]).toMatch(
      /Copyright \(c\) \d+ Leon Sorokin[^]*The above copyright notice and this permission notice/,
    );
    expect(policy).toContain(`script-src ${scripts.map(([, text]) => hash(text)).join(" ")};`);
    expect(policy).toContain(`style-src ${hash(blocks("style")[0][1])};`);
    expect(page).not.toMatch(/ style="| on[a-z]+="/);
  });

  test("a name is text wherever it stands", () => {
    expect(page).not.toContain("<script>alert");
    const text = withoutCode().replaceAll("<wbr>", "");
    expect(text).toContain(
      "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- &quot;quoted&quot; &amp; &#39;more&#39;",
    );
  });

  test("plots what the JSON says", () => {
    const { layers } = JSON.parse(blocks("script")[0][1]);
    const known = json("hostile.safetensors", "--spectrum", "all").layers.filter(({ spectrum }) => spectrum);
    known.sort((a, b) => b.bytes - a.bytes);
    expect(layers).toHaveLength(known.length);
    known.forEach(({ spectrum, shape: [rows, cols] }, i) => {
      const { singularValues, errors, auto, sharePerRank, sigmaId, errorId } = layers[i];
      expect(sharePerRank).toBe((rows + cols) / (rows * cols));
      expect(singularValues).toEqual(spectrum!.singularValues.map((x) => Number(x.toPrecision(5))));
      for (const { rank, error } of spectrum!.errors) expect(errors[rank]).toBe(Number(error.toPrecision(5)));
      expect(auto.map(({ keep }: { keep: number }) => keep)).toEqual(spectrum!.auto.map(({ keep }) => keep).reverse());
      for (const id of [sigmaId, errorId]) expect(page.split(`id="${id}"`)).toHaveLength(2);
    });
  });

  test("tables have captions, and heads with a scope", () => {
    const tables = blocks("table").map(([, text]) => text);
    expect(tables.length).toBeGreaterThan(1);
    for (const text of tables) expect(text).toMatch(/^\s*<caption>./);
    for (const [head] of page.matchAll(/<th\b[^>]*>/g)) expect(head).toMatch(/ scope="(row|col)"/);
    expect(blocks("h1")).toEqual([["", "hostile.safetensors"]]);
  });

  test("is the same for any run, and has no plots without spectra", () => {
    inspect("hostile.safetensors", "--html", "again.html", "--spectrum", "all", "--force");
    expect(bytesOf(folder, "again.html").toString()).toBe(page);
    inspect("model.safetensors", "--html", "plain.html", "--no-spectrum", "--force");
    expect(bytesOf(folder, "plain.html").toString()).not.toContain("<h2>Spectra");
  });
});
