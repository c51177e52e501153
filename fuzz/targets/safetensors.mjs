// One safetensors file: read, looked over as a model, written by the library's own writer and read again.
import { safetensorsModel } from "../../build/lib/model/index.js";
import {
  bytesSource,
  memorySink,
  openSafetensors,
  tensorChunks,
  tensorRows,
  writeSafetensors,
} from "../../build/lib/formats/index.js";
import { dtypeBits, isSafetensorsDtype } from "../../build/lib/formats/safetensors-dtype.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import { mutateBytes } from "../mutate/bytes.mjs";
import { jsonTree, member, copyOf, Members, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { collect, concat, fixtureFiles, sameBytes, textOf, utf8 } from "./seeds.mjs";

const words = [
  ...[
    "__metadata__",
    "dtype",
    "shape",
    "data_offsets",
    "F32",
    "F64",
    "F16",
    "BF16",
    "I8",
    "U8",
    "BOOL",
    "F4",
    "F8_E5M2",
    "I64",
  ],
  ...[
    "model.embed_tokens.weight",
    "lm_head.weight",
    "wte.weight",
    "h.0.attn.c_attn.weight",
    "shared.weight",
    "format",
    "pt",
  ],
];

export async function open() {
  const seeds = Object.values(fixtureFiles("formats", /\.safetensors$/));
  const parts = seeds.map(takenApart);
  return {
    main: "model.safetensors",
    input(seed, index) {
      const random = new Random(seed, "safetensors", index);
      if (random.chance(0.4)) return { "model.safetensors": mutateBytes(random, random.pick(seeds), seeds, words) };
      return { "model.safetensors": mutateHeader(random, random.pick(parts), words) };
    },
    run: (input) => run(input["model.safetensors"]),
  };
}

/** @returns {{ header: unknown, data: Uint8Array }} the header as a tree */
export function takenApart(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return { header: jsonTree(textOf(bytes.subarray(8, 8 + length))), data: bytes.subarray(8 + length) };
}

export function putTogether(header, data) {
  const text = utf8(writeJson(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return concat(length, text, data);
}

/** Changes in the header; mostly the offsets are then made right again, so that what was changed is reached. */
export function mutateHeader(random, { header, data }, words) {
  const tree = copyOf(header);
  mutateJson(random, tree, words);
  if (!random.chance(0.75)) return putTogether(tree, data);
  const length = layOut(tree);
  return putTogether(
    tree,
    Uint8Array.from({ length }, (_, i) => data[i % data.length] ?? i & 255),
  );
}

/** Sets data_offsets by dtype and shape where they say something sane; the bytes that are needed. */
export function layOut(tree) {
  let end = 0;
  for (const [name, entry] of tree.entries) {
    const shape = member(entry, "shape");
    const offsets = entry instanceof Members ? entry.entries.find(([key]) => key === "data_offsets") : undefined;
    if (name === "__metadata__" || !offsets || !Array.isArray(shape)) continue;
    const dtype = member(entry, "dtype");
    const size = (isSafetensorsDtype(dtype) ? dtypeBits(dtype) : 64) / 8;
    const bytes = Math.ceil(shape.reduce((product, n) => product * Number(n?.text ?? n), size));
    if (!(bytes >= 0 && end + bytes < 65536)) continue;
    offsets[1] = [end, end + bytes];
    end += bytes;
  }
  return end;
}

async function run(bytes) {
  const file = await openSafetensors(bytesSource(bytes, "model.safetensors"));
  const tensors = await contentOf(file);
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata: file.metadataEntries });
  const again = await openSafetensors(bytesSource(sink.bytes(), "again.safetensors"));
  compareContent(file, tensors, again, await contentOf(again));
  return lookOver(file);
}

/** Tensors with their bytes, as they are written. */
export async function contentOf(file) {
  const all = [];
  for (const { name, dtype, shape, byteLength } of file.tensors.values()) {
    const bytes = await collect(tensorChunks(file, name));
    all.push({ name, dtype, shape, byteLength, bytes, chunks: () => [bytes] });
  }
  return all;
}

export function compareContent(a, before, b, after) {
  if (before.length !== after.length) throw new Mismatch(`${before.length} tensors, then ${after.length}`);
  const byName = new Map(after.map((tensor) => [tensor.name, tensor]));
  for (const { name, dtype, shape, bytes } of before) {
    const other = byName.get(name);
    if (!other) throw new Mismatch(`tensor ${name} is gone`);
    if (other.dtype !== dtype || other.shape.join() !== shape.join())
      throw new Mismatch(`tensor ${name} is of another kind`);
    if (!sameBytes(other.bytes, bytes)) throw new Mismatch(`tensor ${name} has other bytes`);
  }
  const entries = (file) => JSON.stringify(file.metadataEntries ?? []);
  if (entries(a) !== entries(b)) throw new Mismatch("other metadata");
}

/** As the pipeline sees it: layers, and rows of what can be computed with. */
async function lookOver(file) {
  const model = safetensorsModel(file);
  for (const { name } of model.layers) {
    try {
      const rows = tensorRows(file, name);
      const bytes = await rows.read(0, rows.rows);
      if (bytes.length !== model.tensorBytes(name)) throw new Mismatch(`${bytes.length} bytes of rows in ${name}`);
    } catch (error) {
      if (!isLoewnerError(error, "INVALID_INPUT")) throw error;
    }
  }
  return model.layers.length > 0 ? "written, model" : "written, empty";
}
