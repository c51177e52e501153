/**
 * As much of onnxruntime as running a model takes. The namespaces of onnxruntime-web and onnxruntime-node have it; whoever calls
 * brings one, so that this package depends on neither.
 */
import { externalLocations } from "../../formats/onnx/location.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { ModelInput } from "./inputs.js";

export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  /** A typed array; strings are an array of strings. */
  readonly data: unknown;
  /** Frees what lies outside JavaScript's memory. */
  dispose?(): void;
}

export interface RuntimeSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** In the order of the names, where the runtime tells: sequences and optional values are no tensors. */
  readonly outputMetadata?: readonly { readonly isTensor: boolean }[];
  run(
    feeds: Readonly<Record<string, RuntimeTensor>>,
    fetches?: readonly string[],
    options?: { readonly logSeverityLevel?: 4 },
  ): Promise<Readonly<Record<string, RuntimeTensor>>>;
  release(): Promise<void>;
}

export interface SessionOptions {
  executionProviders?: string[];
  /** onnxruntime-web takes its threads from `env.wasm.numThreads` instead. */
  intraOpNumThreads?: number;
  /** "disabled": codes are unpacked at each run, not all at once as the model loads. */
  graphOptimizationLevel?: "disabled";
  /** 4 is fatal: errors are thrown, and would be printed as well. */
  logSeverityLevel?: 4;
  externalData?: { path: string; data: Uint8Array }[];
}

/** onnxruntime-web, onnxruntime-node, or anything like them. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options?: SessionOptions): Promise<RuntimeSession>;
    create(bytes: Uint8Array, options?: SessionOptions): Promise<RuntimeSession>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => RuntimeTensor;
}

/** A model that can be handed to a runtime; nothing is held before `load` is called. */
export interface RunnableModel {
  /** In error messages. */
  readonly name: string;
  /** With external data. */
  readonly byteLength: number;
  load(): Promise<LoadedModel>;
}

export interface LoadedModel {
  /** The model's bytes, or its path where the runtime opens files itself (onnxruntime-node). */
  readonly model: Uint8Array | string;
  /** Needed beside bytes: each file of external data under the location that the model has for it. */
  readonly externalData?: readonly ExternalData[];
  /** Inputs that every run is given beside its own. */
  readonly given?: readonly ModelInput[];
}

export interface ExternalData {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Every byte in memory when it is loaded: what a browser has to do. */
export function runnableModel(model: OnnxModel): RunnableModel {
  const { source, byteLength } = model;
  return {
    name: source.name,
    byteLength,
    async load() {
      return { model: await source.slice(0, source.size), externalData: await externalData(model) };
    },
  };
}

/** Each file of external data, whole. */
export async function externalData(model: OnnxModel): Promise<ExternalData[]> {
  const files: ExternalData[] = [];
  for (const path of externalLocations(model)) {
    const file = await model.external(path);
    files.push({ path, data: await file.slice(0, file.size) });
  }
  return files;
}
