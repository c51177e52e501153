// Loewner ellipsoid of L = {x : |Ax|_p <= 1}, p >= 1, the paper's own route to the l_p-SVD (Tukan et al., arXiv 2009.05647), by
// contact points (search.ts) instead of cutting planes.
//
// The largest x'Hx over L is the largest value of a convex function over a convex body: there are many local ones, climbs
// start from many places, and what is found is more than what is proved. Two proofs come with the result:
//   L in {x : x'Hx <= factor}   Lewis weights (certificate.ts): lower^2 x'Gx <= 1 on L, and x'Hx <= lambda_max(G^-1 H) x'Gx
//   E / sqrt(omega) in L        the contact points x_i lie in L and span E: max_i |x_i'z| >= sqrt(z' sum u_i x_i x_i' z) for
//                               every z, whatever u on the simplex; at the optimum omega is the rank (John 1948)
import type { EngineRows } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import type { RowSource } from "../../matrix.js";
import { checkMaxIterations, checkP, checkSeed, checkTolerance } from "../../options.js";
import type { LevelSetOptions, LevelSetResult, SandwichCertificate } from "../../types/index.js";
import type { LewisEllipsoid } from "../lewis/ellipsoid.js";
import { search, type Search } from "./search.js";
import { LevelSetSpace } from "./space.js";
import { profile, type Profile } from "../profile.js";
import type { Run } from "../run.js";

export function checkLevelSet({ p = 1, tolerance = 1e-7, seed = 0, maxIterations, directions }: LevelSetOptions): void {
  checkP(p, { from: 1, to: Infinity });
  checkTolerance(tolerance);
  checkSeed(seed);
  if (maxIterations !== undefined) checkMaxIterations(maxIterations);
  if (directions !== undefined && !(Number.isSafeInteger(directions) && directions >= 1 && directions <= 1e6)) {
    throw new InvalidInputError(`directions must be a whole number from 1 to 1000000; got ${directions}.`);
  }
}

interface Proved {
  space: LevelSetSpace;
  found: Search;
  factor: number;
  certificate: SandwichCertificate;
  /** Of found.H, descending. */
  eigenvalues: Float64Array;
}

/** The search, and what can be proved of its result. */
async function solve(run: Run, rows: EngineRows, scales: Profile, options: LevelSetOptions): Promise<Proved> {
  const space = await LevelSetSpace.open(run, rows, scales, options.p ?? 1);
  const { rank: r, lewis } = space;
  if (r === 0 || space.p === 2) {
    // |Ax|_2^2 is a quadratic form: the unit ball of the coordinates. Of a zero matrix L is everything.
    const H = Float64Array.from({ length: r * r }, (_, i) => Number(i % (r + 1) === 0));
    const contacts = Array.from({ length: r }, (_, j) => H.slice(j * r, (j + 1) * r));
    const found = { H, contacts, omega: r, iterations: 0, residual: 0, converged: true };
    const certificate = { lower: 1, upper: 1, slack: lewis.slack };
    return { space, found, factor: 1, certificate, eigenvalues: new Float64Array(r).fill(1) };
  }
  const found = await search(space, options);
  const { values } = await run.engine.dense("eigen", { matrix: found.H, n: r, count: 0 });
  const factor = Math.max(1, values[0] / (lewis.lower * lewis.lower));
  const certificate = {
    lower: 1,
    upper: Math.sqrt(factor) * Math.min(Math.sqrt(found.omega), lewis.upper / Math.sqrt(values[r - 1])),
    slack: lewis.slack,
  };
  return { space, found, factor, certificate, eigenvalues: values };
}

/**
 * For low rank: the ellipsoid H / factor that is proved to hold L, as `lewisEllipsoid` gives Lewis's.
 * @param rows with row state "weights" where there are row weights
 */
export async function levelSetGram(
  run: Run,
  rows: EngineRows,
  scales: Profile,
  options: LevelSetOptions,
): Promise<LewisEllipsoid> {
  const { space, found, factor, certificate } = await solve(run, rows, scales, options);
  const { iterations, residual, converged, H } = found;
  const gram = space.formOf(H, scales.unit).map((x) => x / factor);
  return { gram, rank: space.rank, certificate, residual, iterations, converged };
}

/** See `LevelSetOptions` and `LevelSetResult`. Works in f64 throughout, on f32 data too. */
export async function levelSetEllipsoid(
  run: Run,
  source: RowSource,
  options: LevelSetOptions,
): Promise<LevelSetResult> {
  const { rows: n, cols: d } = source;
  const rows = run.open(source);
  if (options.rowWeights) rows.state.set("weights", Float64Array.from(options.rowWeights));
  run.expect(1000 * n * d * d);
  const { space, found, factor, certificate, eigenvalues } = await solve(run, rows, await profile(run, rows), options);
  const { rank } = space;
  const H = space.formOf(found.H, 1);
  for (let j = 0; j < d; ++j) {
    if (H[j * d + j] < Infinity && (H[j * d + j] > 1e-300 || rank === 0)) continue;
    if (H[j * d + j] === 0 && space.columnNorm(j) === 0) continue;
    throw new InvalidInputError(
      `H cannot be written in f64: its entry (${j}, ${j}) is ${H[j * d + j] < 1 ? "below 1e-300" : "above 1.8e308"}, entries being squares of A's. Scale that column of A nearer to 1.`,
      { tensor: source.name, column: j },
    );
  }
  const { sizes, basis } = space.rowSpace();
  const logs = await run.engine.dense("log", Float64Array.from([...sizes, ...sizes, ...eigenvalues]));
  const contacts = space.own(found.contacts, rank < d ? basis : undefined);
  run.finish();
  return {
    H: { data: H, rows: d, cols: d },
    logDet: logs.reduce((a, b) => a + b, 0),
    factor,
    contacts: { data: contacts, rows: found.contacts.length, cols: d },
    certificate,
    rank,
    ...(rank < d ? { basis: { data: basis, rows: d, cols: rank } } : {}),
    iterations: found.iterations,
    residual: found.residual,
    converged: found.converged,
    seconds: run.seconds,
  };
}
