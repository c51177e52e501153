// What compress expects of a model's answers beside what it then measures, at several sizes, with calibration: 1 - mean cosine, both on the
// calibration texts as the last line of the command has them. Each size in a process of its own, with its time and its memory at its most.
//
//   node bench/forecast.mjs MODEL TEXTS TOKENIZER [--bytes 12e6,9e6,7.69e6,6e6,5e6] [--texts 200] [--p 2]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createLoewner } from "../dist/index.js";
import { onnxModel, shrinkModel } from "../dist/model/index.js";
import { loadRuntime, openModelPath, readCalibrationData } from "../dist/node.js";
import { peakBytes } from "./peak.mjs";
import { print } from "./table.mjs";

const text = (value) => ({ type: "string", default: value });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bytes: text("12e6,9e6,7.69e6,6e6,5e6"), texts: text("200"), p: text("2"), measure: { type: "boolean" } },
});
const [path, texts, tokenizer] = positionals;
if (!tokenizer) {
  console.error("Say what: node bench/forecast.mjs MODEL TEXTS TOKENIZER");
  process.exit(2);
}

if (values.measure) console.log(JSON.stringify(await measure(Number(values.bytes))));
else compare();

async function measure(bytes) {
  const started = performance.now();
  const opened = await openModelPath(path);
  const loewner = await createLoewner();
  const { feeds } = await readCalibrationData(opened.file, [texts], { tokenizer, mostTexts: Number(values.texts) });
  const inputs = { model: opened.file, feeds, runtime: await loadRuntime(), p: Number(values.p) };
  const result = await shrinkModel(loewner, await onnxModel(opened.file), { layers: ["all"], bytes, inputs });
  await loewner.dispose();
  await opened.close();
  const seconds = (performance.now() - started) / 1e3;
  const { agreement, forecast, bytesAfter } = result;
  return { bytesAfter, expected: 1 - forecast, measured: 1 - agreement.cosine, seconds, peak: peakBytes() };
}

function compare() {
  const rows = values.bytes.split(",").map((bytes) => {
    const args = [fileURLToPath(import.meta.url), "--measure", path, texts, tokenizer, "--bytes", bytes];
    const { stdout, status } = spawnSync(process.execPath, [...args, "--texts", values.texts, "--p", values.p], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (status !== 0) process.exit(1);
    const { bytesAfter, expected, measured, seconds, peak } = JSON.parse(stdout);
    return [
      (bytesAfter / 1e6).toFixed(2),
      expected.toFixed(4),
      measured.toFixed(4),
      `${((100 * expected) / measured - 100).toFixed(0)} %`,
      seconds.toFixed(0),
      (peak / 1e6).toFixed(0),
    ];
  });
  print("answers, 1 - mean cosine", [["MB", "expected", "measured", "off", "seconds", "most memory, MB"], ...rows]);
}
