// Which lines and functions of src/ the tests run: writes docs/coverage.md.
//
//   node scripts/coverage.mjs [FILE OF TESTS ...]     with files: what these alone run, to build/coverage.md
//   node scripts/coverage.mjs --report                of what the last run left behind
//
// Tests import src/, or run dist/: in this process, in threads, in processes of the command line. vitest counts the first two; the others
// leave V8's own counts behind. What ran in dist/ is led back to src/ by source maps, line by line.
//
// Why not by vitest or c8 alone: vitest does not count processes; what turns V8's counts into those of a source (ast-v8-to-istanbul)
// looks for statements in the bundle, where rolldown has folded one into the next (1 line in 70 would be said not to run), and functions of
// src/ and of dist/, whose bodies begin elsewhere, would count twice (4932 for 3240). c8 has no statements: a comment is a line like any.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { setup } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const at = (...parts) => join(root, ...parts);
const isReport = process.argv[2] === "--report";
const only = isReport ? [] : process.argv.slice(2);
const node = (...args) => execFileSync(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });

/** One file of src/: the lines on which statements begin, and its functions. */
class Source {
  /** Line -> true once it ran. */
  lines = new Map();
  functions = [];

  ran(line) {
    if (this.lines.has(line)) this.lines.set(line, true);
  }

  /** It ran when it was counted, or a line inside it ran elsewhere. */
  hasRun({ counted, start, end }) {
    if (counted || start === end) return counted || this.lines.get(start) === true;
    for (let line = start + 1; line <= end; ++line) if (this.lines.get(line)) return true;
    return false;
  }
}

/** Source maps of dist/, by file. */
const maps = new Map();
function mapOf(file) {
  if (!maps.has(file)) {
    const path = at("build/maps", `${relative(at("dist"), file)}.map`);
    maps.set(file, existsSync(path) ? mapped(JSON.parse(readFileSync(path, "utf8")), dirname(file)) : undefined);
  }
  return maps.get(file);
}

function mapped(payload, folder) {
  const map = new SourceMap(payload);
  return (line, column) => {
    const { originalSource, originalLine } = map.findEntry(line, column);
    return originalSource && { file: resolve(folder, originalSource.replace("file://", "")), line: originalLine + 1 };
  };
}

const sources = new Map();
const markRun = (found) => found && sources.get(found.file)?.ran(found.line);

/** What vitest counted, in src/ itself and in dist/ as this process ran it. */
function readCounted() {
  const counted = Object.values(JSON.parse(readFileSync(at("build/coverage/coverage-final.json"), "utf8")));
  for (const { path, statementMap, fnMap, s, f } of counted.filter(({ path }) => path.startsWith(at("src/")))) {
    const source = new Source();
    sources.set(path, source);
    for (const [id, { start }] of Object.entries(statementMap))
      source.lines.set(start.line, source.lines.get(start.line) || s[id] > 0);
    source.functions = Object.entries(fnMap).map(([id, { name, loc }]) => ({
      ...{ name, counted: f[id] > 0, start: loc.start.line, end: loc.end.line },
    }));
  }
  for (const { path, statementMap, s } of counted.filter(({ path }) => path.startsWith(at("dist/")))) {
    const original = mapOf(path);
    if (!original) continue;
    for (const [id, { start }] of Object.entries(statementMap))
      if (s[id] > 0) markRun(original(start.line - 1, start.column));
  }
}

/** What threads and processes left behind. */
function readRaw() {
  const folder = at("build/coverage-raw");
  const prefix = new URL("../dist/", import.meta.url).href;
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    let report;
    try {
      report = JSON.parse(readFileSync(join(folder, name), "utf8"));
    } catch {
      continue; // a process that was killed while it wrote
    }
    for (const { url, functions } of report.result)
      if (url.startsWith(prefix)) markScript(fileURLToPath(url), functions);
  }
}

const places = new Map();
/** Where words and signs of a file begin, in order, and which line of src/ they come from. */
function placesOf(file) {
  if (!places.has(file)) {
    const original = mapOf(file);
    let offset = 0;
    const found = [];
    for (const [line, text] of (original ? readFileSync(file, "utf8").split("\n") : []).entries()) {
      for (const { index } of text.matchAll(/[\w$]+|[^\w\s$]/g)) {
        const place = original(line, index);
        if (place) found.push({ offset: offset + index, ...place });
      }
      offset += text.length + 1;
    }
    places.set(file, found);
  }
  return places.get(file);
}

/** V8 gives ranges inside ranges, each with its own count; the innermost holds. */
function markScript(file, functions) {
  const ranges = functions
    .flatMap((each) => each.ranges)
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const around = [];
  let next = 0;
  for (const place of placesOf(file)) {
    while (next < ranges.length && ranges[next].startOffset <= place.offset) around.push(ranges[next++]);
    while (around.length && around.at(-1).endOffset <= place.offset) around.pop();
    if (around.findLast(({ endOffset }) => endOffset > place.offset)?.count > 0) markRun(place);
  }
}

/** 3-5, 9 */
function spans(numbers) {
  const parts = [];
  for (const n of numbers) {
    const last = parts.at(-1);
    if (last?.[1] === n - 1) last[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(", ");
}

function report() {
  const files = [...sources].map(([path, source]) => ({
    name: relative(root, path).replaceAll("\\", "/"),
    lines: source.lines.size,
    missed: [...source.lines].filter(([, ran]) => !ran).map(([line]) => line).sort((a, b) => a - b), // prettier-ignore
    functions: source.functions.length,
    idle: source.functions.filter((each) => !source.hasRun(each)),
  }));
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const share = (part, whole) => (whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`);
  const row = (name, some) => {
    const sum = (of) => some.reduce((total, file) => total + of(file), 0);
    const [lines, missed] = [sum((file) => file.lines), sum((file) => file.missed.length)];
    const [functions, idle] = [sum((file) => file.functions), sum((file) => file.idle.length)];
    return `| ${name} | ${lines} | ${share(lines - missed, lines)} | ${functions} | ${share(functions - idle, functions)} |`;
  };
  const folders = [...new Set(files.map(({ name }) => dirname(name)))].sort();
  const rows = folders.map((folder) =>
    row(
      `${folder}/`,
      files.filter(({ name }) => dirname(name) === folder),
    ),
  );
  const list = files
    .filter(({ missed }) => missed.length > 0)
    .map(({ name, missed, idle }) => {
      // Functions without a name are told by their lines.
      const named = [...new Set(idle.filter(({ name }) => !name.startsWith("(")).map(({ name }) => `\`${name}\``))];
      const whole = named.length ? `; never called: ${named.join(", ")}` : "";
      return `- ${name}: ${spans(missed)}${whole}`;
    });
  return `# Coverage

Lines of src/ on which a statement begins, and functions, that the tests run. \`npm run coverage\` writes this page.

| folder | lines | run | functions | called |
| --- | ---: | ---: | ---: | ---: |
${[row("**all of src/**", files), ...rows].join("\n")}

Counted are the tests that import src/ and those that run dist/: in vitest's own process, in threads and in processes of the command line. Not
counted is what other runtimes, bundlers and browsers run of it (test/runtimes, test/package, test/examples and the page in test/web, which
\`npm test\` runs), and what a process or thread does that is killed. Left out are types, generated code (onnx_pb.ts, wasm.generated.ts), and the
kernels in assembly/, which as-pect, and every test above them, run.

## What no counted test runs

Lines, and the functions with a name among them.

${list.join("\n")}
`;
}

function runTests() {
  setup({ page: true });
  for (const folder of ["coverage", "coverage-raw", "mapped", "maps"])
    rmSync(at("build", folder), { recursive: true, force: true });
  // tsc puts declarations into dist/, whatever the folder is.
  node("node_modules/typescript/bin/tsc", "-p", "tsconfig.json", "--sourceMap", "--outDir", "build/mapped");
  node("scripts/bundle.mjs", "--source-maps");
  return spawnSync(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "--config", "scripts/coverage.config.ts", ...only],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  ).status;
}

const status = isReport ? 0 : runTests();
readCounted();
readRaw();
const target = only.length ? "build/coverage.md" : "docs/coverage.md";
writeFileSync(at(target), await format(report(), { ...(await resolveConfig(at(target))), parser: "markdown" }));
process.stdout.write(`${target}\n`);
process.exitCode = status ?? 1;
