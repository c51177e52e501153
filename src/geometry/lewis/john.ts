// Lewis weights at p = Infinity: the w, zero off the boundary, with q_i = a_i' (A'WA)^+ a_i = 1 where w_i > 0 and at most 1
// elsewhere. They are the rank times the optimal design of the rows, and give John's ellipsoid of {x : |Ax|_inf <= 1}.
//
// Where the boundary may hold no more rows than fit in memory (rank (rank + 1) / 2 of them: John 1948), by the core sets of
// ellipsoid/enclosing-rows.ts, exactly. Else by w <- w q averaged over the iterates: max q <= (n / rank)^(1/T) after T sweeps (Cohen,
// Cousins, Lee, Yang, arXiv 1905.11580). What is proved holds for both: any weights give
//   |Ax|_inf <= max q^(1/2) |Mx|_2  and  |Mx|_2 <= (sum w)^(1/2) |Ax|_inf.
import type { EngineRows } from "../../engine/engine.js";
import { rowsRead, type RowSource } from "../../matrix.js";
import type { SandwichCertificate } from "../../types/index.js";
import { sandwich, slackOf } from "../certificate.js";
import { encloseRows } from "../ellipsoid/enclosing-rows.js";
import { LewisSweeps, unscale } from "./sweeps.js";
import { linearSpan } from "../ellipsoid/min-volume.js";
import type { Profile } from "../profile.js";
import type { Ending, Run } from "../run.js";
import { outer } from "../basis/small-dense.js";
import { whiten } from "../basis/whiten.js";

/** Up to this rank the rows that may touch the ellipsoid fit in memory. */
const coreRank = 128;

export interface JohnWeights extends Ending {
  /** n of them; they sum to the rank. */
  weights: Float64Array;
  /** A'WA times unit^2 of the profile. */
  gram: Float64Array;
  /** A Gram matrix of the scaled columns: which of them hold anything. */
  scaledGram: Float64Array;
  rank: number;
  certificate: SandwichCertificate;
}

/**
 * `rows` may hold the state weights: rows with s_i = 0 do not count, all others alike.
 * @param request tolerance of max(max q - 1, 1 - min q over w_i > 0); above rank 128 of max q - 1 alone
 */
export async function johnWeights(
  run: Run,
  rows: EngineRows,
  profile: Profile,
  request: { tolerance: number; maxIterations: number },
): Promise<JohnWeights> {
  const { source } = rows;
  const s = await rows.state.get("weights");
  const counted = s?.some((x) => x === 0) ? run.open(without(source, s)) : rows;
  const span = await linearSpan(run, counted, profile.columnScale);
  if (span.rank > coreRank) return averaged(run, rows, profile, request);

  const { rows: n, cols: d, dtype } = source;
  const { rank } = span;
  const weights = new Float64Array(n);
  if (rank === 0) {
    const certificate = { lower: 1, upper: 1, slack: slackOf(1, dtype === "f64") };
    const nothing = new Float64Array(d * d);
    const exact = { iterations: 0, residual: 0, converged: true };
    return { weights, gram: nothing, scaledGram: nothing, rank, certificate, ...exact };
  }
  const found = await encloseRows(run, counted, span.white, request);
  const touching = await run.gather(source, found.contacts);
  const scaled = new Float64Array(touching.length);
  found.contacts.forEach((row, i) => {
    weights[row] = rank * found.weights[i];
    const size = Math.sqrt(weights[row]) * profile.unit;
    for (let j = 0; j < d; ++j) scaled[j * found.contacts.length + i] = touching[i * d + j] * size;
  });
  const { iterations, residual, converged } = found;
  const certificate = {
    lower: 1 / Math.sqrt(rank),
    upper: Math.sqrt(found.top / rank),
    slack: slackOf(span.condition, dtype === "f64"),
  };
  return {
    weights,
    gram: outer(scaled, d, found.contacts.length),
    scaledGram: span.gram,
    rank,
    certificate,
    iterations,
    residual,
    converged,
  };
}

async function averaged(
  run: Run,
  rows: EngineRows,
  { columnScale, unit }: Profile,
  { tolerance, maxIterations }: { tolerance: number; maxIterations: number },
): Promise<JohnWeights> {
  const { rows: n, dtype } = rows.source;
  const sweeps = new LewisSweeps(run, rows, Infinity, columnScale);
  const white = (gram: Float64Array) => whiten(run.engine, gram, rows.source);
  let gram = await sweeps.start(true);
  let whitening = await white(gram);
  // As many as the paper's bound asks for; what is proved in the end is measured.
  let steps = 1;
  for (let bound = 1 + tolerance; bound < n / whitening.rank && steps < maxIterations; ++steps) bound *= 1 + tolerance;
  for (let step = 0; step <= steps; ++step) {
    // The first weights are all 1 and no average is to know them; the last step takes the mean of the others.
    const last = step === steps;
    gram = (await sweeps.step(whitening, last ? { gamma: 1 / steps, omega: 2 } : { gamma: step ? 1 : 0, omega: 1 }))
      .gram;
    whitening = await white(gram);
  }
  const terms = await sweeps.step(whitening, {});
  const certificate = await sandwich(run, Infinity, terms, whitening.condition, dtype === "f64");
  const weights = await run.engine.dense("exp", (await rows.state.get("logWeight"))!);
  const residual = Math.max(0, certificate.upper * certificate.upper - 1);
  return {
    weights,
    gram: unscale(gram, columnScale, unit),
    scaledGram: gram,
    rank: whitening.rank,
    certificate,
    iterations: steps,
    residual,
    converged: residual <= tolerance,
  };
}

/** The same rows, zeros where s_i is 0. */
function without(source: RowSource, s: Float64Array): RowSource {
  return {
    ...source,
    async read(start, count) {
      const bytes = new Uint8Array(await rowsRead(source, start, count));
      const rowBytes = bytes.length / count;
      for (let i = 0; i < count; ++i) if (s[start + i] === 0) bytes.fill(0, i * rowBytes, (i + 1) * rowBytes);
      return bytes;
    },
  };
}
