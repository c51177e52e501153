// Models made, compressed and read back without a file.
import {
  bytesSource,
  encodeNumbers,
  memorySink,
  openOnnx,
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
} from "../../src/formats/index.js";
import type { RowType } from "../../src/matrix.js";
import { onnxModel, safetensorsModel, type Model, type OutputFile } from "../../src/model/index.js";
import { floats, model, node, value, Type } from "./onnx-models/graph.js";
import { weight } from "./onnx-models/cases.js";

export interface Table {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  /** Of a safetensors tensor that is not rows x cols. */
  readonly shape?: readonly number[];
  readonly type?: RowType;
  /** Low rank and noise when left out. */
  readonly data?: Float32Array | Float64Array;
}

const dtypes = { f16: "F16", bf16: "BF16", f32: "F32", f64: "F64" } as const;

export async function safetensorsBytes(tables: readonly Table[], metadata?: Record<string, string>) {
  const tensors = tables.map(({ name, rows, cols, shape = [rows, cols], type = "f32", data }) => {
    const bytes = encodeNumbers(data ?? weight(name, rows, cols, rows).data, type);
    return { name, dtype: dtypes[type], shape, byteLength: bytes.length, chunks: () => [bytes] };
  });
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata });
  return sink.bytes();
}

export const openBytes = (bytes: Uint8Array): Promise<SafetensorsFile> =>
  openSafetensors(bytesSource(bytes, "model.safetensors"));

export const safetensorsOf = async (tables: readonly Table[]): Promise<Model> =>
  safetensorsModel(await openBytes(await safetensorsBytes(tables)));

/** Each table is gathered from, its rows an output of their own. */
export function onnxBytes(tables: readonly Table[]): Uint8Array {
  return model({
    nodes: tables.map(({ name }) => node("Gather", [name, "ids"], [`${name} rows`])),
    initializers: tables.map(({ name, rows, cols, data = weight(name, rows, cols, rows).data }) =>
      floats(name, [rows, cols], Float32Array.from(data)),
    ),
    inputs: [value("ids", Type.int64, ["n"])],
    outputs: tables.map(({ name, cols }) => value(`${name} rows`, Type.float, ["n", cols])),
  });
}

export const openOnnxBytes = async (bytes: Uint8Array): Promise<Model> =>
  onnxModel(await openOnnx(bytesSource(bytes, "model.onnx")));

/** The main file of what was laid out. */
export async function mainFile(files: readonly OutputFile[]): Promise<Uint8Array> {
  const sink = memorySink();
  await files.at(-1)!.write(sink);
  return sink.bytes();
}
