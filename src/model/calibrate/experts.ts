// Rows that multiply the matrices of a stack (experts), each of which has inputs of its own: as rows over the inputs of all of them, zeros
// but for those of one. Second moments of such rows are those of each expert, in blocks along the diagonal.
import type { RuntimeTensor } from "../onnx/runtime.js";
import type { Experts } from "../onnx/products.js";
import { type Mask, type Rows, rowsOf } from "./rows.js";
import type { Activation } from "./sites.js";

type Read = Pick<RuntimeTensor, "type" | "dims" | "data">;

/** @returns undefined where the activation is no float tensor of rows for these experts */
export function expertRows(
  values: Readonly<Record<string, Read>>,
  activation: Activation & { readonly experts: Experts },
  cols: number,
  mask?: Mask,
): Rows | undefined {
  const { count, along, chosen } = activation.experts;
  const value = values[activation.value];
  const inner = cols / count;
  const experts = numbersOf(chosen, values)?.map((at) => (at < 0 ? at + count : at)) ?? range(count);
  if (experts.some((at) => at < 0 || at >= count)) return undefined;
  const { dims } = value;
  // One is for all rows.
  const own = along === undefined || experts.length === 1 ? 1 : (dims.at(along) ?? 1);
  const isEach = own > 1 && own === experts.length;
  if (own > 1 && !isEach) return undefined;
  // Rows that every one of them is multiplied by are rows of a batch of texts; others need not be.
  const rows = rowsOf(value, activation, inner, isEach ? undefined : mask);
  if (!rows) return undefined;
  const stride = isEach ? dims.slice(along! + dims.length + 1, -1).reduce((product, n) => product * n, 1) : 1;
  const of = (row: number) => (isEach ? [experts[Math.floor(row / stride) % own]] : experts);
  const total = isEach ? rows.rows : rows.rows * experts.length;
  const data = rows.data instanceof Float64Array ? new Float64Array(total * cols) : new Float32Array(total * cols);
  let at = 0;
  for (let row = 0; row < rows.rows; ++row) {
    for (const expert of of(row))
      data.set(rows.data.subarray(row * inner, (row + 1) * inner), at++ * cols + expert * inner);
  }
  return { data, rows: total, cols };
}

function numbersOf(chosen: Experts["chosen"], values: Readonly<Record<string, Read>>): number[] | undefined {
  if (typeof chosen !== "string") return chosen?.slice();
  return Array.from(values[chosen].data as ArrayLike<number | bigint>, Number);
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Of an expert that no row came to, nothing is known but what the others have: the mean of theirs. */
export function fillUnseen(h: Float64Array, cols: number, count: number): void {
  const inner = cols / count;
  const at = (expert: number, i: number, j: number) => (expert * inner + i) * cols + expert * inner + j;
  const all = range(count);
  const isSeen = (expert: number) => range(inner).some((i) => h[at(expert, i, i)] > 0);
  const seen = all.filter(isSeen);
  if (seen.length === 0 || seen.length === count) return;
  for (let i = 0; i < inner; ++i) {
    for (let j = 0; j < inner; ++j) {
      const mean = seen.reduce((sum, expert) => sum + h[at(expert, i, j)], 0) / seen.length;
      for (const expert of all) if (!seen.includes(expert)) h[at(expert, i, j)] = mean;
    }
  }
}
