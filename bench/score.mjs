// docs/score.svg, the README's picture: size against score of one model.
//
//   node bench/score.mjs                                                       draws it from the figures in docs/score.json
//   node bench/score.mjs MODEL.onnx TOKENIZER.json TEXTS.txt DATA.tsv [NAME=FILE.onnx ...]
//                                                                              makes these figures first, by the commands that stand there
//
// Of each point docs/score.json has the command; `compress ...` is run as it stands, with the model, its tokenizer and the texts under
// the names that it has. What other tools made is scored where a file is given for it (NAME is its `command`), and keeps its figures
// where none is. Scores are those of one `loewner evaluate` of all files. onnxruntime is taken from the current folder, as the command does.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { plot } from "./plot.mjs";

const docs = new URL("../docs/", import.meta.url);
const command = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const run = (cwd, ...args) =>
  execFileSync(process.execPath, [command, ...args], { cwd, encoding: "utf8", maxBuffer: 2 ** 26 });

/** @param {{ model: string, task: string, series: { name: string, points: { megabytes: number, score: number }[] }[] }} data */
export function scorePicture({ model, task, series }) {
  const lines = series.map(({ name, points }, i) => ({
    name,
    bold: i === 0,
    points: points.map(({ megabytes, score }) => [megabytes, score]),
  }));
  const scores = series.flatMap(({ points }) => points.map(({ score }) => score));
  // Whole points of score: smaller differences are not to look like much.
  const [low, high] = [Math.floor(Math.min(...scores)), Math.ceil(Math.max(...scores))];
  const between = [low, high, (high - low) / 5];
  const axes = { x: "size of the file, MB", y: task, between };
  return plot(lines, { title: `${model}: a tenth of the size, the same score`, ...axes });
}

/** The figures of each point anew. */
function measure(data, [model, tokenizer, texts, examples, ...others]) {
  const given = new Map(
    others.map((each) => [each.slice(0, each.lastIndexOf("=")), each.slice(each.lastIndexOf("=") + 1)]),
  );
  const folder = mkdtempSync(join(tmpdir(), "loewner-score-"));
  try {
    const named = { "model.onnx": model, "tokenizer.json": tokenizer, "texts.txt": texts };
    for (const [name, path] of Object.entries(named)) symlinkSync(resolve(path), join(folder, name));
    const points = data.series.flatMap((each) => each.points);
    const files = points.map(({ command: text }, i) => {
      if (text === "as trained") return join(folder, "model.onnx");
      if (!text.startsWith("compress ")) return given.has(text) ? resolve(given.get(text)) : undefined;
      run(folder, ...text.split(" "), "-o", `${i}.onnx`);
      return join(folder, `${i}.onnx`);
    });
    const scored = points.map((point, i) => ({ point, file: files[i] })).filter(({ file }) => file !== undefined);
    const all = [
      "--data",
      resolve(examples),
      "--task",
      data.metric.task,
      "--tokenizer",
      join(folder, "tokenizer.json"),
    ];
    const paths = [join(folder, "model.onnx"), ...scored.map(({ file }) => file)];
    const [, ...models] = JSON.parse(run(process.cwd(), "evaluate", ...paths, ...all, "--json")).models;
    for (const [i, { point, file }] of scored.entries()) {
      const { value } = models[i].scores.find(({ metric }) => metric === data.metric.name);
      point.megabytes = Number((statSync(file).size / 1e6).toFixed(2));
      point.score = Number((100 * value).toFixed(2));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const data = JSON.parse(readFileSync(new URL("score.json", docs), "utf8"));
  const paths = process.argv.slice(2);
  if (paths.length > 0 && paths.length < 4)
    throw new Error("usage: node bench/score.mjs [MODEL.onnx TOKENIZER.json TEXTS.txt DATA.tsv [NAME=FILE.onnx ...]]");
  if (paths.length > 0) measure(data, paths);
  writeFileSync(new URL("score.json", docs), await format(JSON.stringify(data), { parser: "json", printWidth: 120 }));
  writeFileSync(new URL("score.svg", docs), scorePicture(data));
}
