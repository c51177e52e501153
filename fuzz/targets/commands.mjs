// Commands run in a folder of their own, on small files, some of them damaged. What was there before stays as it was, nothing but
// outputs that were named is left, and with --json stdout is one document.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { bytesSource, memorySink, openOnnx, writeSafetensors } from "../../build/lib/formats/index.js";
import { onnxModel } from "../../build/lib/model/index.js";
import { sampler } from "../sampler.mjs";
import { Mismatch } from "../verdict.mjs";
import { argumentLists, commandLine, isUsageError } from "./command-line.mjs";
import { factorable } from "./onnx-seeds.mjs";
import { fixtureFiles, sameBytes, textOf, utf8 } from "./seeds.mjs";
import { compressedModels, smallModel, tensor } from "./small-model.mjs";

export async function open() {
  const program = await commandLine(() => undefined);
  const before = await initialFiles();
  const sample = sampler(argumentLists(program).map((list) => JSON.stringify(list)));
  return {
    main: "arguments.json",
    input: (seed, index) => ({ "arguments.json": utf8(sample(seed, index)) }),
    allows: isUsageError,
    limit: 20_000, // verify loads onnxruntime
    bufferLimit: () => 128 << 20, // what threads and tiles take, whatever is asked for
    run: (input) => run(program, before, JSON.parse(textOf(input["arguments.json"]))),
  };
}

async function initialFiles() {
  const npy = fixtureFiles("formats", /^(matrix-f8|vector-f4|f4-little-F)\.npy$/);
  const shards = fixtureFiles("formats", /^model.*(safetensors|index\.json)$/);
  const { bytes, model } = await smallModel();
  const [small] = await compressedModels(model);
  const onnx = factorable();
  const [smallOnnx] = await compressedModels(await onnxModel(await openOnnx(bytesSource(onnx, "model.onnx"))));
  const tokenizer = fixtureFiles("tokenizers", /^word-level\.json$/)["word-level.json"];
  return {
    ...{ "A.npy": npy["matrix-f8.npy"], "vector.npy": npy["vector-f4.npy"], "counts.npy": npy["f4-little-F.npy"] },
    ...{
      "broken.npy": npy["matrix-f8.npy"].slice(0, 200),
      "text.txt": utf8("version https://git-lfs.github.com/spec/v1\n"),
    },
    ...{ "model.safetensors": bytes, "small.safetensors": small, "model.onnx": onnx, "small.onnx": smallOnnx },
    ...{ "plan.json": utf8('{"version":1,"layers":{"wte.weight":{"rank":2}}}'), "tokenizer.json": tokenizer },
    ...shards,
    "names.safetensors": await strangelyNamed(),
  };
}

/** Names that would act on a terminal. */
async function strangelyNamed() {
  const sink = memorySink();
  const names = ["\u001b[31mword_embeddings", "\u009b2J.embeddings", "\u202ewte.weight", "a\r\nb"];
  await writeSafetensors(sink, { tensors: names.map((name) => tensor(name, 40, 4)) });
  return sink.bytes();
}

async function run(program, before, list) {
  for (const [name, bytes] of Object.entries(before)) writeFileSync(name, bytes);
  let out = "";
  const own = { write: process.stdout.write, fetch: globalThis.fetch };
  process.stdout.write = (text) => ((out += text), true);
  globalThis.fetch = async () => new Response("no such file", { status: 404 });
  try {
    await program.parseAsync(list, { from: "user" });
    const { json, force } = program.commands.find((command) => command.name() === list[0])?.opts() ?? {};
    if (json && out !== "") JSON.parse(out);
    checkPrinted(out);
    if (!force) checkUnchanged(before);
    return list[0];
  } finally {
    process.stdout.write = own.write;
    globalThis.fetch = own.fetch;
    const left = readdirSync(".").filter((name) => !(name in before) && name !== "progress");
    for (const name of left) rmSync(name, { recursive: true });
    const temporary = left.find((name) => name.endsWith(".tmp"));
    if (temporary) throw new Mismatch(`${temporary} is left`);
  }
}

function checkPrinted(out) {
  const odd = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(out);
  if (odd) throw new Mismatch(`U+${odd[0].charCodeAt(0).toString(16)} is printed`);
}

function checkUnchanged(before) {
  for (const [name, bytes] of Object.entries(before)) {
    if (!statSync(name).isFile() || !sameBytes(new Uint8Array(readFileSync(name)), bytes))
      throw new Mismatch(`${name} was changed`);
  }
}
