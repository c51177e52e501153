// What every model format offers the pipeline: layers, their rows, and the files that hold the model with some of them replaced.
import type { ByteSink } from "../formats/index.js";
import type { RowSource } from "../matrix.js";
import type { LayerDescription } from "./description.js";
import type { StoredLayer } from "./stored.js";
import { transposedRows } from "../formats/transposed-rows.js";

/**
 * "embedding": a table of words or tokens, read by row. "head": the output projection onto the vocabulary. "tied": both at once.
 * "position": a table of positions or token types. "linear": another 2-D weight. "other": anything else.
 */
export type LayerKind = "embedding" | "head" | "tied" | "position" | "linear" | "other";

export interface Layer {
  readonly name: string;
  readonly kind: LayerKind;
  /** Rows and columns of a layer, as the file has it or of its dimensions in two groups; of anything else, all that it has. */
  readonly shape: readonly number[];
  /** All of a layer that has more than two. */
  readonly dims?: readonly number[];
  /** As safetensors spells it: "F32", "F16", "BF16", ... */
  readonly dtype: string;
  /** Of the codes that it lies in, where it is quantised and read as `dtype` all the same. */
  readonly storedAs?: string;
  readonly bytes: number;
  /** Other tensors that hold the same numbers, or their transpose: whatever is done with the layer, a result has none of them. */
  readonly copies?: readonly { readonly name: string; readonly transposed: boolean; readonly bytes: number }[];
  /** Compressed unless other layers are asked for by name. */
  readonly byDefault: boolean;
  /** Why it is not among "all" layers, though its name may choose it: it is no weight of a layer. */
  readonly minor?: string;
  /**
   * What is fitted is the transpose: rows are the tensor's columns. So it is with matrices of more columns than rows, unless their
   * rows are read one by one: rows are tokens or neurons then, and the small dense steps are of the smaller size.
   */
  readonly transposed: boolean;
  /** The axis of the tensor that runs over what it is multiplied by: 0 for x W, 1 for x W'. Absent where nothing says it; of tables that are only read. */
  readonly inputAxis?: 0 | 1;
  /** Other names that stand for this weight and are absent from the file, such as the head of a model that ties it. */
  readonly tied?: readonly string[];
  /** Why it cannot be factored. */
  readonly blocked?: string;
  /** Operators that read it, of an ONNX tensor that stays as it is: "Add", "com.microsoft.RotaryEmbedding". */
  readonly readers?: readonly string[];
}

/** Operators that an ONNX result may use: those of ai.onnx alone, or onnxruntime's own too. */
export type Operators = "standard" | "onnxruntime";

/** A file to write. */
export interface OutputFile {
  /** Beside the main file, which is "". */
  readonly name: string;
  readonly byteLength: number;
  /** Bytes that short names save in it. */
  readonly saved?: number;
  write(sink: ByteSink, options?: { signal?: AbortSignal }): Promise<unknown>;
}

export interface LayOutOptions {
  operators?: Operators;
  /** Name of the main file, without folder: what files beside it are named after. */
  mainName?: string;
  /** Tensors of `floats` that are stored in halves, unless layers are: `halvesOf` gives those that halves hold well. */
  halves?: ReadonlySet<string>;
  /**
   * Values inside of the graph of an ONNX model have names of a few letters, and nodes none, where that makes a file of at most a MiB a
   * twentieth smaller. Inputs, outputs and tensors keep theirs.
   */
  shortNames?: boolean;
}

export interface Model {
  readonly format: "onnx" | "safetensors";
  /** Path or name, for messages. */
  readonly name: string;
  /** Of all its files. */
  readonly byteLength: number;
  /** In the order of the file: every weight, whether it can be compressed or not, and whatever else takes space. */
  readonly layers: readonly Layer[];
  /** Layers that are stored as factors already. */
  readonly described: ReadonlyMap<string, LayerDescription>;
  /** Bytes of a tensor by name. */
  tensorBytes(name: string): number;
  /** True for a name that the file has, and whoever stores a part cannot change. */
  isTaken(name: string): boolean;
  /** A 2-D float tensor, by ranges. */
  rows(name: string): RowSource;
  /** Tensors of f32 that are no weights of layers, and tables of positions: n x 1 each, by name. */
  floats(): RowSource[];
  /** All bytes of a small tensor. */
  bytes(name: string): Promise<Uint8Array>;
  /** Shape of a tensor, undefined when there is none of that name. */
  shape(name: string): readonly number[] | undefined;
  /**
   * Constants that are no weights and hold the bytes of another: a result has none of them. Absent of formats that keep them.
   * Cost: reads those whose type and shape another has, once.
   */
  equalConstants?(): Promise<readonly { readonly name: string; readonly of: string; readonly bytes: number }[]>;
  /** The files of the model with these layers replaced, data files first, the main file last. Nothing is written yet. */
  layOut(stored: readonly StoredLayer[], options?: LayOutOptions): Promise<OutputFile[]>;
}

/** Of a model's bytes: layers of less are left out of "all", and other tensors of less are not listed. */
export const leastShare = 0.001;

/** What is fitted: the layer's tensor, or its transpose. */
export function matrixOf(model: Model, layer: Pick<Layer, "name" | "transposed">): RowSource {
  const rows = model.rows(layer.name);
  return layer.transposed ? transposedRows(rows) : rows;
}

/** As trellis codes take it: rows are outputs, columns what inputs are multiplied with. */
export function outputsByInputs<Of extends Pick<Layer, "inputAxis">>(layer: Of): Of & { transposed: boolean } {
  return { ...layer, transposed: layer.inputAxis === 0 };
}

/** Rows and columns of what is fitted. */
export function shapeOf({ shape: [rows, cols], transposed }: Pick<Layer, "shape" | "transposed">): [number, number] {
  return transposed ? [cols, rows] : [rows, cols];
}
