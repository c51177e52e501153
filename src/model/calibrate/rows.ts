// Activations as a runtime hands them out, turned into the rows that second moments are sums over.
import { f16ToF32 } from "../../formats/index.js";
import type { RuntimeTensor } from "../onnx/runtime.js";
import type { Activation } from "./sites.js";

/** Which positions of a batch are text and which are padding. */
export interface Mask {
  readonly batch: number;
  readonly sequence: number;
  /** 1 at [i, j] where text i has a token j. */
  readonly data: Uint8Array;
}

/** Rows of one run, row-major. */
export interface Rows {
  readonly data: Float32Array | Float64Array;
  readonly rows: number;
  readonly cols: number;
}

/**
 * The activations of a run as rows, without those of padding. A copy: the runtime may use its memory again.
 * @returns undefined where the value is no float tensor with `cols` inputs
 */
export function rowsOf(
  { type, dims, data }: Pick<RuntimeTensor, "type" | "dims" | "data">,
  { samples, trailing = 1 }: Pick<Activation, "samples" | "trailing">,
  cols: number,
  mask?: Mask,
): Rows | undefined {
  const numbers = floats(type, data);
  const last = dims.slice(-trailing).reduce((product, n) => product * n, 1);
  const [inner, columns] = samples === "rows" || dims.length < 2 ? [last, 1] : [dims.at(-2), dims.at(-1) ?? 1];
  if (!numbers || inner !== cols) return undefined;
  const all = columns === 1 && samples === "rows" ? numbers : transposed(numbers, cols, columns);
  const rows = all.length / cols;
  const kept = samples === "rows" ? keptRows(dims, rows, mask) : undefined;
  if (!kept) return { data: all === numbers ? all.slice() : all, rows, cols };
  const result =
    all.constructor === Float64Array ? new Float64Array(kept.length * cols) : new Float32Array(kept.length * cols);
  kept.forEach((row, i) => result.set(all.subarray(row * cols, (row + 1) * cols), i * cols));
  return { data: result, rows: kept.length, cols };
}

/** Row and column of the first entry that is NaN or infinite. */
export function badEntry({ data, cols }: Rows): { row: number; column: number } | undefined {
  for (let i = 0; i < data.length; ++i)
    if (!Number.isFinite(data[i])) return { row: Math.floor(i / cols), column: i % cols };
  return undefined;
}

/**
 * Adds how often each row of a table is read.
 * @param data whole numbers; those below 0 count from the end
 */
export function countRows(
  counts: Float64Array,
  { dims, data }: Pick<RuntimeTensor, "dims" | "data">,
  mask?: Mask,
): void {
  const ids = data as ArrayLike<number | bigint>;
  const kept = keptRows([...dims, 1], ids.length, mask);
  for (let i = 0, end = kept?.length ?? ids.length; i < end; ++i) {
    const id = Number(ids[kept ? kept[i] : i]);
    counts[id < 0 ? id + counts.length : id]++;
  }
}

/**
 * Of values of shape batch x sequence x ..., or (batch sequence) x ..., the rows that belong to tokens; undefined where the shape is
 * another one.
 */
function keptRows(dims: readonly number[], rows: number, mask: Mask | undefined): number[] | undefined {
  if (!mask) return undefined;
  const { batch, sequence, data } = mask;
  const flat = dims.length === 2 && dims[0] === batch * sequence;
  if (!flat && !(dims.length >= 3 && dims[0] === batch && dims[1] === sequence)) return undefined;
  const each = rows / (batch * sequence);
  const kept: number[] = [];
  for (let i = 0; i < rows; ++i) if (data[Math.floor(i / each)]) kept.push(i);
  return kept;
}

/** The numbers of a float tensor; undefined for others. Not a copy, but of halves. */
export function floats(type: string, data: unknown): Float32Array | Float64Array | undefined {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (type !== "float16") return undefined;
  // Engines that have Float16Array hand out one of those.
  return data instanceof Uint16Array ? f16ToF32(data) : Float32Array.from(data as ArrayLike<number>);
}

/** Matrices of `rows` x `cols`, one after the other, each transposed. */
function transposed<T extends Float32Array | Float64Array>(from: T, rows: number, cols: number): T {
  const to = from.slice() as T;
  const size = rows * cols;
  for (let start = 0; start < from.length; start += size)
    for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) to[start + j * rows + i] = from[start + i * cols + j];
  return to;
}
