// An ONNX model and its compressed forms in onnxruntime-web's wasm (or onnxruntime-node), one thread: file, memory that loading
// takes (growth of resident memory), processor time of a run on a batch and on one token. Each form runs in a process of its own,
// since wasm memory never shrinks; rounds go over all forms in turn, and the least of each figure counts. Factors in few bits have
// a rank that 16 divides, which MatMulNBits asks for.
//
//   node bench/onnx-operators.mjs MODEL [--keep 0.5] [--batch 8] [--sequence 128] [--runs 9] [--rounds 3] [--runtime web] [--out FOLDER]
//
// `batch` and `sequence` are sizes of the model's dimensions of these names. `out` keeps the compressed models.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { memorySink, openOnnx } from "../dist/formats/index.js";
import { createLoewner } from "../dist/index.js";
import { compressModel, onnxInputs, onnxModel } from "../dist/model/index.js";
import { loadRuntime, openFile, runnableFile } from "../dist/node.js";
import { print } from "./table.mjs";

const text = (value) => ({ type: "string", default: value });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ keep: text("0.5"), batch: text("8"), sequence: text("128"), runs: text("9"), rounds: text("3") },
    ...{ runtime: text("web"), out: { type: "string" }, measure: { type: "boolean" } },
  },
});
const [path] = positionals;
if (!path) {
  console.error("Say which model: node bench/onnx-operators.mjs MODEL.onnx");
  process.exit(2);
}
const [keep, runs, rounds] = [values.keep, values.runs, values.rounds].map(Number);
const batches = [
  { batch: Number(values.batch), sequence: Number(values.sequence) },
  { batch: 1, sequence: 1 },
];

const forms = {
  "f32 factors": {},
  "int8, standard": { dtype: "int8" },
  "int8, onnxruntime": { dtype: "int8", operators: "onnxruntime" },
  "int4, standard": { dtype: "int4" },
  "int4, onnxruntime": { dtype: "int4", operators: "onnxruntime" },
  "int2, onnxruntime": { dtype: "int2", operators: "onnxruntime" },
};

if (values.measure) console.log(JSON.stringify(await measure(path)));
else await compare();

/** In a process of its own: megabytes that loading takes, milliseconds of a run on each batch. */
async function measure(file) {
  const runtime = await loadRuntime(values.runtime);
  const source = await openFile(file);
  const model = await openOnnx(source);
  const loaded = await runnableFile(runtime, file, model).load();
  const options = { logSeverityLevel: 4, intraOpNumThreads: 1 };
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const session = await runtime.InferenceSession.create(loaded.model, options);
  globalThis.gc?.();
  const memory = (process.memoryUsage().rss - before) / 1e6;
  const times = [];
  for (const [index, dims] of batches.entries()) {
    const inputs = await onnxInputs(model, { dims });
    const feeds = Object.fromEntries(
      inputs.map(({ name, dtype, data, shape }) => [name, new runtime.Tensor(dtype, data, shape)]),
    );
    let least = Infinity;
    const tries = index === 0 ? runs : 10 * runs;
    for (let i = 0; i <= tries; ++i) {
      const start = process.cpuUsage();
      const outputs = await session.run(feeds);
      const { user, system } = process.cpuUsage(start);
      if (i > 0) least = Math.min(least, (user + system) / 1000);
      for (const tensor of Object.values(outputs)) tensor.dispose();
    }
    times.push(least);
  }
  await session.release();
  await source.close?.();
  return { memory, times };
}

function measured(file) {
  const sizes = ["batch", "sequence", "runs", "runtime"].flatMap((name) => [`--${name}`, values[name]]);
  const script = fileURLToPath(import.meta.url);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", script, file, "--measure", ...sizes], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${file}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").pop());
}

async function compare() {
  const folder = values.out ?? mkdtempSync(join(tmpdir(), "loewner-bench-"));
  mkdirSync(folder, { recursive: true });
  try {
    const files = new Map([["original", path], ...(await compressed(folder))]);
    const best = new Map();
    for (let round = 0; round < rounds; ++round) {
      for (const [name, file] of files) {
        const { memory, times } = measured(file);
        const known = best.get(name) ?? { memory: Infinity, times: times.map(() => Infinity) };
        const least = times.map((time, i) => Math.min(time, known.times[i]));
        best.set(name, { memory: Math.min(memory, known.memory), times: least });
      }
    }
    const base = best.get("original");
    const [many, one] = [`${batches[0].batch} x ${batches[0].sequence} ms`, "1 x 1 ms"];
    const rows = [["", "file MB", "load MB", many, "ratio", one, "ratio"]];
    for (const [name, file] of files) {
      const { memory, times } = best.get(name);
      const timed = times.flatMap((time, i) => [time.toFixed(1), (time / base.times[i]).toFixed(2)]);
      rows.push([name, (statSync(file).size / 1e6).toFixed(1), memory.toFixed(0), ...timed]);
    }
    const runtime = await loadRuntime(values.runtime);
    print(`${path} in ${runtime.name}, keep ${keep}, one thread, best of ${runs} runs in ${rounds} rounds`, rows);
  } finally {
    if (!values.out) rmSync(folder, { recursive: true, force: true });
  }
}

/** The forms, written into `folder`: pairs of name and path. */
async function compressed(folder) {
  const loewner = await createLoewner();
  const files = [];
  for (const [name, options] of Object.entries(forms)) {
    const source = await openFile(path);
    const model = await onnxModel(await openOnnx(source));
    const multipleOf = options.dtype && 16;
    const { files: made } = await compressModel(loewner, model, { keep, method: "svd", multipleOf, ...options });
    if (made.length > 1) throw new Error(`${path} has external data, which this benchmark does not take.`);
    const sink = memorySink();
    await made[0].write(sink);
    await source.close?.();
    const file = join(folder, `${name.replace(", ", "-").replace(" ", "-")}.onnx`);
    writeFileSync(file, sink.bytes());
    files.push([name, file]);
  }
  loewner.dispose();
  return files;
}
