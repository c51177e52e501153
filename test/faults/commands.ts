// Every kind of output that a command writes: what it is made from, by which command, into which files.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memorySink, writeSafetensors, writeSafetensorsIndex, type SafetensorsInput } from "../../src/formats/index.js";
import { matrix } from "../library/matrices.js";
import { run, writeMatrix } from "../cli/run.js";
import { externalTensor, model, node, tensor, valueInfo } from "../formats/onnx/build.js";

export interface Kind {
  readonly name: string;
  /** Of the inputs, in `in/`; the first is what the command is given. */
  readonly inputs: readonly string[];
  /** In `out/`, the main file last. */
  readonly outputs: readonly string[];
  /** Without --force and --resume. `size` changes the answer. */
  args(size: "this" | "other"): string[];
  readonly resumes: boolean;
  make(folder: string): Promise<void>;
}

const [rows, cols, count] = [900, 32, 4];
const tables = Array.from({ length: count }, (_, i) => ({
  name: `layer${i}.word_embeddings.weight`,
  data: Float32Array.from(matrix("heavy-tailed rows", rows, cols, { f32: true, seed: i + 1 }).data),
}));

// Most of the time should be what is disturbed: reading, keeping, writing.
const quick = ["--method", "lewis", "--threads", "1", "--quiet"];
const compress = (input: string, output: string) => (size: "this" | "other") => [
  ...["compress", `in/${input}`, "-o", `out/${output}`, "--keep", size === "this" ? "0.5" : "0.3", ...quick],
];

function inputOf({ name, data }: (typeof tables)[number]): SafetensorsInput {
  const bytes = new Uint8Array(data.buffer);
  return { name, dtype: "F32", shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
}

async function safetensorsBytes(tensors: SafetensorsInput[]): Promise<Uint8Array> {
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata: { format: "pt" } });
  return sink.bytes();
}

function onnxBytes(place?: string): Uint8Array {
  const bytes = tables[0].data.byteLength;
  return model({
    inputs: [valueInfo("ids", ["n"], 7)],
    outputs: tables.map(({ name }) => valueInfo(`${name} rows`, ["n", cols])),
    nodes: tables.map(({ name }) => node("Gather", [name, "ids"], [`${name} rows`])),
    initializers: tables.map(({ name, data }, i) =>
      place
        ? externalTensor(name, [rows, cols], { location: place, offset: String(i * bytes), length: String(bytes) })
        : tensor(name, [rows, cols], data),
    ),
  });
}

const write = (folder: string, name: string, bytes: Uint8Array) => writeFileSync(join(folder, "in", name), bytes);
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

export const kinds: readonly Kind[] = [
  {
    ...{ name: "safetensors", inputs: ["m.safetensors"], outputs: ["small.safetensors"], resumes: true },
    args: compress("m.safetensors", "small.safetensors"),
    make: async (folder) => write(folder, "m.safetensors", await safetensorsBytes(tables.map(inputOf))),
  },
  {
    ...{ name: "safetensors in shards", resumes: true },
    inputs: ["m.safetensors.index.json", ...shards],
    outputs: [...shards, "small.safetensors.index.json"],
    args: compress("m.safetensors.index.json", "small.safetensors.index.json"),
    async make(folder) {
      const halves = [tables.slice(0, 2), tables.slice(2)];
      for (const [i, half] of halves.entries()) write(folder, shards[i], await safetensorsBytes(half.map(inputOf)));
      const sink = memorySink();
      const weightMap = new Map(halves.flatMap((half, i) => half.map(({ name }) => [name, shards[i]] as const)));
      await writeSafetensorsIndex(sink, { metadata: new Map(), weightMap });
      write(folder, "m.safetensors.index.json", sink.bytes());
    },
  },
  {
    ...{ name: "ONNX", inputs: ["m.onnx"], outputs: ["small.onnx"], resumes: true },
    args: compress("m.onnx", "small.onnx"),
    make: async (folder) => write(folder, "m.onnx", onnxBytes()),
  },
  {
    ...{ name: "ONNX and its data", inputs: ["m.onnx", "m.data"], resumes: true },
    outputs: ["small.onnx_data", "small.onnx"],
    args: compress("m.onnx", "small.onnx"),
    async make(folder) {
      write(folder, "m.onnx", onnxBytes("m.data"));
      write(folder, "m.data", Buffer.concat(tables.map(({ data }) => new Uint8Array(data.buffer))));
    },
  },
  {
    ...{ name: "expand", inputs: ["small.safetensors", "other.safetensors"], outputs: ["dense.safetensors"] },
    ...{ resumes: false },
    args: (size) => [
      ...[
        "expand",
        `in/${size === "this" ? "small" : "other"}.safetensors`,
        "-o",
        "out/dense.safetensors",
        "--threads",
        "1",
        "--quiet",
      ],
    ],
    async make(folder) {
      write(folder, "m.safetensors", await safetensorsBytes(tables.map(inputOf)));
      for (const [name, keep] of [
        ["small", "0.5"],
        ["other", "0.3"],
      ])
        // prettier-ignore
        run(folder, "compress", "in/m.safetensors", "-o", `in/${name}.safetensors`, "--keep", keep, ...quick);
    },
  },
  {
    ...{ name: "low-rank", inputs: ["A.npy"], outputs: ["L.npy", "R.npy"], resumes: false },
    args: (size) => [
      ...["low-rank", "in/A.npy", "--rank", size === "this" ? "20" : "9", ...quick],
      ...["--left", "out/L.npy", "--right", "out/R.npy"],
    ],
    async make(folder) {
      const { data } = matrix("heavy-tailed rows", 4000, cols, { f32: true, seed: 7 });
      await writeMatrix(join(folder, "in"), "A.npy", data, [4000, cols]);
    },
  },
];

export async function makeInputs(kind: Kind, folder: string): Promise<void> {
  mkdirSync(join(folder, "in"));
  mkdirSync(join(folder, "out"));
  await kind.make(folder);
}
