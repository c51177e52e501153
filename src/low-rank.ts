// Robust low-rank approximation: the l_p-SVD of Tukan, Maalouf, Weksler, Feldman (arXiv 2009.05647), with its certificate.
//
//   1. an ellipsoid {x : |Mx|_2 <= 1} around the level set {x : |Ax|_p <= 1}            geometry/lewis.ts
//   2. M = Q D V' : the k right singular vectors with the largest singular values      eigenvectors of M'M
//   3. left = A V_k, right = V_k'                                                       geometry/factors.ts
//   4. |(A - left right) x|_p <= upper sigma_{k+1}(M) |x|_2 for every x                 the certificate
//
// "svd" takes M = A in step 2; "auto" does both, and keeps the one with the smaller error in the objective asked for.
import type { EngineRows } from "./engine/sweep.js";
import { factors, unitRoundoff } from "./geometry/factors.js";
import { lewisEllipsoid, type LewisEllipsoid } from "./geometry/lewis.js";
import { profile, type Profile } from "./geometry/profile.js";
import type { Run } from "./geometry/run.js";
import { residualNorm, spectrum } from "./geometry/spectrum.js";
import type { RowSource } from "./matrix.js";
import { rankForEnergy, rankForKeep } from "./options.js";
import type {
  Candidate,
  CertifyOptions,
  FactorType,
  LowRankCertificate,
  LowRankOptions,
  LowRankResult,
  ObjectiveName,
} from "./types.js";

/** Sweeps that low rank spends on Lewis weights before it takes what it has; the certificate holds all the same. */
const maxIterations = 50;

/** An orthonormal basis, cols x cols, f64; the first rows are what is projected on. */
interface Basis {
  method: "lewis" | "svd";
  rows: Float64Array;
  /** sigma_1(M (I - V V')), known where V holds M's own singular vectors. */
  sigmaNext?: number;
}

/** What all candidates of one call share. */
interface Task {
  run: Run;
  rows: EngineRows;
  profile: Profile;
  p: number;
  rank: number;
  factorType: FactorType;
  rowWeights?: LowRankOptions["rowWeights"];
  /** None at p = 2, where A itself is M. */
  ellipsoid?: LewisEllipsoid;
}

export async function lowRank(run: Run, source: RowSource, options: LowRankOptions): Promise<LowRankResult> {
  const { p = 1, method = "auto", objective = "lp", tolerance = 0.01, seed = 0, compareSvd = false } = options;
  const { factorType = source.dtype } = options;
  const { rows: n, cols: d } = source;
  const wantLewis = p !== 2 && method !== "svd";
  const wantSvd = p === 2 || method !== "lewis" || compareSvd;
  expectWork(run, source, options, p !== 2, wantLewis && wantSvd);

  const rows = run.open(source);
  const facts = await profile(run, rows);
  setWeights(rows, options);
  let rank = options.rank ?? (options.keep !== undefined ? rankForKeep(options.keep, n, d) : 0);
  const most = Math.min(n, d);
  const needSpectrum = wantSvd || rank === 0;
  const plain = needSpectrum
    ? await spectrum(run, rows, facts, {
        cut: (values) =>
          rank ||
          rankForEnergy(
            options.energy!,
            values.map((x) => Math.sqrt(Math.max(0, x))),
            most,
          ),
        vectors: wantSvd,
      })
    : undefined;
  rank ||= rankForEnergy(options.energy!, plain!.singularValues, most);
  const ellipsoid = p === 2 ? undefined : await lewisEllipsoid(run, rows, facts, { p, tolerance, maxIterations });
  const task: Task = { run, rows, profile: facts, p, rank, factorType, rowWeights: options.rowWeights, ellipsoid };

  const bases: Basis[] = [];
  if (wantLewis) {
    const { values, matrix } = await run.engine.dense({ op: "eigen", matrix: ellipsoid!.gram, n: d, vectors: true });
    bases.push({
      method: "lewis",
      rows: orient(matrix, d),
      sigmaNext: rank < d ? Math.sqrt(Math.max(0, values[rank])) / facts.unit : 0,
    });
  }
  if (wantSvd) {
    const sigmaNext = p === 2 ? (rank < d ? plain!.singularValues[rank] : 0) : undefined;
    bases.push({ method: "svd", rows: orient(plain!.vectors, d), sigmaNext });
  }
  return finish(task, bases, { objective, seed, method });
}

/** Scores every basis; the factors of the first are kept as they are made, since it is the one that mostly wins. */
async function finish(
  task: Task,
  bases: Basis[],
  choice: { objective: ObjectiveName; seed: number; method: string },
): Promise<LowRankResult> {
  const { run, rows, rank, factorType } = task;
  const { rows: n, cols: d } = rows.source;
  const left = factorType === "f64" ? new Float64Array(n * rank) : new Float32Array(n * rank);
  const stored = async (basis: Basis, keep: boolean) => {
    const request = { basis: basis.rows, rank, p: task.p, factorType, left: keep ? left : undefined };
    return factors(run, rows, task.profile, request);
  };
  const tried: { candidate: Candidate; basis: Basis; right: Float64Array }[] = [];
  for (const basis of bases) {
    const { right, objective } = await stored(basis, tried.length === 0);
    const certificate = await certificateOf(task, basis.rows.subarray(0, rank * d), right, basis);
    tried.push({ candidate: { method: basis.method, objective, certificate }, basis, right });
  }
  let winner = tried[0];
  if (choice.method === "auto") {
    for (const other of tried.slice(1)) {
      if (score(other.candidate, choice.objective) < score(winner.candidate, choice.objective)) winner = other;
    }
    if (winner !== tried[0]) await stored(winner.basis, true);
  }
  run.finish();
  const { certificate, objective } = winner.candidate;
  const others = tried.filter((x) => x !== winner).map((x) => x.candidate);
  return {
    left: { data: left, rows: n, cols: rank },
    right: { data: factorType === "f64" ? winner.right : Float32Array.from(winner.right), rows: rank, cols: d },
    rank,
    p: task.p,
    method: winner.candidate.method,
    certificate,
    report: { objective, certificate, candidates: [winner.candidate, ...others], seed: choice.seed },
    iterations: task.ellipsoid?.iterations ?? 1,
    residual: task.ellipsoid?.residual ?? 0,
    converged: task.ellipsoid?.converged ?? true,
    seconds: run.seconds,
  };
}

function score({ objective, certificate }: Candidate, by: ObjectiveName): number {
  return by === "operator" ? certificate.bound : objective[by];
}

/** The certificate of ALGORITHMS: for a basis of any origin, bound = upper sigma_1(M (I - V V')). */
async function certificateOf(
  task: Task,
  basis: Float64Array,
  right: Float64Array,
  known: { sigmaNext?: number; gram?: Float64Array },
): Promise<LowRankCertificate> {
  const { run, rows, profile, rank, p, factorType, rowWeights, ellipsoid } = task;
  const { cols: d, dtype } = rows.source;
  const f64 = dtype === "f64";
  const sandwich = ellipsoid?.certificate ?? { lower: 1, upper: 1, slack: f64 ? 1e-12 : 1e-6 };
  const sigmaNext =
    known.sigmaNext ?? (await residualNorm(run, (ellipsoid?.gram ?? known.gram)!, basis, rank, d)) / profile.unit;
  let rightError = 0;
  for (let i = 0; i < right.length; ++i) rightError += (right[i] - basis[i]) ** 2;
  // Products are summed 256 deep, then added up: gamma of that depth, for k columns; then the rounding of left itself.
  const working = unitRoundoff[f64 || factorType === "f64" ? "f64" : "f32"];
  const gamma = (Math.min(d, 256) + Math.ceil(d / 256) + 2) * working;
  const relative = Math.sqrt(rank) * (gamma + unitRoundoff[factorType]) + Math.sqrt(rightError);
  return {
    ...sandwich,
    sigmaNext,
    bound: sandwich.upper * sigmaNext,
    rounding: relative * (await rowNormBound(run, rows, profile, p, rowWeights)),
  };
}

/** An upper bound of (sum_i s_i |a_i|_2^p)^(1/p), by the inequality of power means. */
async function rowNormBound(
  run: Run,
  rows: EngineRows,
  { frobenius, unit }: Profile,
  p: number,
  weights: Task["rowWeights"],
): Promise<number> {
  let total = rows.source.rows;
  let top = 1;
  if (weights) {
    total = top = 0;
    for (let i = 0; i < weights.length; ++i) {
      total += weights[i];
      top = Math.max(top, weights[i]);
    }
  }
  const norm = frobenius / unit;
  if (p >= 2) return (await run.power(top, 1 / p)) * norm;
  return total > 0 ? (await run.power(total, 1 / p - 0.5)) * Math.sqrt(top) * norm : 0;
}

/** Each vector's largest entry (the first of equals) becomes positive. */
function orient(vectors: Float64Array, d: number): Float64Array {
  for (let start = 0; start < vectors.length; start += d) {
    let at = start;
    for (let j = start + 1; j < start + d; ++j) if (Math.abs(vectors[j]) > Math.abs(vectors[at])) at = j;
    if (vectors[at] < 0) for (let j = start; j < start + d; ++j) vectors[j] = -vectors[j];
  }
  return vectors;
}

function setWeights(rows: EngineRows, { rowWeights }: LowRankOptions): void {
  if (!rowWeights) return;
  rows.state.set("weights", Float64Array.from(rowWeights));
  rows.state.set("scale", Float64Array.from(rowWeights, Math.sqrt));
}

/** An ellipsoid, and a bound for any right factor from anywhere: what `verify` proves again. */
export async function certify(
  run: Run,
  source: RowSource,
  right: Float64Array,
  rank: number,
  factorType: FactorType,
  options: CertifyOptions,
): Promise<LowRankCertificate> {
  const { p = 1, tolerance = 0.01, rowWeights } = options;
  const rows = run.open(source);
  run.expect(source.rows * source.cols ** 2 * 6);
  const facts = await profile(run, rows);
  if (rowWeights) setWeights(rows, { rowWeights });
  const ellipsoid = p === 2 ? undefined : await lewisEllipsoid(run, rows, facts, { p, tolerance, maxIterations });
  const plain = p === 2 ? await spectrum(run, rows, facts, { cut: () => rank, vectors: false }) : undefined;
  const task: Task = { run, rows, profile: facts, p, rank, factorType, rowWeights, ellipsoid };
  const certificate = await certificateOf(task, right, right, { gram: plain?.gram });
  run.finish();
  return certificate;
}

function expectWork(
  run: Run,
  { rows: n, cols: d, dtype }: RowSource,
  { rank, keep }: LowRankOptions,
  lewis: boolean,
  both: boolean,
): void {
  const k = rank ?? (keep !== undefined ? rankForKeep(keep, n, d) : d / 2);
  const slow = dtype === "f64" ? 2 : 1;
  const project = 2 * d * k * slow;
  run.expect(n * (2 * d + (lewis ? 8 * d * d : 0) + (both || !lewis ? slow * d * d : 0) + (both ? 2 : 1) * project));
}
