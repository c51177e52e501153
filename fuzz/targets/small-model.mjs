// A model that is small enough to be compressed in a millisecond, and what compressing makes of it.
import { createLoewner } from "../../build/lib/create.js";
import {
  bytesSource,
  encodeNumbers,
  memorySink,
  openSafetensors,
  writeSafetensors,
} from "../../build/lib/formats/index.js";
import { compressModel, safetensorsModel } from "../../build/lib/model/index.js";

/** Numbers without pattern; the same in every engine. */
export function numbers(count, seed) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function tensor(name, rows, cols) {
  const bytes = encodeNumbers(numbers(rows * cols, rows), "f32");
  return { name, dtype: "F32", shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
}

/** Word table, a tall and a wide linear layer, and three ids. */
export async function smallModel() {
  const ids = { name: "ids", dtype: "I64", shape: [3], byteLength: 24, chunks: () => [new Uint8Array(24)] };
  const tensors = [tensor("wte.weight", 40, 4), tensor("h.0.mlp.weight", 12, 6), tensor("wide.weight", 5, 16), ids];
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata: { format: "pt" } });
  return openModel(sink.bytes());
}

export async function openModel(bytes) {
  const file = await openSafetensors(bytesSource(bytes, "model.safetensors"));
  return { bytes, file, model: safetensorsModel(file) };
}

/** One for each way to store factors. (To prove a level-set certificate takes half a second even here.) */
const ways = [
  { keep: 0.5 },
  { keep: 0.5, type: "f16", method: "entrywise", p: 2 },
  { keep: 0.6, type: "int8" },
  { keep: 0.5, type: "int4", multipleOf: 1 },
  { keep: 0.6, type: "int3", multipleOf: 1 },
  { keep: 0.9, type: "int2", multipleOf: 1 },
  { keep: 0.2, type: "auto", multipleOf: 1 },
  { keep: 0.9, type: "transform" },
  { keep: 0.9, type: "trellis" },
];

/** @param {import("../../build/lib/model/index.js").Model} model @returns {Promise<Uint8Array[]>} the main file, compressed in several ways */
export async function compressedModels(model) {
  const loewner = await createLoewner({ threads: 1 });
  const all = [];
  for (const way of ways) {
    const { files } = await compressModel(loewner, model, { layers: ["all"], p: 1, method: "lewis", ...way });
    const sink = memorySink();
    await files.at(-1).write(sink);
    all.push(sink.bytes());
  }
  loewner.dispose();
  return all;
}
