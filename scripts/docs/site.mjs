// The docs as a static site of one folder: README and docs/*.md, the API, and the picture alive in the page about the mathematics.
// Works from any host, below any path, and from a file on disk.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { apiPages } from "./api.mjs";
import { brokenLinks } from "./links.mjs";
import { markdown } from "./markdown.mjs";
import { page } from "./page.mjs";

/** Order of the pages that have one; others of docs/ follow in the first group. */
const order = {
  Start: ["README", "docs/README", "docs/quick-start"],
  Use: [
    ...[
      "commands",
      "quality",
      "compress",
      "evaluate",
      "paper",
      "results",
      "inspect",
      "tokens",
      "page",
      "runtimes",
      "threads",
      "large",
    ],
    ...["long-runs", "cluster", "exporters", "other-tools", "limits"],
  ].map((name) => `docs/${name}`),
  Mathematics: [
    ...["mathematics", "low-rank", "lewis-weights", "leverage", "level-set", "min-volume", "sensitivities", "coreset"],
    ...["subspace", "entrywise", "quantise", "codes", "trellis-code", "numbers"],
  ].map((name) => `docs/${name}`),
  Maintaining: [
    "CONTRIBUTING",
    ...["performance", "scaling", "measure", "coverage", "fuzzing"].map((name) => `docs/${name}`),
    ...["SECURITY", "CHANGELOG"],
  ],
};
/** An image of this name gives way to what it shows. */
const picture = "picture.png";

const htmlName = (source) => (source === "README.md" ? "index.html" : `${basename(source, ".md").toLowerCase()}.html`);

/** Markdown files of the repository that are pages, in order. */
export function sources(root) {
  const found = readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  const groups = Object.entries(order).map(([name, files]) => ({
    name,
    files: files.map((file) => `${file}.md`).filter((file) => existsSync(join(root, file))),
  }));
  const placed = new Set(groups.flatMap(({ files }) => files));
  groups[1].files.push(...found.filter((file) => !placed.has(file)));
  return groups;
}

/**
 * Writes the site into `out`, which is emptied first.
 *
 * @returns {Promise<{ pages: number, broken: string[] }>} broken: a sentence for each link that leads nowhere
 */
export async function buildSite(root, out) {
  const api = await apiPages(root);
  const texts = sources(root).map(({ name, files }) => ({
    name,
    pages: files.map((file) => ({ file, path: htmlName(file), ...render(root, file) })),
  }));
  const modules = api.map(({ name, page: path, text }) => {
    const link = (href) => href.replace(/^(\w+)\.md/, (_, module) => `api-${module}.html`);
    const { html, headings } = markdown({ html: true, link })(text);
    return {
      path,
      title: name,
      body: `<h1>${name}</h1>\n${html}`,
      contents: headings.filter(({ level }) => level <= 3),
    };
  });
  const groups = [...texts.slice(0, -1), { name: "API", pages: modules }, texts.at(-1)].map(({ name, pages }) => ({
    name,
    pages: pages.map(({ path, title }) => ({ path, title })),
  }));

  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const written = new Map();
  for (const { file, path, title, body, headings, live } of texts.flatMap(({ pages }) => pages)) {
    const head = live ? '<link rel="stylesheet" href="picture.css">\n<script defer src="picture.js"></script>\n' : "";
    const long = file.endsWith("CHANGELOG.md") ? [] : headings.filter(({ level }) => level === 2);
    written.set(path, page({ path, title, body, groups, contents: long.length > 3 ? long : [], head }));
  }
  for (const one of modules) written.set(one.path, page({ ...one, groups }));
  for (const [path, html] of written) writeFileSync(join(out, path), html);

  copyFileSync(fileURLToPath(new URL("site.css", import.meta.url)), join(out, "site.css"));
  const font = import.meta.resolve("@fontsource/noto-sans-math/files/noto-sans-math-latin-400-normal.woff2");
  copyFileSync(fileURLToPath(font), join(out, "math.woff2"));
  for (const name of readdirSync(join(root, "docs"))) {
    if (/\.(png|svg)$/.test(name)) copyFileSync(join(root, "docs", name), join(out, name));
  }
  await buildPicture(root, out);
  return { pages: written.size, broken: brokenLinks(written, (path) => existsSync(join(out, path))) };
}

function render(root, file) {
  let live = false;
  const folder = posix.dirname(file);
  const image = (src, alt) => {
    if (basename(src) !== picture) return `<img src="${basename(src)}" alt="${alt}">`;
    live = true;
    return `<div data-picture><img src="${picture}" alt="${alt}"></div>`;
  };
  const link = (href) => {
    if (/^[a-z]+:/.test(href)) return href;
    const [path, fragment] = href.split("#");
    const target = posix.normalize(posix.join(folder, path));
    const isPage = target.endsWith(".md") && (target.startsWith("docs/") || !target.includes("/"));
    if (isPage) return htmlName(target) + (fragment ? `#${fragment}` : "");
    if (/^docs\/[^/]+\.(png|svg)$/.test(target)) return basename(target);
    return undefined;
  };
  const { title, html, headings } = markdown({ link, image })(readFileSync(join(root, file), "utf8"));
  return { title, body: html, headings, live };
}

/** A classic script and its style: pages opened from disk may not load modules. */
async function buildPicture(root, out) {
  await build({
    root: join(root, "web/picture"),
    configFile: false,
    logLevel: "error",
    base: "./",
    // What a classic script has in its place. The picture runs on one thread and never asks for the script of workers.
    define: { "import.meta.url": "document.baseURI" },
    build: {
      outDir: out,
      emptyOutDir: false,
      copyPublicDir: false,
      lib: {
        entry: "main.ts",
        formats: ["iife"],
        name: "picture",
        fileName: () => "picture.js",
        cssFileName: "picture",
      },
    },
  });
}
