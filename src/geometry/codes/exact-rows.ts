// Rows that a transform code keeps nearly exactly: those that it errs most on, by what is left of them, in few bits each.
import { codedBytes, quantisationError } from "../../codes.js";
import { toRowSource, type RowSource } from "../../matrix.js";
import { TransformDecoder } from "../../transform-codes.js";
import type { TransformCode } from "../../types/index.js";
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

/** The code with these rows kept exactly, and what it then leaves of them: rows.length x cols. */
export async function withExactRows(
  run: Run,
  source: RowSource,
  code: TransformCode,
  rows: Uint32Array,
  bits: 8 | 4,
): Promise<{ code: TransformCode; rest: Float64Array }> {
  const { cols } = source;
  const values = await run.gather(source, rows);
  const restOf = (of: TransformCode) => {
    const decoder = new TransformDecoder(of);
    const decoded = Array.from(rows, (row) => decoder.rows(row, 1));
    return values.map((x, i) => x - decoded[Math.floor(i / cols)][i % cols]);
  };
  const opened = run.open(toRowSource({ data: restOf(code), rows: rows.length, cols }, "residual"));
  const target = { bits, levels: "normal", scale: "least-squares", block: Infinity, p: 2 } as const;
  const { coded } = await encode(run, opened, await profile(run, opened), target);
  run.close(opened);
  const exact = { ...code, exact: { rows, residual: coded } };
  return { code: exact, rest: restOf(exact) };
}
