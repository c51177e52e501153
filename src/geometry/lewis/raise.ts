// A better lower bound from weights of which a few rows' are too small, without another sweep.
//
// With w < q^(p/2) in a few rows alone, alpha = max q_i^(p/2) / w_i says more of them than of the ellipsoid. Raise just those:
// w' = q^(p/2) / alpha' there, w' = w elsewhere, where alpha' is the largest ratio that stays. For p < 2 that takes
//
//   E = sum_i (w_i^(1-2/p) - w'_i^(1-2/p)) a_i a_i'   from   G = M'M,   and with theta = |G^(-1/2) E G^(-1/2)|_2 < 1
//   G' = G - E >= (1 - theta) G,   q'_i <= q_i / (1 - theta),
//   |Ax|_p >= max(q'^(p/2) / w')^(-(2-p)/p^2) |M'x|_2 >= alpha'^(-(2-p)/p^2) (1 - theta)^(1/p) |Mx|_2
//
// while upper is still that of w. theta is bounded by the Frobenius norm, of the rows' own m x m products: E has rank m at most.
import type { EngineRows } from "../../engine/engine.js";
import { blockRows } from "../../engine/sweep.js";
import type { RowSource } from "../../matrix.js";
import type { Run } from "../run.js";
import { transpose } from "../basis/small-dense.js";
import type { Whitening } from "../basis/whiten.js";

/** Rows that are raised, at most: a block, whose products cost less than a sweep by far. */
const mostRows = blockRows;

/**
 * log of the alpha that proves as much as alpha' and theta together, for as many rows as prove most; Infinity when theta is 1 or more.
 * For p < 2. Row state rowDistortion and logWeight, as the certifying sweep left them.
 */
export async function raiseFewRows(
  run: Run,
  rows: EngineRows,
  { transform, rank }: Whitening,
  columnScale: Float64Array,
  p: number,
): Promise<number> {
  const { source, state } = rows;
  const terms = (await state.get("rowDistortion"))!;
  const logWeight = (await state.get("logWeight"))!;
  const weights = await state.get("weights");
  const order = largest(terms, Math.min(mostRows, terms.length >> 3) + 1);
  const most = order.length - 1;
  if (most < 1) return Infinity;
  const raised = order.slice(0, most);

  const { engine } = run;
  const products = await whiteProducts(run, source, raised, { transform, rank, columnScale });
  const logs = weights
    ? await engine.dense(
        "log",
        Float64Array.from(raised, (i) => weights[i]),
      )
    : new Float64Array(most);
  /** s_i^(2/p) w^(1-2/p) of the rows, where `more` is added to log w. */
  const powers = (more: (i: number) => number) =>
    engine.dense(
      "exp",
      Float64Array.from(raised, (i, k) => (1 - 2 / p) * (logWeight[i] + more(i)) + (2 / p) * logs[k]),
    );
  const before = await powers(() => 0);
  let best = Infinity;
  for (let count = 1; count <= most; count = count < most ? Math.min(2 * count, most) : most + 1) {
    const next = terms[order[count]];
    if (next === -Infinity) break; // no row is left that says what stays
    const after = await powers((i) => Math.max(0, terms[i] - next));
    const roots = before.map((x, i) => Math.sqrt(x - after[i]));
    let squares = 0;
    for (let i = 0; i < count; ++i) {
      for (let j = 0; j < count; ++j) {
        // In this order it is at most 1: far row weights would take the products of the others' squares to 0, which proves anything.
        const x = roots[i] * products[i * most + j] * roots[j];
        squares += x * x;
      }
    }
    const theta = Math.sqrt(squares);
    if (!(theta < 1)) continue;
    const [loss] = await engine.dense("log", Float64Array.of(1 - theta));
    best = Math.min(best, next - (p / (2 - p)) * loss);
  }
  return best;
}

/** a_i' G^-1 a_j of these rows. */
async function whiteProducts(
  run: Run,
  source: RowSource,
  indices: readonly number[],
  { transform, rank, columnScale }: { transform: Float64Array; rank: number; columnScale: Float64Array },
): Promise<Float64Array> {
  const { cols: d } = source;
  const count = indices.length;
  // A source is read in its order.
  const sorted = [...indices].sort((a, b) => a - b);
  const read = await run.gather(source, sorted);
  const left = new Float64Array(count * d);
  indices.forEach((index, k) => {
    const from = sorted.indexOf(index) * d;
    for (let j = 0; j < d; ++j) left[k * d + j] = read[from + j] * columnScale[j];
  });
  const multiply = (a: Float64Array, b: Float64Array, inner: number, cols: number) =>
    run.engine.dense("multiply", { left: a, right: b, rows: count, inner, cols });
  const white = await multiply(left, transform, d, rank);
  return multiply(white, transpose(white, count, rank), rank, count);
}

/** Where the `count` largest are, the largest first, the lowest index of equals first. */
function largest(values: Float64Array, count: number): number[] {
  const held: number[] = [];
  for (let i = 0; i < values.length; ++i) {
    if (held.length === count && !(values[i] > values[held[count - 1]])) continue;
    let at = held.length;
    while (at > 0 && values[held[at - 1]] < values[i]) --at;
    held.splice(at, 0, i);
    if (held.length > count) held.pop();
  }
  return held;
}
