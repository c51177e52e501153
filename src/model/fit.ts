// One layer fitted and made ready to be stored: floating-point factors, factors in few bits, a table in few bits, transform codes.
import { encodeNumbers } from "../formats/index.js";
import { rowTypeBytes, type Matrix, type RowSource, type RowType } from "../matrix.js";
import type {
  CodeBits,
  Loewner,
  LowRankOptions,
  LowRankResult,
  RowWeights,
  TransformCode,
  TrellisBits,
  TrellisCode,
} from "../types/index.js";
import type { HeadMetricOptions } from "./calibrate/head-metric.js";
import { factorsOf } from "./kinds/index.js";
import { aimOf } from "./measure.js";
import { checkRange, overflowOf } from "./overflow.js";
import { outputsByInputs, shapeOf, type Layer } from "./model.js";
import { spilledMatrix, usualSpillBytes, type Spill } from "./spill.js";
import { floatMatrix, matrixIn, type PairType, type StoredLayer, type StoredValue } from "./stored.js";
import { identity, proofOptions, storedCertificate } from "./stored-certificate.js";

export interface FitOptions extends Pick<
  LowRankOptions,
  "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork" | "signal" | "onProgress"
> {
  rowWeights?: RowWeights;
  /** Power of the counts that rowWeights are; recorded. */
  rowWeightsPower?: number;
  /** Gives a place for a left factor of more than `spillBytes`, and for what is left of a layer while it is proved. Without it everything stays in memory. */
  spill?: () => Promise<Spill>;
  /** Default 64 MiB. */
  spillBytes?: number;
  /** Second moments of what the layer is multiplied by, inputs x inputs: codes err least under them. */
  moments?: Float64Array;
  /** Some of these inputs: what a head's codes are compared on. */
  sample?: Matrix;
  /** Levels in even steps, which onnxruntime's own operators can hold; else those that suit rotated numbers best. */
  uniform?: boolean;
  /** Of method clusters. */
  groups?: number;
  /** Numbers of rows: of transform codes these alone are made, as they would be among all. */
  only?: Uint32Array;
}

/** How a layer is to be stored. */
export type Target = PairTarget | TransformTarget | TrellisTarget;

/** `rank` of cols without a right factor: "dense", a table in few bits. */
export interface PairTarget {
  readonly rank: number;
  readonly type: PairType;
  readonly dense?: boolean;
  /** Rows in so many groups, each with a right factor of its own: method clusters. */
  readonly groups?: number;
  /** Rows are outputs, as in trellis codes: so onnxruntime multiplies by a table in few bits. */
  readonly byOutputs?: boolean;
}

export interface TransformTarget {
  readonly type: TransformCode["kind"];
  /** All that is stored, at most. */
  readonly bytes: number;
}

/** Rows are outputs: `outputsByInputs`. */
export interface TrellisTarget {
  readonly type: TrellisCode["kind"];
  readonly bits: TrellisBits;
}

/** The layer as what is fitted for this target has it. */
export const laidOut = (layer: Layer, target: Target): Layer => (isByOutputs(target) ? outputsByInputs(layer) : layer);

export const isByOutputs = (target: Target) =>
  target.type === "trellis" || ("byOutputs" in target && target.byOutputs === true);

/**
 * A layer ready to be stored. What is stored in few bits is proved by a call of its own, which only the best of several needs; so is what
 * level-set and clusters fit: as `verify` proves it.
 */
export type FittedLayer = Omit<StoredLayer, "certificate"> & Partial<Pick<StoredLayer, "certificate">>;

/** @param layer as `laidOut` for the target
 * @param source what is fitted: the layer's tensor, or its transpose */
export async function fitLayer(
  loewner: Loewner,
  layer: Layer,
  source: RowSource,
  target: Target,
  options: FitOptions,
): Promise<FittedLayer> {
  const started = performance.now();
  const { p = 1, rowWeights } = options;
  const fitted = await fit(loewner, layer, source, target, options);
  const [rows, cols] = shapeOf(layer);
  return {
    ...{ name: layer.name, transposed: layer.transposed, rows, cols, type: target.type, p },
    ...fitted,
    rowWeights: rowWeights !== undefined,
    ...(rowWeights !== undefined && { rowWeightsPower: options.rowWeightsPower }),
    seconds: (performance.now() - started) / 1000,
  };
}

function fit(loewner: Loewner, layer: Layer, source: RowSource, target: Target, options: FitOptions): Promise<Fitted> {
  if (target.type === "transform") return transformCodes(loewner, layer, source, target, options);
  if (target.type === "trellis") return trellisCodes(loewner, source, target, options);
  const { rank, type, dense = false, groups } = target;
  const bits = bitsOf(type);
  const own = groups === undefined ? options : { ...options, method: "clusters" as const, groups };
  if (bits === undefined) return floatFactors(loewner, source, layer.name, rank, type as RowType, own);
  return codedFactors(loewner, layer, source, { rank, bits, dense }, own);
}

/** With the certificate of what is stored. */
export async function proveLayer(
  loewner: Loewner,
  source: RowSource,
  fitted: FittedLayer,
  options: FitOptions,
): Promise<StoredLayer> {
  const started = performance.now();
  const { value, type, certificate } = fitted;
  if (certificate) return { ...fitted, certificate };
  const proved =
    value.kind !== "pair" || value.left.kind === "codes"
      ? await storedCertificate(loewner, source, await factorsOf(value), options)
      : await loewner.certify(source, await matrixIn(value.right!), {
          ...proofOptions(options),
          factorType: type as RowType,
        });
  return {
    ...fitted,
    certificate: proved,
    seconds: fitted.seconds + (performance.now() - started) / 1000,
  };
}

/** Bits of a code, undefined for a float type. */
export function bitsOf(type: PairType): CodeBits | undefined {
  return type.startsWith("int") ? (Number(type.slice(3)) as CodeBits) : undefined;
}

type Fitted = Pick<
  FittedLayer,
  "value" | "rank" | "method" | "objective" | "candidates" | "certificate" | "outputError"
>;

/** What of it `lowRank` takes. */
function lowRankOptions(options: FitOptions) {
  const { p, method, groups, objective, tolerance, seed, maxWork, rowWeights, signal, onProgress } = options;
  return { p, method, groups, objective, tolerance, seed, maxWork, rowWeights, signal, onProgress };
}

async function floatFactors(
  loewner: Loewner,
  source: RowSource,
  name: string,
  rank: number,
  type: RowType,
  options: FitOptions,
): Promise<Fitted> {
  const { spill, spillBytes = usualSpillBytes } = options;
  const { rows } = source;
  const big = spill && rows * rank * rowTypeBytes[type] > spillBytes ? await spill() : undefined;
  const result = await loewner
    .lowRank(source, {
      ...{ ...lowRankOptions(options), rank, factorType: type },
      ...(big && {
        left: async (start: number, block: Float32Array | Float64Array) => {
          checkRange(name, block, type, start * rank, rank);
          await big.sink.write(encodeNumbers(block, type));
        },
      }),
    })
    .catch((error: unknown) => Promise.reject(overflowOf(error, name, type)));
  if (!big) checkRange(name, result.left.data, type, 0, rank);
  const left = big
    ? spilledMatrix(await big.finish(), { rows, cols: rank, type, name })
    : floatMatrix(result.left, type, name);
  const right = floatMatrix(result.right, type, name);
  const { groups } = result;
  const value: StoredValue = groups
    ? { kind: "clusters", count: result.right.rows / rank, groups, left, right }
    : { kind: "pair", left, right };
  return { value, rank, ...outcome(result) };
}

function outcome({ method, certificate, report: { objective, candidates } }: LowRankResult) {
  const isProved = method !== "level-set" && method !== "clusters";
  return { method, objective, candidates, ...(isProved && { certificate }) };
}

/**
 * A head's logits compare inner products, which should stay true on average; rows that are read should stay close. Measured on
 * the tables of a language model and of a classifier: docs/quantise.md.
 */
function scaleFor({ kind }: Layer): "unbiased" | "least-squares" {
  return kind === "tied" || kind === "head" ? "unbiased" : "least-squares";
}

async function codedFactors(
  loewner: Loewner,
  layer: Layer,
  source: RowSource,
  { rank, bits, dense }: { rank: number; bits: CodeBits; dense: boolean },
  options: FitOptions,
): Promise<Fitted> {
  const { p = 1, seed = 0, uniform, rowWeights, signal, onProgress } = options;
  // Codes hold what the layer's own type may not: trial factors are not rounded to it.
  const factorType = source.dtype === "f64" ? "f64" : "f32";
  const result = dense
    ? undefined
    : await loewner.lowRank(source, { ...lowRankOptions(options), rank, left: false, factorType });
  const levels = uniform ? ("uniform" as const) : undefined;
  const coding = { bits, seed, p, rowWeights, levels, scale: scaleFor(layer), signal, onProgress };
  if (result?.groups) {
    const { codeClusters } = await import("./cluster-codes.js");
    const coded = await codeClusters(loewner, source, { right: result.right, groups: result.groups, rank }, coding);
    return { ...coded, rank, method: result.method, candidates: result.report.candidates };
  }
  const { left, right, objective } = await loewner.quantise(source, { ...coding, right: result?.right });
  return {
    ...{ value: { kind: "pair", left, ...(right && { right }) }, rank, objective },
    method: result?.method ?? "dense",
    candidates: result?.report.candidates ?? [],
  };
}

/** Ellipsoids of p >= 4 follow the farthest rows, which codes keep exactly anyway: those have the axes of p = 2. */
const axesUpTo = 4;

async function transformCodes(
  loewner: Loewner,
  layer: Layer,
  source: RowSource,
  { bytes }: TransformTarget,
  { p = 1, seed = 0, rowWeights, moments, sample, only, signal, onProgress }: FitOptions,
): Promise<Fitted> {
  const run = { rowWeights, signal, onProgress };
  const axes = p < axesUpTo ? p : 2;
  const options = { bytes, seed, p: axes, scale: scaleFor(layer), aim: aimOf(layer), only, ...run };
  const isHead = layer.kind === "tied" || layer.kind === "head";
  const { code, objective } =
    isHead && sample?.cols === source.cols && moments
      ? await headCodes(loewner, source, { ...options, sample, moments: [moments] })
      : await loewner.transformCode(source, options);
  const factors = axes === p || only ? undefined : { right: identity(source.cols), ...(await factorsOf(code)) };
  return {
    value: code,
    rank: code.bands.reduce((sum, { cols }) => sum + cols, 0),
    ...{ method: "transform", candidates: [] },
    objective: factors ? await loewner.residual(source, factors, { ...run, p }) : objective,
  };
}

/** Under the metric that serves the head's answers best. */
async function headCodes(loewner: Loewner, source: RowSource, options: HeadMetricOptions) {
  const { chooseHeadMetric } = await import("./calibrate/head-metric.js");
  return (await chooseHeadMetric(loewner, source, options)).result;
}

/** Of inputs that nothing is known of all are alike. */
async function trellisCodes(
  loewner: Loewner,
  source: RowSource,
  { bits }: TrellisTarget,
  { p = 1, seed = 0, rowWeights, moments, signal, onProgress }: FitOptions,
): Promise<Fitted> {
  const run = { signal, onProgress };
  const sums = p < axesUpTo ? p : 2;
  const { code, objective, outputError } = await loewner.trellisCode(source, { bits, moments, seed, p: sums, ...run });
  const measured = sums === p && !rowWeights;
  return {
    ...{ value: code, rank: source.cols, method: "trellis", candidates: [], ...(moments && { outputError }) },
    objective: measured
      ? objective
      : await loewner.residual(
          source,
          { right: identity(source.cols), ...(await factorsOf(code)) },
          { ...run, p, rowWeights },
        ),
  };
}
