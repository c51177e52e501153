// Every block of code in README and docs/ is run as it stands, in a folder of made files, and prints what the page shows.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../cli/run.js";
import { blocksOf, commandsOf, type Block } from "./blocks.js";
import { writeMadeFiles } from "./made.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const blocks = new Map(pages.map((page) => [page, blocksOf(page, readFileSync(join(root, page), "utf8"))]));
const all = [...blocks.values()].flat();

let made: string;
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), "loewner-made-"));
  await writeMadeFiles(made);
});
afterAll(() => rmSync(made, { recursive: true, force: true }));

/** Of a page, whose blocks go on from each other: the made files, and the package as it is installed. */
function folderOfPage(): string {
  const folder = mkdtempSync(join(tmpdir(), "loewner-page-"));
  cpSync(made, folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/loewner"), "junction");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

function runScript(folder: string, { code, given, then, shown, place }: Block): void {
  writeFileSync(join(folder, "block.mjs"), [given, code, then].join("\n"));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["block.mjs"], { cwd: folder, encoding: "utf8" });
  expect({ place, status, stderr }).toEqual({ place, status: 0, stderr: "" });
  expect(stdout.trimEnd()).toBe(shown ?? "");
}

function runCommands(folder: string, { code, place }: Block): void {
  for (const { words, shown } of commandsOf(code)) {
    const [program, ...args] = words[0] === "npx" ? words.slice(1) : words;
    if (program === "npm") continue; // npm's own, counted below
    expect(program, place).toBe("loewner");
    const { status, stdout, stderr } = run(folder, ...args);
    expect({ place, args, status, stderr }).toEqual({ place, args, status: 0, stderr: "" });
    if (shown !== undefined) expect(withoutTimes(stdout)).toBe(withoutTimes(shown));
  }
}

const withoutTimes = (text: string) => text.replace(/\d+(\.\d+)? s\b/g, "- s").trimEnd();

const runners: Record<string, (folder: string, block: Block) => void> = { js: runScript, sh: runCommands };

const runnable = (page: string) =>
  blocks.get(page)!.filter(({ language, notRun }) => language in runners && notRun === undefined);

describe.each(pages.filter((page) => runnable(page).length > 0))("%s", (page) => {
  let folder: string;
  beforeAll(() => {
    folder = folderOfPage();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(runnable(page))("$place runs and prints what is shown", (block) => {
    runners[block.language](folder, block);
  });
});

test("every block says its language: what has none is shown output, or no code", () => {
  const commands = all.filter(({ language, code }) => language === "" && /^(\$ )?(npx )?loewner /m.test(code));
  expect(commands.map(({ place }) => place)).toEqual([]);
});

test("comments in shell blocks begin with #", () => {
  const other = all
    .filter(({ language }) => language === "sh")
    .flatMap(({ place, code }) => code.split("\n").map((line) => ({ place, line })))
    .filter(({ line }) => /\S {3,}[^#\s\\]/.test(line.replace(/\s#.*/, "")));
  expect(other.filter(({ line }) => /^(npx |npm |loewner )/.test(line))).toEqual([]);
});

test("what is not run is listed here, with the reason", () => {
  const left = all.filter(({ notRun }) => notRun !== undefined);
  expect(left.map(({ place, notRun }) => `${place.split(":")[0]}: ${notRun}`)).toMatchInlineSnapshot(`
    [
      "README.md: this very command",
      "docs/cluster.md: a Redis server and several machines",
      "docs/cluster.md: Docker",
      "docs/cluster.md: a Redis server",
      "docs/cluster.md: what may be given, not a command",
      "docs/compress.md: PyTorch",
      "docs/evaluate.md: examples of a task",
      "docs/evaluate.md: examples of a task",
      "docs/fuzzing.md: half an hour",
      "docs/inspect.md: a trained model",
      "docs/long-runs.md: a run that is killed",
      "docs/other-tools.md: onnx and onnxruntime for Python",
      "docs/page.md: a server that goes on until it is stopped",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/paper.md: the hub, which test/docs/paper.test.ts stands in for",
      "docs/runtimes.md: esbuild, which test/package runs",
      "docs/runtimes.md: Rollup, which test/package runs",
      "docs/runtimes.md: workerd, which test/examples runs",
      "docs/runtimes.md: Vercel's edge",
      "docs/trellis-code.md: numpy",
    ]
  `);
});

test("blocks in languages that nothing here runs", () => {
  const other = all.filter(({ language, notRun }) => language !== "" && !(language in runners) && notRun === undefined);
  expect(other.map(({ place, language }) => `${place.split(":")[0]}: ${language}`)).toMatchInlineSnapshot(`
    [
      "docs/inspect.md: json",
      "docs/page.md: html",
      "docs/paper.md: python",
      "docs/runtimes.md: html",
    ]
  `);
});
