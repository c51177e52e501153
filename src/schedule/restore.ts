// Results of calls on scaled rows and row weights, put back to what they are of A and s. One function a primitive; leverage scores
// and sensitivities are the same at every scale.
import { InvalidInputError } from "../errors.js";
import type { Matrix } from "../matrix.js";
import type {
  CoresetResult,
  EntrywiseResult,
  JohnResult,
  LevelSetResult,
  LewisResult,
  LowRankCertificate,
  LowRankFactors,
  LowRankResult,
  MinVolumeResult,
  Objective,
  SubspaceResult,
} from "../types/index.js";
import type { Scale } from "./scale.js";

export async function singularValues(values: Float64Array, scale: Scale): Promise<Float64Array> {
  return (await scale.norm("The largest singular value", 2))(values);
}

/** The Gram matrix stays that of the scaled rows, whose entries f64 holds; lower and upper take the factor. */
export async function lewisWeights(result: LewisResult, scale: Scale): Promise<LewisResult> {
  const norm = await scale.norm("The certificate's upper");
  const [lower, upper] = [norm(result.certificate.lower), norm(result.certificate.upper)];
  if (lower < 2 ** -1000) {
    throw new InvalidInputError(
      "The certificate's lower would be below 1e-301, where f64 has few digits: it goes with the scale of A and of rowWeights. Multiply one of them by a larger power of two.",
    );
  }
  return { ...result, certificate: { ...result.certificate, lower, upper } };
}

export async function coreset(result: CoresetResult, scale: Scale): Promise<CoresetResult> {
  const [entry, weight] = [await scale.entry("An entry"), await scale.back(scale.weights, "A weight")];
  const rows = { ...result.rows, data: entry(result.rows.data) };
  return { ...result, rows, weights: weight(result.weights) };
}

export async function levelSet(result: LevelSetResult, scale: Scale): Promise<LevelSetResult> {
  const exponent = scale.entries + scale.weights / scale.p;
  const form = await scale.back(2 * exponent, "An entry of H");
  const point = await scale.back(-exponent, "A contact point");
  const H = form(result.H.data);
  checkForm(H, result.H.data, result.H.cols);
  return {
    ...result,
    H: { ...result.H, data: H },
    contacts: { ...result.contacts, data: point(result.contacts.data) },
    logDet: result.logDet - 2 * result.rank * exponent * Math.LN2,
  };
}

export async function minVolume(result: MinVolumeResult, scale: Scale): Promise<MinVolumeResult> {
  const { rank, H, center } = result;
  const form = await scale.back(-2 * scale.entries, "An entry of H");
  const data = form(H.data);
  checkForm(data, H.data, rank);
  const logDet = result.logDet + 2 * rank * scale.entries * Math.LN2;
  return { ...result, H: { ...H, data }, center: (await scale.entry("The center"))(center), logDet };
}

export async function john(result: JohnResult, scale: Scale): Promise<JohnResult> {
  const { rank, H } = result;
  const form = await scale.back(2 * scale.entries, "An entry of H");
  const data = form(H.data);
  checkForm(data, H.data, H.cols);
  return { ...result, H: { ...H, data }, logDet: result.logDet - 2 * rank * scale.entries * Math.LN2 };
}

/** @throws {InvalidInputError} where a diagonal entry has lost its digits */
function checkForm(H: Float64Array, before: Float64Array, d: number): void {
  for (let j = 0; j < d; ++j) {
    if (before[j * d + j] === 0 || H[j * d + j] > 1e-300) continue;
    throw new InvalidInputError(
      `H cannot be written in f64: its entry (${j}, ${j}) is below 1e-300, entries being squares of A's. Multiply A by a power of two that brings its entries near 1.`,
      { column: j },
    );
  }
}

export async function gram(result: Matrix<Float64Array>, scale: Scale): Promise<Matrix<Float64Array>> {
  return { ...result, data: (await scale.sum("An entry of the Gram matrix", 2))(result.data) };
}

export async function objective(of: Objective, scale: Scale): Promise<Objective> {
  const entry = await scale.entry("A row's error");
  const l1 = await scale.sum("objective.l1", 1);
  return {
    lp: (await scale.sum("objective.lp"))(of.lp),
    l1: l1(of.l1),
    l21: l1(of.l21),
    l2: (await scale.norm("objective.l2", 2))(of.l2),
    worstRow: { row: of.worstRow.row, norm: entry(of.worstRow.norm) },
  };
}

export async function certificate(of: LowRankCertificate, scale: Scale): Promise<LowRankCertificate> {
  const entry = await scale.entry("sigmaNext");
  const norm = await scale.norm("The certified bound");
  const ratio = await scale.back(scale.weights / scale.p, "The certificate's upper");
  // A bound that vanishes would claim too much.
  const up = (x: number) => (x > 0 ? Math.max(norm(x), Number.MIN_VALUE) : 0);
  return {
    lower: ratio(of.lower),
    upper: ratio(of.upper),
    slack: of.slack,
    sigmaNext: entry(of.sigmaNext),
    bound: up(of.bound),
    rounding: up(of.rounding),
  };
}

export async function lowRank(
  result: LowRankFactors | LowRankResult,
  scale: Scale,
): Promise<LowRankFactors | LowRankResult> {
  const entry = await scale.entry("The left factor");
  const back = {
    ...result,
    left: { ...result.left, data: entry(result.left.data) },
    certificate: await certificate(result.certificate, scale),
  };
  if (!("report" in result)) return back;
  const candidates = await Promise.all(
    result.report.candidates.map(async (one) => ({
      ...one,
      objective: await objective(one.objective, scale),
      certificate: await certificate(one.certificate, scale),
    })),
  );
  const [{ objective: best }] = candidates;
  const report = { ...result.report, candidates, objective: best, certificate: back.certificate };
  return { ...back, report } as LowRankResult;
}

/** Codes of any kind: of rows that were scaled only the error says so. */
export async function coded<Result extends { objective: Objective }>(result: Result, scale: Scale): Promise<Result> {
  return { ...result, objective: await objective(result.objective, scale) };
}

export async function subspace(result: SubspaceResult, scale: Scale): Promise<SubspaceResult> {
  const entry = await scale.entry("A distance");
  const sum = await scale.sum("objective");
  return { ...result, objective: sum(result.objective), distances: entry(result.distances) };
}

export async function entrywise(result: EntrywiseResult, scale: Scale): Promise<EntrywiseResult> {
  const entry = await scale.entry("The left factor");
  const sum = await scale.sum("objective.lp");
  const starts = result.report.starts.map((one) => ({
    ...one,
    projection: sum(one.projection),
    ...(one.refined !== undefined && { refined: sum(one.refined) }),
  }));
  return {
    ...result,
    left: { ...result.left, data: entry(result.left.data) },
    objective: await objective(result.objective, scale),
    report: { ...result.report, starts },
  };
}
