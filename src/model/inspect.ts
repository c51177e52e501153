// What is in a model, and what compressing it could save.
import { rowTypeBytes, type RowType } from "../matrix.js";
import { rankForEnergy, rankForKeep } from "../options.js";
import type { Loewner, Progress } from "../types/index.js";
import { checkCall } from "./checked.js";
import { optionsFor, tailsOf, type Option } from "./choices.js";
import { tensorsOf } from "./kinds/index.js";
import { aimOf } from "./measure.js";
import { matrixOf, shapeOf, type Layer, type Model } from "./model.js";
import { ModelProgress } from "./model-progress.js";
import { notFinite } from "./not-finite.js";
import { isFactorable } from "./plan-file.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import { targetBytes } from "./sizes.js";
import type { PairType, StoredType } from "./stored.js";

/** Shares of the layer's size at which the spectrum tells how much would be lost: by factors, and in few bits. */
const shares = [0.9, 0.72, 0.5, 0.3, 0.15];
const smallShares = [0.2, 0.14, 0.11, 0.072, 0.054, 0.036];
/** What every WebGPU device has at least: bytes of a storage buffer binding, and of a buffer. */
const gpuLimits = { binding: 128 * 2 ** 20, buffer: 256 * 2 ** 20 };

export interface Spectrum {
  /** min(rows, cols) of them, descending. Those below 1e-8 of the first are rounding. */
  singularValues: number[];
  /** Sum of squared singular values over the largest: how many directions count. */
  stableRank: number;
  /** Smallest ranks that hold 90 and 99 % of the sum of squared singular values. */
  rankAt90: number;
  rankAt99: number;
  /** Relative Frobenius error of SVD when the factors take `keep` of the layer; shares too small for rank 1 are left out. */
  errors: { keep: number; rank: number; error: number }[];
  /**
   * What `auto` would try first at each share of the layer's bytes: its dtype, the rank of a pair (all columns: the table itself), and the
   * root of its measure, which is the relative Frobenius error if that is noise. Shares that nothing fits into are left out.
   */
  auto: { keep: number; dtype: StoredType; rank?: number; measure: number }[];
}

/** Factors of the layer's own type at the share that was asked for. */
export interface AtKeep {
  rank: number;
  bytesSaved: number;
  /** Relative Frobenius error of SVD, where the spectrum is known. */
  error?: number;
}

/** What is known of a layer that is stored as factors. */
export interface StoredFactors {
  rank: number;
  /** How numbers are stored: the type of the factors, not the layer's own. "transform": then `rank` counts the components that have bits. */
  dtype: StoredType;
  /** The table itself in few bits: a pair that has no right factor. */
  dense: boolean;
  p: number;
  /** What the file says, and `verify` proves: |(A - left right) x|_p <= bound |x|_2 for every x. */
  bound: number;
  /** Of the layer before it was compressed. */
  bytesBefore: number;
  /** Tensors that hold the factors. */
  parts: string[];
}

export interface InspectedLayer extends Layer {
  /** Of all the model's bytes. */
  share: number;
  spectrum?: Spectrum;
  /** Absent where the layer cannot be factored, or the share is too small for rank 1. */
  atKeep?: AtKeep;
  /** The tensor (of a layer in factors: its largest part) is larger than a storage buffer binding (128 MiB) or a buffer (256 MiB) that every WebGPU device has. */
  exceeds?: "128 MiB" | "256 MiB";
  /** Set for a layer that is stored as factors; then `bytes` is of all parts, `dtype` and `shape` are of the layer as it was. */
  stored?: StoredFactors;
}

export interface Inspection {
  /** Path or name. */
  file: string;
  format: Model["format"];
  /** Of all the model's files. */
  bytes: number;
  /** The share that `atKeep` is at. */
  keep: number;
  /** In the order of the file; layers that are stored as factors come last. */
  layers: InspectedLayer[];
}

export interface InspectOptions {
  /** Which spectra are computed: of the layers that are compressed by default, of every layer that can be factored, or none. Default "default". */
  spectra?: "default" | "all" | "none";
  /** Share of a layer's elements that its factors would take, 0 < keep <= 1. Default 0.5. */
  keep?: number;
  signal?: AbortSignal;
  onProgress?: (progress: Progress & { layer: string }) => void;
}

/**
 * Cost: a sweep of rows * cols^2 multiply-adds over each layer whose spectrum is asked for, and the eigenvalues of a cols x cols matrix.
 * Nothing else of the model is read.
 * A layer whose spectrum is asked for and that holds NaN or infinity is blocked, with row and column.
 * @throws {AbortedError} when `signal` fires
 */
export async function inspectModel(loewner: Loewner, model: Model, options: InspectOptions = {}): Promise<Inspection> {
  checkCall("inspectModel", model, options);
  const { spectra: which = "default", keep = 0.5, signal, onProgress } = options;
  const wanted = (layer: Layer) => (which === "all" ? isFactorable(layer) : which === "default" && layer.byDefault);
  const chosen = model.layers.filter(wanted);
  const progress = new ModelProgress(chosen, onProgress);
  const computed = await sideBySide(
    chosen,
    byLayer(loewner, model, (layer) => layer, signal),
    async (layer, stop) => {
      const run = { signal: stop, onProgress: progress.calls(layer.name, 1, [1, 2]) };
      const source = loewner.open(matrixOf(model, layer));
      try {
        const values = await loewner.singularValues(source, run);
        const centred = await loewner.singularValues(source, { ...run, centred: true });
        return spectrumOf(values, centred, layer);
      } catch (error) {
        return notFinite(error, layer);
      } finally {
        source.close();
      }
    },
  );
  progress.finish();
  const spectra = new Map(chosen.map((layer, i) => [layer, computed[i]]));
  const layers = model.layers.map((each): InspectedLayer => {
    const found = spectra.get(each);
    const layer = typeof found === "string" ? { ...each, byDefault: false, blocked: found } : each;
    const { bytes } = layer;
    const inspected: InspectedLayer = { ...layer, share: bytes / model.byteLength, ...exceeding(bytes) };
    const [rows, cols] = shapeOf(layer);
    const spectrum = typeof found === "string" ? undefined : found;
    if (spectrum) inspected.spectrum = spectrum;
    const errors = spectrum && relativeErrors(spectrum.singularValues);
    const rank = isFactorable(layer) ? rankForKeep(keep, rows, cols) : 0;
    if (rank >= 1) {
      const bytesSaved = bytes - targetBytes(rows, cols, { rank, type: layer.dtype.toLowerCase() as PairType });
      inspected.atKeep = { rank, bytesSaved, ...(errors && { error: errors[rank] }) };
    }
    return inspected;
  });
  layers.push(...storedLayers(model));
  return { file: model.name, format: model.format, bytes: model.byteLength, keep, layers };
}

/**
 * @param values at least min(rows, cols) singular values, descending
 * @param centred those of the rows less their mean
 */
export function spectrumOf(
  values: Float64Array,
  centred: Float64Array,
  layer: Pick<Layer, "shape" | "transposed" | "kind" | "bytes" | "dtype">,
): Spectrum {
  const [rows, cols] = shapeOf(layer);
  const most = Math.min(rows, cols);
  // The Gram matrix of a wide layer has more eigenvalues than the layer has singular values; the rest is rounding.
  const singularValues = values.slice(0, most);
  const relative = relativeErrors(singularValues);
  const top = singularValues[0];
  const errors = shares
    .map((keep) => ({ keep, rank: rankForKeep(keep, rows, cols) }))
    .filter(({ rank }) => rank >= 1)
    .map(({ keep, rank }) => ({ keep, rank, error: relative[rank] }));
  const candidates = {
    ...{ rows, cols, singularValues, bytes: layer.bytes, aim: aimOf(layer) },
    centred: centred.subarray(0, most),
  };
  const options = optionsFor(candidates, { type: "auto" });
  return {
    singularValues: Array.from(singularValues),
    stableRank: top > 0 ? singularValues.reduce((sum, x) => sum + (x / top) * (x / top), 0) : 0,
    rankAt90: rankForEnergy(0.9, singularValues, most),
    rankAt99: rankForEnergy(0.99, singularValues, most),
    errors,
    auto: smallShares.flatMap((keep) => bestAt(options, keep, layer.bytes)),
  };
}

function bestAt(options: readonly Option[], keep: number, bytes: number): Spectrum["auto"] {
  const fitting = options.filter((option) => option.bytes <= keep * bytes);
  if (fitting.length === 0) return [];
  const { target, error } = fitting.reduce((a, b) => (b.error < a.error ? b : a));
  if (!target) return [];
  const rank = "rank" in target ? target.rank : undefined;
  return [{ keep, dtype: target.type, ...(rank !== undefined && { rank }), measure: Math.sqrt(error) }];
}

/** Entry k: relative Frobenius error of the best approximation of rank k, for k from 0 to the number of singular values. */
export function relativeErrors(singularValues: ArrayLike<number>): Float64Array {
  return tailsOf(singularValues).map(Math.sqrt);
}

function exceeding(bytes: number): Pick<InspectedLayer, "exceeds"> {
  if (bytes <= gpuLimits.binding) return {};
  return { exceeds: bytes > gpuLimits.buffer ? "256 MiB" : "128 MiB" };
}

/** Layers that are factors already, with all that holds them. */
function storedLayers(model: Model): InspectedLayer[] {
  return [...model.described].map(([name, description]): InspectedLayer => {
    const { rows, cols, rank, type, dtype, p, bound, transposed = false } = description;
    const parts = tensorsOf(description);
    const sizes = parts.map((part) => model.tensorBytes(part));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const bytesBefore = rows * cols * rowTypeBytes[dtype.toLowerCase() as RowType];
    return {
      ...{ name, kind: "other", shape: transposed ? [cols, rows] : [rows, cols], dtype, bytes, byDefault: false },
      ...{ transposed, share: bytes / model.byteLength, ...exceeding(Math.max(...sizes)) },
      stored: {
        rank,
        dtype: type,
        dense: "left" in description && description.right === undefined,
        p,
        bound,
        bytesBefore,
        parts,
      },
    };
  });
}
