// ONNX models beside the first of them, in onnxruntime-node and onnxruntime-web's wasm, one thread: file, time to load, memory at its most
// while loading and once it is loaded, processor time of a run on a batch and on one short text. Each in a process of its own, since wasm
// memory never shrinks; rounds go over all models in turn, and the least of each figure counts.
//
//   node bench/inference.mjs original=model.onnx small=model.small.onnx [--batch 8] [--sequence 64] [--runs 5] [--rounds 3] [--runtime node,web]
//
// `batch` and `sequence` are the first two dimensions of every input.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openOnnx } from "../dist/formats/index.js";
import { onnxInputs } from "../dist/model/index.js";
import { loadRuntime, openFile, runnableFile } from "../dist/node.js";
import { peakBytes } from "./peak.mjs";
import { print } from "./table.mjs";

const text = (value) => ({ type: "string", default: value });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ batch: text("8"), sequence: text("64"), runs: text("5"), rounds: text("3"), runtime: text("node,web") },
    measure: { type: "boolean" },
  },
});
if (positionals.length === 0) {
  console.error("Say which models: node bench/inference.mjs original=model.onnx small=model.small.onnx");
  process.exit(2);
}
const [runs, rounds] = [values.runs, values.rounds].map(Number);
const batches = [
  [Number(values.batch), Number(values.sequence)],
  [1, 16],
];

if (values.measure) console.log(JSON.stringify(await measure(positionals[0])));
else for (const kind of values.runtime.split(",")) await compare(kind);

async function measure(file) {
  const runtime = await loadRuntime(values.runtime);
  const source = await openFile(file);
  const model = await openOnnx(source);
  const loaded = await runnableFile(runtime, file, model).load();
  const resident = () => {
    globalThis.gc?.();
    return process.memoryUsage().rss / 1e6;
  };
  const before = resident();
  const start = performance.now();
  const session = await runtime.InferenceSession.create(loaded.model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const load = (performance.now() - start) / 1e3;
  const peak = peakBytes() / 1e6 - before;
  const memory = resident() - before;
  const times = [];
  for (const [index, sizes] of batches.entries()) {
    // Whatever the first two dimensions of an input are called.
    const symbols = model.graph.inputs.flatMap(({ dims = [] }) =>
      dims.slice(0, 2).map((symbol, i) => [symbol, sizes[i]]),
    );
    const dims = Object.fromEntries(symbols.filter(([symbol]) => typeof symbol === "string"));
    const inputs = await onnxInputs(model, { dims });
    const feeds = Object.fromEntries(
      inputs.map(({ name, dtype, data, shape }) => [name, new runtime.Tensor(dtype, data, shape)]),
    );
    let least = Infinity;
    for (let i = 0; i <= (index === 0 ? runs : 4 * runs); ++i) {
      const before = process.cpuUsage();
      const outputs = await session.run(feeds);
      const { user, system } = process.cpuUsage(before);
      if (i > 0) least = Math.min(least, (user + system) / 1000);
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
    times.push(least);
  }
  await session.release();
  await source.close?.();
  return [load, peak, memory, ...times];
}

function measured(file, runtime) {
  const sizes = ["batch", "sequence", "runs"].flatMap((name) => [`--${name}`, values[name]]);
  const args = ["--expose-gc", fileURLToPath(import.meta.url), file, "--measure", "--runtime", runtime, ...sizes];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").pop());
}

async function compare(kind) {
  const files = positionals.map((each) => (each.includes("=") ? each.split("=") : [basename(each), each]));
  const best = new Map();
  for (let round = 0; round < rounds; ++round)
    for (const [name, file] of files) {
      const figures = measured(file, kind);
      const known = best.get(name) ?? figures;
      best.set(
        name,
        figures.map((x, i) => Math.min(x, known[i])),
      );
    }
  const [, , , ...base] = best.get(files[0][0]);
  const sizes = batches.map((sizes) => `${sizes.join(" x ")} ms`);
  const rows = [["", "file MB", "load s", "most MB", "loaded MB", sizes[0], "ratio", sizes[1], "ratio"]];
  for (const [name, file] of files) {
    const [load, peak, memory, ...times] = best.get(name);
    const timed = times.flatMap((time, i) => [time.toFixed(1), (time / base[i]).toFixed(2)]);
    rows.push([
      name,
      (statSync(file).size / 1e6).toFixed(2),
      load.toFixed(2),
      peak.toFixed(0),
      memory.toFixed(0),
      ...timed,
    ]);
  }
  const { name } = await loadRuntime(kind);
  print(`${name}, one thread, best of ${runs} runs in ${rounds} rounds`, rows);
}
