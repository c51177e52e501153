// A model whose table is transform codes beside the original, in the runtimes that models run in: time to load, time to run, peak memory, and
// how far answers are from those of the decoded table. Each in a process of its own, as a page or a server would have it.
import { fork, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openOnnx, onnxRows } from "../dist/formats/index.js";
import { createLoewner, transformRows } from "../dist/index.js";
import { onnxModel } from "../dist/model/index.js";
import { openFile } from "../dist/node.js";
import { peakBytes } from "./peak.mjs";
import { note, print } from "./table.mjs";

const here = fileURLToPath(import.meta.url);
const root = join(dirname(here), "..");
const main = join(root, "dist/cli/main.js");
/** Where packages that only tests need are looked for as well. */
const places = [join(root, "package.json"), join(root, "test/runtimes/package.json")];
const [texts, length] = [8, 64];
const sentence = "A man is playing the guitar on a small stage.";

function find(name) {
  for (const place of places) {
    try {
      return createRequire(place).resolve(name);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Ids below 1000 are special tokens and letters in most vocabularies. */
function inputs(session, ort) {
  const shape = [texts, length];
  const ids = BigInt64Array.from({ length: texts * length }, (_, i) => BigInt(1000 + ((i * 2654435761) % 20000)));
  const fill = { input_ids: ids, attention_mask: ids.map(() => 1n), token_type_ids: ids.map(() => 0n) };
  return Object.fromEntries(session.inputNames.map((name) => [name, new ort.Tensor("int64", fill[name], shape)]));
}

const runners = {
  async onnxruntime(ort, path) {
    const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3, intraOpNumThreads: 1 });
    const feeds = inputs(session, ort);
    return async () => Object.values(await session.run(feeds))[0].data;
  },
  async transformers({ pipeline, env }, path) {
    Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(dirname(dirname(path))) });
    const name = dirname(dirname(path)).split(/[\\/]/).at(-1);
    const extract = await pipeline("feature-extraction", name, { dtype: "fp32" });
    return async () => (await extract(sentence, { pooling: "mean", normalize: true })).data;
  },
};

/** In a child: loads the model, runs it a few times, tells what that took and what came out. */
async function measure([entry, runner, path, runs]) {
  const api = await import(pathToFileURL(entry));
  const ort = api.InferenceSession || api.pipeline ? api : api.default;
  if (ort.env?.wasm) ort.env.wasm.numThreads = 1;
  const started = performance.now();
  const run = await runners[runner](ort, path);
  const loaded = performance.now();
  const answers = Array.from(await run());
  const times = [];
  for (let i = 0; i < Number(runs); ++i) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  process.send({ load: loaded - started, run: times[times.length >> 1], peak: peakBytes(), answers });
}

function inChild(...args) {
  return new Promise((resolve, reject) => {
    const child = fork(here, args.map(String), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let [told, errors] = [undefined, ""];
    child.on("message", (message) => {
      told = message;
      child.kill();
    });
    child.stderr.on("data", (text) => (errors += text));
    child.on("close", () => (told ? resolve(told) : reject(new Error(errors))));
  });
}

function command(...args) {
  const { status, stderr } = spawnSync(process.execPath, [main, ...args, "--quiet"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`loewner ${args.join(" ")}: ${stderr}`);
}

/** The model with the table as its codes decode, in f32. */
async function decode(path, keep, output) {
  const source = await openFile(path);
  const file = await openOnnx(source);
  const { layers } = await onnxModel(file);
  const { name, bytes } = layers.filter(({ kind }) => kind === "embedding").sort((a, b) => b.bytes - a.bytes)[0];
  const rows = onnxRows(file, file.graph.initializers.get(name));
  const how = { p: 1, aim: "reading", scale: "least-squares" };
  const loewner = await createLoewner({ threads: "auto" });
  const { code } = await loewner.transformCode(rows, { bytes: Math.floor(keep * bytes), ...how });
  loewner.dispose();
  const [before, after] = [await rows.read(0, rows.rows), await transformRows(code).read(0, rows.rows)];
  await source.close();
  const whole = readFileSync(path);
  const table = Buffer.from(before.buffer, before.byteOffset, before.byteLength);
  const place = whole.indexOf(table.subarray(0, 4096));
  if (place < 0 || !whole.subarray(place, place + table.length).equals(table))
    throw new Error(`${name} does not lie in ${path} as f32.`);
  whole.set(after, place);
  writeFileSync(output, whole);
}

const farthest = (a, b) => a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);

/** @param model an ONNX model of texts; with tokenizer.json, tokenizer_config.json and config.json beside it transformers.js runs it too */
export async function runCodes({ model, keep = 0.072, runs = 7 }) {
  if (!model) {
    note("Running codes needs a model: npm run bench -- run-codes --model model.onnx");
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "loewner-run-codes-"));
  const kinds = ["original", "codes", "decoded"];
  const at = (kind) => join(folder, kind, "onnx", "model.onnx");
  const rows = [["runtime", "model", "MB", "load, ms", "run, ms", "peak, MB", "from decoded"]];
  try {
    for (const kind of kinds) {
      mkdirSync(dirname(at(kind)), { recursive: true });
      for (const name of ["tokenizer.json", "tokenizer_config.json", "config.json"]) {
        const source = join(dirname(model), name);
        if (existsSync(source)) copyFileSync(source, join(folder, kind, name));
      }
    }
    copyFileSync(model, at("original"));
    command("compress", model, "-o", at("codes"), "--dtype", "auto", "--keep", String(keep));
    await decode(model, keep, at("decoded"));
    for (const [name, runner] of [
      ["onnxruntime-node", "onnxruntime"],
      ["onnxruntime-web", "onnxruntime"],
      ["@huggingface/transformers", "transformers"],
    ]) {
      const entry = find(name);
      if (!entry) {
        note(`${name} is not installed: left out.`);
        continue;
      }
      const found = {};
      try {
        for (const kind of kinds) found[kind] = await inChild(entry, runner, at(kind), runs);
      } catch (error) {
        note(`${name} does not run it: ${error.message.trim().split("\n").at(-1)}`);
        continue;
      }
      for (const kind of kinds) {
        const { load, run, peak, answers } = found[kind];
        rows.push([
          ...[name, kind, (statSync(at(kind)).size / 1e6).toFixed(1), load.toFixed(0), run.toFixed(0)],
          ...[(peak / 1e6).toFixed(0), farthest(answers, found.decoded.answers).toExponential(1)],
        ]);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  print(`the table of a model in codes, ${keep} of its bytes: ${texts} texts of ${length} tokens, one thread`, rows);
  return rows;
}

if (process.send && process.argv[1] === here) await measure(process.argv.slice(2));
