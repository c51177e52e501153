// What is in a model, and what compressing it could save.
import { tensorRows, type SafetensorsFile } from "../formats/index.js";
import { rankForKeep } from "../options.js";
import type { Loewner, RunOptions } from "../types/index.js";
import { layersOf, type Layer } from "./layers.js";
import { pairsOf } from "./pairs.js";

/** Shares of the layer's size at which `spectrum` tells how much of the energy would stay. */
const shares = [0.9, 0.72, 0.5, 0.3, 0.15];

export interface InspectedLayer extends Layer {
  /** Of the file. */
  share: number;
  spectrum?: {
    singularValues: number[];
    /** Relative Frobenius error of SVD when the factors take `keep` of the layer. */
    errors: { keep: number; rank: number; error: number }[];
  };
  /** Set for the factors of a compressed layer. */
  factorOf?: string;
}

export interface Inspection {
  file: string;
  bytes: number;
  metadata: Record<string, string>;
  layers: InspectedLayer[];
}

/** @param loewner given, the spectra of the default layers are computed too (one sweep each) */
export async function inspectModel(
  file: SafetensorsFile,
  loewner?: Loewner,
  options: RunOptions = {},
): Promise<Inspection> {
  const factors = new Map(
    [...pairsOf(file).values()].flatMap((pair) => [
      [pair.left, pair.name],
      [pair.right, pair.name],
    ]),
  );
  const layers: InspectedLayer[] = [];
  for (const layer of layersOf(file)) {
    const inspected: InspectedLayer = { ...layer, share: layer.bytes / file.source.size };
    if (factors.has(layer.name)) Object.assign(inspected, { factorOf: factors.get(layer.name), byDefault: false });
    else if (loewner && layer.byDefault) inspected.spectrum = await spectrumOf(file, layer, loewner, options);
    layers.push(inspected);
  }
  return { file: file.source.name, bytes: file.source.size, metadata: { ...file.metadata }, layers };
}

async function spectrumOf(
  file: SafetensorsFile,
  { name, shape: [rows, cols] }: Layer,
  loewner: Loewner,
  options: RunOptions,
) {
  const values = await loewner.singularValues(tensorRows(file, name), options);
  const tails = new Float64Array(cols + 1);
  for (let j = cols - 1; j >= 0; --j) tails[j] = tails[j + 1] + values[j] * values[j];
  const errors = shares
    .map((keep) => ({ keep, rank: rankForKeep(keep, rows, cols) }))
    .filter(({ rank }) => rank >= 1)
    .map(({ keep, rank }) => ({ keep, rank, error: tails[0] > 0 ? Math.sqrt(tails[rank] / tails[0]) : 0 }));
  return { singularValues: Array.from(values), errors };
}
