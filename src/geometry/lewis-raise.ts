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
import { blockRows, type EngineRows } from "../engine/sweep.js";
import { gatherRows } from "../matrix.js";
import type { Run } from "./run.js";
import { transpose } from "./spectrum.js";
import type { Whitening } from "./whiten.js";

/** Rows that are raised, at most: a block, whose products cost less than a sweep by far. */
const mostRows = blockRows;

/**
 * log of the alpha that proves as much as alpha' and theta together; Infinity when theta is 1 or more. For p < 2. Row state
 * rowDistortion and logWeight, as the certifying sweep left them.
 */
export async function raiseFewRows(
  run: Run,
  rows: EngineRows,
  { transform, rank }: Whitening,
  columnScale: Float64Array,
  p: number,
): Promise<number> {
  const { source, state } = rows;
  const { cols: d } = source;
  const terms = (await state.get("rowDistortion"))!;
  const logWeight = (await state.get("logWeight"))!;
  const weights = await state.get("weights");
  const { indices, next } = largest(terms, Math.min(mostRows, terms.length >> 3));
  const count = indices.length;
  if (count === 0) return Infinity;

  const { engine } = run;
  const logs = weights
    ? (await engine.dense({ op: "log", values: Float64Array.from(indices, (i) => weights[i]) })).values
    : new Float64Array(count);
  const exponents = new Float64Array(2 * count);
  indices.forEach((i, k) => {
    const power = (log: number) => (1 - 2 / p) * log + (2 / p) * logs[k];
    exponents[2 * k] = power(logWeight[i]);
    exponents[2 * k + 1] = power(logWeight[i] + terms[i] - next);
  });
  const { values: powers } = await engine.dense({ op: "exp", values: exponents });

  const left = await gatherRows(source, indices);
  for (let k = 0; k < count; ++k) {
    const size = Math.sqrt(powers[2 * k] - powers[2 * k + 1]);
    for (let j = 0; j < d; ++j) left[k * d + j] *= size * columnScale[j];
  }
  const { matrix: white } = await engine.dense({
    op: "multiply",
    left,
    right: transform,
    rows: count,
    inner: d,
    cols: rank,
  });
  const right = transpose(white, count, rank);
  const shape = { rows: count, inner: rank, cols: count };
  const { matrix: products } = await engine.dense({ op: "multiply", left: white, right, ...shape });
  let squares = 0;
  for (const x of products) squares += x * x;
  const theta = Math.sqrt(squares);
  if (!(theta < 1)) return Infinity;
  const [loss] = (await engine.dense({ op: "log", values: Float64Array.of(1 - theta) })).values;
  return next - (p / (2 - p)) * loss;
}

/** Where the `count` largest are, in order of the index, the lowest of equals first; and the largest of the others. */
function largest(values: Float64Array, count: number): { indices: number[]; next: number } {
  const held: number[] = [];
  for (let i = 0; i < values.length; ++i) {
    if (held.length > count && !(values[i] > values[held[count]])) continue;
    let at = held.length;
    while (at > 0 && values[held[at - 1]] < values[i]) --at;
    held.splice(at, 0, i);
    if (held.length > count + 1) held.pop();
  }
  return {
    indices: held.slice(0, count).sort((a, b) => a - b),
    next: held.length > count ? values[held[count]] : -Infinity,
  };
}
