// What is in a model, and what compressing it could save.
import { rankForEnergy, rankForKeep } from "../options.js";
import type { Loewner, Progress } from "../types/index.js";
import { tensorsOf } from "./description.js";
import { matrixOf, shapeOf, type Layer, type LayerKind, type Model } from "./model.js";
import { isFactorable } from "./plan-file.js";

/** Shares of the layer's size at which the spectrum tells how much would be lost. */
const shares = [0.9, 0.72, 0.5, 0.3, 0.15];
/** Largest storage buffer binding that WebGPU guarantees, and largest buffer. */
const gpuLimits = [128 * 2 ** 20, 256 * 2 ** 20] as const;

export interface Spectrum {
  singularValues: number[];
  /** Sum of squared singular values over the largest: how many directions count. */
  stableRank: number;
  rankAt90: number;
  rankAt99: number;
  /** Relative Frobenius error of SVD when the factors take `keep` of the layer. */
  errors: { keep: number; rank: number; error: number }[];
}

export interface InspectedLayer extends Layer {
  /** Of the model. */
  share: number;
  spectrum?: Spectrum;
  /** Bytes over a limit of WebGPU: "128 MiB" is the largest binding that every device has, "256 MiB" the largest buffer. */
  exceeds?: "128 MiB" | "256 MiB";
  /** Set for a layer that is stored as factors. */
  stored?: { rank: number; type: string; method: string; parts: string[] };
}

export interface Inspection {
  file: string;
  format: Model["format"];
  bytes: number;
  layers: InspectedLayer[];
}

export interface InspectOptions {
  /** Which spectra are computed: of the default layers, of every layer that can be factored, or none. Default "default". */
  spectra?: "default" | "all" | "none";
  signal?: AbortSignal;
  onProgress?: (progress: Progress & { layer: string }) => void;
}

/** Cost: a sweep over each layer whose spectrum is asked for, and the eigenvalues of a cols x cols matrix. */
export async function inspectModel(
  loewner: Loewner,
  model: Model,
  { spectra = "default", signal, onProgress }: InspectOptions = {},
): Promise<Inspection> {
  const layers: InspectedLayer[] = [];
  for (const layer of model.layers) {
    const { bytes, name } = layer;
    const inspected: InspectedLayer = { ...layer, share: bytes / model.byteLength };
    if (bytes > gpuLimits[0]) inspected.exceeds = bytes > gpuLimits[1] ? "256 MiB" : "128 MiB";
    const wanted = spectra === "all" ? isFactorable(layer) : spectra === "default" && layer.byDefault;
    if (wanted) {
      const run = { signal, onProgress: onProgress && ((progress: Progress) => onProgress({ ...progress, layer: name })) };
      const values = await loewner.singularValues(matrixOf(model, layer), run);
      inspected.spectrum = spectrumOf(values, ...shapeOf(layer));
    }
    layers.push(inspected);
  }
  layers.push(...storedLayers(model));
  return { file: model.name, format: model.format, bytes: model.byteLength, layers };
}

export function spectrumOf(values: Float64Array, rows: number, cols: number): Spectrum {
  const tails = new Float64Array(cols + 1);
  for (let j = cols - 1; j >= 0; --j) tails[j] = tails[j + 1] + values[j] * values[j];
  const errors = shares
    .map((keep) => ({ keep, rank: rankForKeep(keep, rows, cols) }))
    .filter(({ rank }) => rank >= 1)
    .map(({ keep, rank }) => ({ keep, rank, error: tails[0] > 0 ? Math.sqrt(tails[rank] / tails[0]) : 0 }));
  const most = Math.min(rows, cols);
  return {
    singularValues: Array.from(values),
    stableRank: values[0] > 0 ? tails[0] / (values[0] * values[0]) : 0,
    rankAt90: rankForEnergy(0.9, values, most),
    rankAt99: rankForEnergy(0.99, values, most),
    errors,
  };
}

/** Layers that are factors already, with all that holds them. */
function storedLayers(model: Model): InspectedLayer[] {
  return [...model.described].map(([name, { rows, cols, rank, type, dtype, method, left, right, transposed = false }]) => {
    const parts = [...tensorsOf(left), ...tensorsOf(right)];
    const bytes = parts.reduce((sum, part) => sum + model.tensorBytes(part), 0);
    return {
      ...{ name, kind: "other" as LayerKind, shape: transposed ? [cols, rows] : [rows, cols], dtype, bytes },
      ...{ byDefault: false, transposed, share: bytes / model.byteLength, stored: { rank, type, method, parts } },
    };
  });
}
