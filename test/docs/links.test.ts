// The links of the pages, as they are read in the repository: each file, each heading that is pointed at, is there. And the site.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";

/** What is used of scripts/docs, which is JavaScript. */
interface Scripts {
  brokenLinks(pages: Map<string, string>, exists: (path: string) => boolean): string[];
  markdown(): (text: string) => { html: string };
  sources(root: string): { files: string[] }[];
  buildSite(root: string, out: string): Promise<{ pages: number; broken: string[] }>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const script = async (name: string) => (await import(pathToFileURL(join(root, "scripts/docs", name)).href)) as Scripts;
const { brokenLinks } = await script("links.mjs");
const { markdown } = await script("markdown.mjs");
const { buildSite, sources } = await script("site.mjs");

describe("brokenLinks", () => {
  const render = markdown();
  const broken = (texts: Record<string, string>) =>
    brokenLinks(
      new Map(Object.entries(texts).map(([path, text]) => [path, render(text).html])),
      (path) => path === "there.png",
    );

  test("finds missing files and headings, and leaves other sites alone", () => {
    const a =
      "# A b\n\n[one](docs/b.md) [two](docs/b.md#c-d) [three](gone.md) [four](docs/b.md#gone) [five](https://x.y/gone)";
    const b =
      "# C `d`\n\n[up](../a.md#a-b) [here](#c-d) [out](../gone/) ![there](../there.png) ![gone](gone.png) [x](#gone)";
    expect(broken({ "a.md": a, "docs/b.md": b })).toEqual([
      "a.md: gone.md leads to gone.md, which does not exist.",
      "a.md: docs/b.md#gone leads to the heading #gone, which docs/b.md does not have.",
      "docs/b.md: ../gone/ leads to gone/, which does not exist.",
      "docs/b.md: gone.png leads to docs/gone.png, which does not exist.",
      "docs/b.md: #gone leads to the heading #gone, which docs/b.md does not have.",
    ]);
  });

  test("headings of one text have different anchors, as on GitHub", () => {
    expect(broken({ "a.md": "# A\n\n## B\n\n## B\n\n## It's p = 2\n\n[1](#b) [2](#b-1) [3](#its-p--2)" })).toEqual([]);
    expect(broken({ "a.md": "# A\n\n## B\n\n[2](#b-1)" })).toHaveLength(1);
  });
});

describe("markdown", () => {
  test("formulas become MathML, code and prices do not", () => {
    const { html } = markdown()("$x_1 \\le 2$ and `$y$`\n\n$$|Ax|_p$$\n\n    $ loewner\n");
    expect(html.match(/<math/g)).toHaveLength(2);
    expect(html).toContain("<code>$y$</code>");
  });
  test("a formula that is none is an error", () => {
    expect(() => markdown()("$\\nosuch{$")).toThrow();
  });
});

test("every link of the README and docs/ leads somewhere in the repository", () => {
  const files = sources(root).flatMap((group) => group.files);
  expect(files).toContain("README.md");
  expect(files.filter((file) => file.startsWith("docs/")).sort()).toEqual(
    readdirSync(join(root, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`)
      .sort(),
  );
  const pages = new Map(files.map((file) => [file, markdown()(readFileSync(join(root, file), "utf8")).html]));
  expect(brokenLinks(pages, (path) => existsSync(join(root, path)))).toEqual([]);
});

test("the site is built, its links hold, and nothing in it is loaded from elsewhere", async () => {
  const out = mkdtempSync(join(tmpdir(), "loewner-docs-"));
  try {
    const { pages, broken } = await buildSite(root, out);
    expect(broken).toEqual([]);
    const names = readdirSync(out).filter((name) => name.endsWith(".html"));
    expect(names).toHaveLength(pages);
    for (const name of names) {
      const html = readFileSync(join(out, name), "utf8");
      expect(html, name).not.toMatch(/<(?:script|link|img)[^>]*(?:src|href)="https?:/);
      expect(html, name).not.toMatch(/<script(?![^>]* src=)|<style|<[^>]* style=|type="module"/);
      expect(html.match(/<h1/g), name).toHaveLength(1);
    }
    expect(readFileSync(join(out, "mathematics.html"), "utf8")).toMatch(
      /<script defer src="picture.js">[^]*<div data-picture>/,
    );
    // A classic script, without import or export: one from disk may be no other.
    const picture = readFileSync(join(out, "picture.js"), "utf8");
    expect(() => new Function(picture)).not.toThrow();
    const api = readFileSync(join(out, "api-index.html"), "utf8");
    for (const id of ["createloewner", "loewner", "lowrankoptions"]) expect(api).toContain(`id="${id}"`);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
