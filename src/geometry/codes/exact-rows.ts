// Rows that a transform code keeps nearly exactly: those that it errs most on, by what is left of them, in few bits each.
import { codedBytes, decodeRows, quantisationError } from "../../codes.js";
import { toRowSource, type RowSource } from "../../matrix.js";
import { TransformDecoder } from "../../transform-codes.js";
import type { ExactRows, TransformCode } from "../../types/index.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { encode } from "./quantise.js";

/** Bytes of a row: what is left of it, and its number. */
export const exactRowBytes = (cols: number, bits: 8 | 4) => codedBytes(1, cols, bits) + 4;
/** What stays of a row's squared error. */
export const exactRowLoss = (cols: number, bits: 8 | 4) => quantisationError(bits, cols);

/** The numbers of the `count` largest entries that are above 0, the lower of equals first; ascending. */
export function largest(x: Float64Array, count: number): Uint32Array {
  if (count === 0) return new Uint32Array();
  const sorted = x.slice().sort();
  const limit = sorted[Math.max(0, x.length - count)];
  const above = x.reduce((sum, value) => sum + Number(value > limit), 0);
  let equal = Math.min(count, x.length) - above;
  const rows: number[] = [];
  x.forEach((value, i) => {
    if (value > limit || (value === limit && value > 0 && equal-- > 0)) rows.push(i);
  });
  return Uint32Array.from(rows);
}

/** The rows' residuals in the code, stored, and what is left then: rows.length x cols. */
export async function exactRows(
  run: Run,
  source: RowSource,
  code: TransformCode,
  rows: Uint32Array,
  bits: 8 | 4,
): Promise<{ exact: ExactRows; rest: Float64Array }> {
  const { cols } = source;
  const rest = await run.gather(source, rows);
  const decoder = new TransformDecoder(code);
  rows.forEach((row, at) => decoder.rows(row, 1).forEach((x, j) => (rest[at * cols + j] -= x)));
  const opened = run.open(toRowSource({ data: rest, rows: rows.length, cols }, "residual"));
  const target = { bits, levels: "normal", scale: "least-squares", block: Infinity, p: 2 } as const;
  const { coded } = await encode(run, opened, await profile(run, opened), target);
  run.close(opened);
  decodeRows(coded, 0, rows.length).forEach((x, i) => (rest[i] -= x));
  return { exact: { rows, residual: coded }, rest };
}
