// ONNX models in one file: every node and tensor read, written without changes (which must give the same bytes), and looked over as
// the pipeline does: weights, inputs to run it on; some are compressed, and what is written opened again.
import { createLoewner } from "../../build/lib/create.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import {
  bytesSource,
  layOutOnnx,
  memorySink,
  onnxRows,
  onnxTensorChunks,
  openOnnx,
  readNode,
} from "../../build/lib/formats/index.js";
import { compressModel, onnxModel } from "../../build/lib/model/index.js";
import { onnxInputs } from "../../build/lib/model/onnx/inputs.js";
import { mutateBytes } from "../mutate/bytes.mjs";
import { copyTree, mutateProtobuf, protobufTree, writeProtobuf } from "../mutate/protobuf.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { inlineSeeds, modelSchema, words } from "./onnx-seeds.mjs";
import { collect, sameBytes } from "./seeds.mjs";

export async function open() {
  const loewner = await createLoewner({ threads: 1 });
  const seeds = inlineSeeds();
  const trees = seeds.map((bytes) => protobufTree(modelSchema, bytes));
  return {
    main: "model.onnx",
    input(seed, index) {
      const random = new Random(seed, "onnx", index);
      if (random.chance(0.35)) return { "model.onnx": mutateBytes(random, random.pick(seeds), seeds, words) };
      return { "model.onnx": mutateModel(random, random.pick(trees), trees) };
    },
    bufferLimit: (input) => inputsLimit + 16 * input["model.onnx"].length,
    async run(input) {
      const bytes = input["model.onnx"];
      const opened = await openOnnx(bytesSource(bytes, "model.onnx"));
      await readAll(opened);
      if (!opened.hasExternalData) {
        const written = await collect(layOutOnnx(opened).main.chunks());
        if (!sameBytes(written, bytes)) throw new Mismatch("other bytes after writing");
      }
      const { model, outcome } = await lookOver(opened);
      // Of an eighth of them: it takes as long as all the rest.
      const factorable = model.layers.some(({ blocked }) => blocked === undefined);
      if (!factorable || bytes.length % 8 > 0) return outcome;
      return `${outcome}, ${(await attempt(() => compress(loewner, model))) ?? "not compressed"}`;
    },
  };
}

/** Factors of rank 1 in place of every weight; what is written must be a model, with those layers in it. */
async function compress(loewner, model) {
  const { files, layers } = await compressModel(loewner, model, {
    layers: ["all"],
    rank: 1,
    method: "svd",
    mainName: "b",
  });
  const written = {};
  for (const { name, write } of files) {
    const sink = memorySink();
    await write(sink);
    written[name] = sink.bytes();
  }
  const external = (location) => bytesSource(written[location], location);
  const again = await openOnnx(bytesSource(written[""], "b"), { external }).then(onnxModel).catch(asMismatch);
  for (const { name } of layers) {
    if (!again.described.has(name)) throw new Mismatch(`${JSON.stringify(name)} is not described`);
  }
  return layers.length > 0 ? "compressed" : "nothing compressed";
}

/** What was written by the library is not refused by it. */
function asMismatch(error) {
  throw new Mismatch(`what was written cannot be opened: ${error.message}`);
}

/** Inputs are made up in sizes that the model declares, 2^22 elements of 8 bytes at most. */
const inputsLimit = 32 << 20;

export function mutateModel(random, tree, others) {
  const copy = copyTree(tree);
  mutateProtobuf(random, copy, others, words);
  const bytes = writeProtobuf(copy);
  return random.chance(0.9) ? bytes : mutateBytes(random, bytes, [], words);
}

/** Each node decoded, each tensor's bytes; what cannot be read of a single one is an outcome. */
export async function readAll(model) {
  for (const node of model.graph.nodes) await attempt(() => readNode(model, node));
  for (const tensor of model.graph.initializers.values()) {
    await attempt(async () => {
      const { length } = await collect(onnxTensorChunks(model, tensor));
      if (length !== tensor.byteLength) throw new Mismatch(`${length} bytes of a tensor of ${tensor.byteLength}`);
    });
  }
}

/** Layers, their rows, the file that is laid out again by the pipeline, and inputs. */
export async function lookOver(opened) {
  const model = await onnxModel(opened);
  for (const { name, blocked } of model.layers) {
    if (blocked === undefined) await attempt(async () => model.rows(name).read(0, 1));
  }
  for (const tensor of opened.graph.initializers.values())
    await attempt(async () => onnxRows(opened, tensor).read(0, 1));
  const inputs = await attempt(() => onnxInputs(opened));
  const outcome = `model${model.layers.some(({ blocked }) => blocked === undefined) ? ", layers" : ""}${inputs ? ", inputs" : ""}`;
  return { model, outcome };
}

export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!isLoewnerError(error)) throw error;
    return undefined;
  }
}
