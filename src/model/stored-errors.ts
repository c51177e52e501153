// Whether saved errors are those of the stored pair, as far as the sums that they come from can tell.
import { rowTypeBytes, widenRows, type Matrix, type RowSource } from "../matrix.js";
import type { Loewner, Objective, RowWeights, RunOptions } from "../types/index.js";

/** Errors agree to this, relative. */
const tolerance = 1e-5;
/**
 * compress measures what it stores by products in f32: entries of A - left right err by so many units in the last place of A's, alike in
 * rows that are alike. (Seen: 3.)
 */
const units = 16;

/** Of A itself: errors of the pair of zeros. Cost: one sweep over A. */
export function sizeOf(
  loewner: Loewner,
  source: RowSource,
  options: RunOptions & { p: number; rowWeights?: RowWeights },
): Promise<Objective> {
  const { rows, cols } = source;
  const left: RowSource = {
    ...{ rows, cols: 1, dtype: "f32" as const },
    read: (_, count) => new Uint8Array(count * rowTypeBytes.f32),
  };
  return loewner.residual(source, { left, right: { data: new Float32Array(cols), rows: 1, cols } }, options);
}

interface SavedErrors {
  saved: Objective;
  computed: Objective;
  /** Of A. */
  size: Objective;
  p: number;
  /** compress summed in f64. */
  isWide: boolean;
}

/** What is not so of the saved errors. */
export async function errorFaults(
  source: RowSource,
  pair: { left: RowSource; right: Matrix },
  { saved, computed, size, p, isWide }: SavedErrors,
): Promise<string[]> {
  const unit = units * (isWide ? 2 ** -53 : 2 ** -24);
  const faults: string[] = [];
  const check = (name: string, of: number, fresh: number, allowance: number) => {
    if (!(Math.abs(of - fresh) <= allowance)) faults.push(`its error in ${name} is ${of}, but it is ${fresh}`);
  };
  for (const key of ["l1", "l21", "l2"] as const)
    check(key, saved[key], computed[key], tolerance * computed[key] + unit * size[key]);
  check("lp", saved.lp, computed.lp, allowanceOfSum(computed, size, p, unit));
  const { row, norm } = saved.worstRow;
  const allowance = tolerance * computed.worstRow.norm + unit * size.worstRow.norm;
  check("its worst row", norm, computed.worstRow.norm, allowance);
  // Of rows that err alike, any may be named.
  const isRow = Number.isSafeInteger(row) && row >= 0 && row < source.rows;
  if (!isRow || !((await normOfRow(source, pair, row)) >= computed.worstRow.norm - allowance))
    faults.push(`its worst row is ${row}, but it is ${computed.worstRow.row}`);
  return faults;
}

/** sum |r|^p errs like the norm and its p-th power; below p = 1 by the sum of |error|^p at most, which is more where entries are near 0. */
function allowanceOfSum(computed: Objective, size: Objective, p: number, unit: number): number {
  if (p === Infinity) return tolerance * computed.lp + unit * size.lp;
  const ratios = (["l1", "l21", "l2"] as const).map((key) => (computed[key] > 0 ? size[key] / computed[key] : 0));
  const byNorm = Math.max(1, p) * computed.lp * (tolerance + unit * Math.max(...ratios));
  // A power by the host: it decides nothing that is written.
  return p < 1 ? byNorm + size.lp * unit ** p : byNorm;
}

/** |a_i - left_i right|_2, in f64. */
async function normOfRow(source: RowSource, { left, right }: { left: RowSource; right: Matrix }, row: number) {
  const rest = new Float64Array(source.cols);
  const factor = new Float64Array(left.cols);
  await widenRows(source, row, 1, rest);
  await widenRows(left, row, 1, factor);
  for (let k = 0; k < left.cols; ++k)
    for (let j = 0; j < right.cols; ++j) rest[j] -= factor[k] * right.data[k * right.cols + j];
  return Math.sqrt(rest.reduce((sum, x) => sum + x * x, 0));
}
