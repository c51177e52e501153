// An open safetensors model, in one file or several, as the pipeline sees it.
import {
  rowTypeOf,
  tensorChunks,
  tensorRows,
  type SafetensorsFile,
  type SafetensorsInput,
  type SafetensorsTensor,
} from "../../formats/index.js";
import { describeLayer, descriptionText, metadataKey, readDescription, type LayerDescription } from "../description.js";
import { allTensorsOf, sharedTensorsOf } from "../kinds/index.js";
import { isTable, kindOf } from "../layer-names.js";
import { inHalves } from "../halves.js";
import { matrixShape, shapeReason } from "../matrix-shape.js";
import { leastShare, type Layer, type Model, type OutputFile } from "../model.js";
import type { RowSource } from "../../matrix.js";
import { roleOf } from "./architectures.js";
import { clustersTensors } from "./clusters-tensors.js";
import { pairTensors, type PlacedTensors } from "./pair-tensors.js";
import { editedFiles } from "./set-write.js";
import { setOf, type SafetensorsSet } from "./set.js";
import type { StoredLayer } from "../stored.js";
import { transformTensors } from "./transform-tensors.js";
import { trellisTensors } from "./trellis-tensors.js";
import { tiedNames, type ModelFacts } from "./tied-weights.js";

/**
 * @param file one file, or a set of shards
 * @param facts.config config.json beside the model, parsed: it tells whether the head is the embedding table
 */
export function safetensorsModel(file: SafetensorsFile, { config }: { config?: ModelFacts["config"] } = {}): Model {
  const set = setOf(file);
  const shape = (name: string) => set.tensors.get(name)?.shape;
  const described = readDescription(set.metadata[metadataKey], set.source.name, shape);
  const factors = new Set([...described.values()].flatMap(allTensorsOf));
  const ties = tiedNames(set.tensors, { config, metadata: set.metadata });
  const least = leastShare * set.source.size;
  const layers = [...set.tensors.values()]
    .filter(({ name }) => !factors.has(name))
    .map((tensor) => layerOf(tensor, ties.get(tensor.name) ?? [], least));
  const matrices = new Map(layers.flatMap(({ name, shape: matrix, dims }) => (dims ? [[name, matrix]] : [])));
  const halvable = layers
    .filter(({ kind, dtype, bytes }) => (kind === "other" || kind === "position") && dtype === "F32" && bytes > 0)
    .map(({ name }) => name);
  return {
    format: "safetensors",
    name: set.source.name,
    byteLength: set.source.size,
    layers,
    described,
    tensorBytes: (name) => set.tensors.get(name)!.byteLength,
    isTaken: (name) => set.tensors.has(name),
    rows: (name) => tensorRows(set, name, matrices.get(name)),
    floats: () => halvable.map((name) => numbersOf(set, name)),
    bytes: (name) => tensorBytesOf(set, name),
    shape,
    layOut: (stored, { mainName = "model.safetensors", halves } = {}) =>
      layOut(
        set,
        described,
        stored,
        mainName,
        halvable.filter((name) => halves?.has(name)),
      ),
  };
}

/** @param least bytes from which on a float tensor that is no weight has a reason */
function layerOf(
  { name, shape: dims, dtype, byteLength: bytes }: SafetensorsTensor,
  tied: readonly string[],
  least: number,
): Layer {
  const isFloat = rowTypeOf(dtype) !== undefined;
  const layer = { name, dtype, bytes, transposed: false };
  if (!isMatrix(dims) || !isFloat) {
    const blocked = isFloat
      ? bytes >= least && shapeReason(dims)
      : isMatrix(dims) && `is ${dtype}: only F16, BF16, F32 and F64 are factored`;
    return { ...layer, shape: dims, kind: "other", byDefault: false, ...(blocked && { blocked }) };
  }
  if (dims.length > 2) return { ...layer, ...stacked(dims) };
  const shape = dims;
  const own = kindOf(name, shape);
  const kind = tied.some((each) => kindOf(each, shape) === "head") ? "tied" : own;
  const transposed = kind === "linear" && shape[0] < shape[1];
  const isMultiplied = kind === "linear" || kind === "head";
  return {
    ...{ ...layer, shape, kind, transposed, byDefault: isTable(name, shape) },
    ...(isMultiplied && { inputAxis: isInputsFirst(name) ? (0 as const) : (1 as const) }),
    ...(roleOf(name, shape) === "other" && { minor: "is named as a bias or a buffer" }),
    ...(tied.length && { tied }),
  };
}

/** Of two dimensions, or of more that make a matrix of more than a row and a column. */
function isMatrix(dims: readonly number[]): boolean {
  return dims.length === 2 ? !dims.includes(0) : shapeReason(dims) === undefined;
}

/** Experts side by side, heads, kernels of a convolution: a matrix that is multiplied with, whatever its sizes. */
function stacked(dims: readonly number[]): Pick<Layer, "shape" | "dims" | "kind" | "transposed" | "byDefault"> {
  const shape = matrixShape(dims);
  return { shape, dims, kind: "linear", transposed: shape[0] < shape[1], byDefault: false };
}

/** PyTorch's Linear has outputs x inputs; GPT-2's Conv1D the transpose. */
const isInputsFirst = (name: string) => /(^|\.)(c_attn|c_proj|c_fc|q_attn)\.weight$/.test(name);

function layOut(
  set: SafetensorsSet,
  before: ReadonlyMap<string, LayerDescription>,
  stored: readonly StoredLayer[],
  mainName: string,
  halves: readonly string[],
): Promise<OutputFile[]> {
  const described = new Map(before);
  const replaced = new Map<string, SafetensorsInput[]>();
  const shared = new Set([...before.values()].flatMap(sharedTensorsOf));
  for (const layer of stored) {
    const { name } = layer;
    const { description, tensors, shared: common = new Map<string, SafetensorsInput>() } = placed(layer);
    // Beside the first layer that needs them.
    const added = [...common].filter(([table]) => !shared.has(table));
    for (const [table] of added) shared.add(table);
    replaced.set(name, [...tensors, ...added.map(([, tensor]) => tensor)]);
    described.set(name, describeLayer(layer, set.tensors.get(name)!, description));
  }
  for (const name of halves) {
    if (replaced.has(name)) continue;
    const { shape } = set.tensors.get(name)!;
    replaced.set(name, [{ name, dtype: "F16", shape, ...inHalves(numbersOf(set, name)) }]);
  }
  const metadata = new Map(described.size ? [[metadataKey, descriptionText(described)]] : []);
  return editedFiles(set, { replaced, metadata }, mainName);
}

function placed(layer: StoredLayer): PlacedTensors {
  const { value } = layer;
  if (value.kind === "pair") return pairTensors(layer, value);
  if (value.kind === "clusters") return clustersTensors(layer, value);
  return value.kind === "trellis" ? trellisTensors(layer, value) : transformTensors(layer, value);
}

/** A tensor as it stands in a file, read when its turn to be written comes. */
export function passThrough(file: SafetensorsFile, name: string): SafetensorsInput {
  const { dtype, shape, byteLength } = file.tensors.get(name)!;
  return { name, dtype, shape, byteLength, chunks: () => tensorChunks(file, name) };
}

/** All of a tensor of f32, n x 1. */
function numbersOf(set: SafetensorsSet, name: string): RowSource {
  const { start: first, byteLength } = set.tensors.get(name)!;
  return {
    ...{ rows: byteLength / 4, cols: 1, dtype: "f32", name },
    read: (start, count) => set.source.slice(first + 4 * start, first + 4 * (start + count)),
  };
}

async function tensorBytesOf(file: SafetensorsFile, name: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.tensors.get(name)!.byteLength);
  let at = 0;
  for await (const chunk of tensorChunks(file, name)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
