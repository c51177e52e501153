// One layer fitted and made ready to be stored: floating-point factors, factors in few bits, a table in few bits, transform codes.
import { OutOfMemoryError } from "../errors.js";
import { encodeNumbers, type ByteSink, type ByteSource } from "../formats/index.js";
import { rowTypeBytes, type Matrix, type RowSource, type RowType } from "../matrix.js";
import type {
  CodeBits,
  Loewner,
  LowRankCertificate,
  LowRankOptions,
  LowRankResult,
  Objective,
  RowWeights,
  RunOptions,
  TransformCode,
  TrellisBits,
  TrellisCode,
} from "../types/index.js";
import type { HeadMetricOptions } from "./calibrate/head-metric.js";
import { factorsOf } from "./kinds/index.js";
import type { Factors } from "./kinds/kind.js";
import { aimOf } from "./measure.js";
import { checkRange, overflowOf } from "./overflow.js";
import { outputsByInputs, shapeOf, type Layer } from "./model.js";
import { floatMatrix, matrixIn, type FloatMatrix, type PairType, type StoredLayer } from "./stored.js";

/** A place for bytes that memory should not hold: a temporary file. */
export interface Spill {
  readonly sink: ByteSink;
  /** What was written, to be read until the output is. */
  finish(): Promise<ByteSource>;
}

export interface FitOptions extends Pick<
  LowRankOptions,
  "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork" | "signal" | "onProgress"
> {
  rowWeights?: RowWeights;
  /** Power of the counts that rowWeights are; recorded. */
  rowWeightsPower?: number;
  /** Gives a place for a left factor of more than `spillBytes`. Without it everything stays in memory. */
  spill?: () => Promise<Spill>;
  /** Default 64 MiB. */
  spillBytes?: number;
  /** Second moments of what the layer is multiplied by, inputs x inputs: codes err least under them. */
  moments?: Float64Array;
  /** Some of these inputs: what a head's codes are compared on. */
  sample?: Matrix;
  /** Levels in even steps, which onnxruntime's own operators can hold; else those that suit rotated numbers best. */
  uniform?: boolean;
}

/** Of `storedCertificate`. */
export interface ProofOptions extends Pick<LowRankOptions, "p" | "tolerance" | "rowWeights" | "signal" | "onProgress"> {
  /** A larger residual (f64 of an f64 layer, else f32) stays out of memory. Default 512 MiB. */
  residualBytes?: number;
}

/** How a layer is to be stored. */
export type Target = PairTarget | TransformTarget | TrellisTarget;

/** `rank` of cols without a right factor: "dense", a table in few bits. */
export interface PairTarget {
  readonly rank: number;
  readonly type: PairType;
  readonly dense?: boolean;
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
 * level-set fits: by Lewis weights, as `verify` proves it.
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
  const { rank, type, dense = false } = target;
  const bits = bitsOf(type);
  return bits === undefined
    ? floatFactors(loewner, source, layer.name, rank, type as RowType, options)
    : codedFactors(loewner, layer, source, { rank, bits, dense }, options);
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

function proofOptions({ p, tolerance, rowWeights, signal, onProgress }: FitOptions): ProofOptions {
  return { p, tolerance, rowWeights, signal, onProgress };
}

/** Calls that fitting takes: progress is told by them. */
export function callsOf(target: Target): number {
  if (target.type === "transform" || target.type === "trellis") return 1;
  return target.dense || bitsOf(target.type) === undefined ? 1 : 2;
}

/** Bits of a code, undefined for a float type. */
export function bitsOf(type: PairType): CodeBits | undefined {
  return type.startsWith("int") ? (Number(type.slice(3)) as CodeBits) : undefined;
}

type Fitted = Pick<
  FittedLayer,
  "value" | "rank" | "method" | "objective" | "candidates" | "certificate" | "outputError"
>;

async function floatFactors(
  loewner: Loewner,
  source: RowSource,
  name: string,
  rank: number,
  type: RowType,
  { spill, spillBytes = 64 << 20, uniform: _, rowWeightsPower: __, ...options }: FitOptions,
): Promise<Fitted> {
  const { rows } = source;
  const big = spill && rows * rank * rowTypeBytes[type] > spillBytes ? await spill() : undefined;
  const result = await loewner
    .lowRank(source, {
      ...{ ...options, rank, factorType: type },
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
  return { value: { kind: "pair", left, right: floatMatrix(result.right, type, name) }, rank, ...outcome(result) };
}

function outcome({ method, certificate, report: { objective, candidates } }: LowRankResult) {
  return { method, objective, candidates, ...(method !== "level-set" && { certificate }) };
}

function spilledMatrix(
  source: ByteSource,
  { rows, cols, type, name }: { rows: number; cols: number; type: RowType; name: string },
): FloatMatrix {
  const rowBytes = cols * rowTypeBytes[type];
  const read = (start: number, count: number) => source.slice(start * rowBytes, (start + count) * rowBytes);
  return { kind: "float", rows: { rows, cols, dtype: type, name, read }, source };
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
  { spill: _, spillBytes: __, uniform, rowWeightsPower: ___, ...options }: FitOptions,
): Promise<Fitted> {
  const { p = 1, seed = 0, rowWeights, signal, onProgress } = options;
  // Codes hold what the layer's own type may not: trial factors are not rounded to it.
  const factorType = source.dtype === "f64" ? "f64" : "f32";
  const result = dense ? undefined : await loewner.lowRank(source, { ...options, rank, left: false, factorType });
  const levels = uniform ? ("uniform" as const) : undefined;
  const { left, right, objective } = await loewner.quantise(source, {
    ...{ bits, seed, p, rowWeights, levels, scale: scaleFor(layer), signal, onProgress },
    right: result?.right,
  });
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
  { p = 1, seed = 0, rowWeights, moments, sample, signal, onProgress }: FitOptions,
): Promise<Fitted> {
  const run = { rowWeights, signal, onProgress };
  const axes = p < axesUpTo ? p : 2;
  const options = { bytes, seed, p: axes, scale: scaleFor(layer), aim: aimOf(layer), ...run };
  const isHead = layer.kind === "tied" || layer.kind === "head";
  const { code, objective } =
    isHead && sample?.cols === source.cols && moments
      ? await headCodes(loewner, source, { ...options, sample, moments: [moments] })
      : await loewner.transformCode(source, options);
  const factors = axes === p ? undefined : { right: identity(source.cols), ...(await factorsOf(code)) };
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

/**
 * What is proved of A - left right as they are stored in few bits: by an ellipsoid of the residual, which is taken into memory for it;
 * of one of more than `residualBytes` (default 512 MiB), or of more columns than rows, at p >= 1, by the norms of its rows.
 * @param known the pair's error as `residual` gives it, where that was computed already
 */
export async function storedCertificate(
  loewner: Loewner,
  source: RowSource,
  { left, right = identity(source.cols) }: Factors,
  { p = 1, tolerance = 0.01, rowWeights, residualBytes = 1 << 29, signal, onProgress }: ProofOptions,
  known?: Objective,
): Promise<LowRankCertificate> {
  const { rows, cols, dtype } = source;
  const run: RunOptions = { signal, onProgress };
  if (p >= 1 && (cols > rows || rows * cols * (dtype === "f64" ? 8 : 4) > residualBytes)) {
    // In f64: the products that `quantise` measures itself by may be in f32, whose rounding a bound must not be below.
    const { l21 } = known ?? (await loewner.residual(source, { left, right }, { ...run, p, rowWeights }));
    return rowNormCertificate(l21, rowWeights);
  }
  return loewner.certify(source, right, { ...run, p, tolerance, rowWeights, left });
}

/**
 * |Rx|_p <= sum_i |r_i|_2 |x|_2 for p >= 1 and weights of at least 1; smaller weights scale it. `lower` 0: nothing is said of
 * how much better another choice could be.
 * @param l21 sum of weights times |r_i|_2
 */
function rowNormCertificate(l21: number, weights?: RowWeights): LowRankCertificate {
  let least = 1;
  for (let i = 0; i < (weights?.length ?? 0); ++i) if (weights![i] > 0) least = Math.min(least, weights![i]);
  const bound = l21 / least;
  return { lower: 0, upper: 1, slack: 1e-6, sigmaNext: bound, bound, rounding: 0 };
}

/** Columns of a table that stands without a right factor: 1 GiB for the identity in its place. */
const widestTable = 2 ** 14;

/** @throws {OutOfMemoryError} past 2^14 columns */
export function identity(n: number): Matrix {
  if (n > widestTable) {
    throw new OutOfMemoryError(
      `A table of ${n} columns in few bits is multiplied by a matrix of ${n} x ${n}, which takes ${4 * n * n} bytes; tables of up to ${widestTable} columns are. Leave the layer out.`,
    );
  }
  return { data: Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)), rows: n, cols: n };
}
