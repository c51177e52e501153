// What a case of the model zoo is: a small model around a weight, what goes in, and what compressing it must do.
import { uniform } from "./random.js";

/** As onnxruntime's Tensor constructor takes it. */
export interface InputTensor {
  readonly type: "float32" | "float16" | "float64" | "int64" | "int32" | "uint8" | "bool";
  readonly dims: readonly number[];
  readonly data: Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;
}

export interface BuiltModel {
  readonly bytes: Uint8Array;
  /** External data by location. */
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

export interface Weight {
  /** The name of its value in the graph, or what it is called in reports. */
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

export interface OnnxCase {
  readonly name: string;
  readonly weight: Weight;
  /** The model with these numbers as its weight (rows x cols): how a test puts left times right back. */
  build(data: Float32Array): BuiltModel;
  readonly inputs: Readonly<Record<string, InputTensor>>;
  /** "compressed": the weight becomes factors. "skipped": `reason` says why not, and the model stays byte for byte. */
  readonly expect: "compressed" | "skipped";
  /** Left out where a skipped weight is not a layer at all (not 2-D), and so is not listed. */
  readonly reason?: RegExp;
  /** Of outputs, relative to the largest; 1e-4 unless numbers are stored in 16 bits. */
  readonly tolerance?: number;
  /** Other weights in the model, which `--layers all` compresses too: what a test puts back in their place is found by name. */
  readonly others?: true;
}

export const plain = (bytes: Uint8Array): BuiltModel => ({ bytes });

/**
 * Low rank plus noise, and one row in 24 far from the others in a direction of its own: what compression is meaningful on. Numbers
 * of any sign; no two rows alike.
 */
export function weight(name: string, rows: number, cols: number, seed = 1): Weight {
  const rank = Math.min(4, rows, cols);
  const number = (stream: number, i: number) => 2 * uniform(seed * 8 + stream, i) - 1;
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const far = i % 24 === 11;
    for (let j = 0; j < cols; ++j) {
      let sum = 0.05 * number(0, i * cols + j);
      for (let k = 0; k < rank; ++k) sum += (number(1, i * rank + k) * number(2, k * cols + j)) / (k + 1);
      data[i * cols + j] = far ? 6 * number(3, i * cols + j) : sum;
    }
  }
  return { name, rows, cols, data };
}

export function randomFloats(dims: readonly number[], seed = 7): InputTensor {
  const data = Float32Array.from({ length: size(dims) }, (_, i) => 2 * uniform(seed, i) - 1);
  return { type: "float32", dims, data };
}

/** Token ids below `rows`: the far rows among them. */
export function ids(dims: readonly number[], rows: number, type: "int64" | "int32" = "int64"): InputTensor {
  const numbers = Array.from({ length: size(dims) }, (_, i) => (11 + 13 * i) % rows);
  return { type, dims, data: type === "int64" ? BigInt64Array.from(numbers, BigInt) : Int32Array.from(numbers) };
}

const size = (dims: readonly number[]) => dims.reduce((product, n) => product * n, 1);
