// A safetensors model in, a smaller one out: every chosen tensor becomes a factor pair, everything else passes through.
import { InvalidInputError } from "../errors.js";
import {
  encodeNumbers,
  layOutSafetensors,
  rowTypeOf,
  tensorChunks,
  tensorRows,
  type SafetensorsFile,
  type SafetensorsInput,
} from "../formats/index.js";
import type { RowType } from "../matrix.js";
import { rankForKeep } from "../options.js";
import type {
  Candidate,
  ChosenMethod,
  Loewner,
  LowRankCertificate,
  LowRankOptions,
  Objective,
  ObjectiveName,
  Progress,
  RowWeights,
} from "../types/index.js";
import { select, type Layer, type Selection } from "./layers.js";
import { describe, metadataKey, pairsOf, type PairDescription } from "./pairs.js";

/**
 * What `auto` minimises for models: sums of whole rows' errors. A model reads rows, and loss follows these; the least sum of
 * entries' errors has rows a seventh longer, and cost sentiment and language models measured here more loss than SVD.
 */
export const modelObjective: ObjectiveName = "l21";

export interface CompressOptions
  extends
    Selection,
    Pick<
      LowRankOptions,
      "rank" | "keep" | "energy" | "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork" | "signal"
    > {
  /** One number a row, for every chosen layer with that many rows. */
  rowWeights?: RowWeights;
  onProgress?: (progress: Progress & { layer: string }) => void;
}

export interface CompressedLayer {
  name: string;
  kind: string;
  rows: number;
  cols: number;
  rank: number;
  /** Share of the layer's elements that the factors hold. */
  keep: number;
  method: ChosenMethod;
  p: number;
  objective: Objective;
  candidates: Candidate[];
  certificate: LowRankCertificate;
  seconds: number;
}

export interface Skipped {
  name: string;
  reason: string;
}

/** What compress made: give `tensors` and `metadata` to writeSafetensors. */
export interface CompressedModel {
  tensors: SafetensorsInput[];
  metadata: [string, string][];
  layers: CompressedLayer[];
  skipped: Skipped[];
  bytesBefore: number;
  bytesAfter: number;
  seconds: number;
  seed: number;
}

export interface PlannedLayer extends Layer {
  /** Unknown before the spectrum is: --energy. */
  rank?: number;
}

/** What would be compressed, and to which rank, before anything is computed. */
export function planCompression(
  file: SafetensorsFile,
  options: CompressOptions,
): { chosen: PlannedLayer[]; skipped: Skipped[] } {
  const { chosen, skipped } = select(file, options);
  const taken = new Set([...pairsOf(file).values()].flatMap((pair) => [pair.left, pair.right]));
  const planned: PlannedLayer[] = [];
  for (const layer of chosen) {
    const [rows, cols] = layer.shape;
    const rank = options.rank ?? (options.keep === undefined ? undefined : rankForKeep(options.keep, rows, cols));
    if (options.rank !== undefined && options.rank > Math.min(rows, cols)) {
      throw new InvalidInputError(
        `rank ${options.rank} is above min(rows, cols) = ${Math.min(rows, cols)} of ${layer.name} (${rows} x ${cols}); ask for less, or leave the layer out with --exclude.`,
        { tensor: layer.name },
      );
    }
    const growth = rank === undefined ? undefined : noGain(rank, rows, cols);
    if (taken.has(layer.name)) skipped.push({ name: layer.name, reason: "already a factor of a compressed layer" });
    else if (rank === 0) skipped.push({ name: layer.name, reason: `keep ${options.keep} leaves it no rank at all` });
    else if (growth) skipped.push({ name: layer.name, reason: growth });
    else {
      for (const factor of [`${layer.name}.left`, `${layer.name}.right`]) {
        if (file.tensors.has(factor)) {
          throw new InvalidInputError(
            `${file.source.name} already has a tensor named ${factor}; leave ${layer.name} out with --exclude.`,
            {
              file: file.source.name,
              tensor: factor,
            },
          );
        }
      }
      planned.push({ ...layer, rank });
    }
  }
  return { chosen: planned, skipped };
}

function noGain(rank: number, rows: number, cols: number): string | undefined {
  const factors = rank * (rows + cols);
  if (factors < rows * cols) return undefined;
  return `would not shrink: rank ${rank} takes ${factors} numbers, the layer has ${rows * cols}`;
}

/** @throws {InvalidInputError} for a NaN or infinity, naming tensor, row and column; for options out of range */
export async function compressModel(
  loewner: Loewner,
  file: SafetensorsFile,
  options: CompressOptions,
): Promise<CompressedModel> {
  const started = performance.now();
  const { chosen, skipped } = planCompression(file, options);
  const { rowWeights, seed = 0, tolerance = 0.01 } = options;
  if (rowWeights && !chosen.some((layer) => layer.shape[0] === rowWeights.length)) {
    const rows = chosen.map((layer) => `${layer.name} (${layer.shape[0]})`).join(", ");
    throw new InvalidInputError(
      `There are ${rowWeights.length} row weights, but no chosen layer has as many rows: ${rows || "none is left"}.`,
    );
  }
  const pairs = new Map<string, PairDescription>(
    [...pairsOf(file)].map(([name, { leftTensor: _l, rightTensor: _r, name: _n, ...pair }]) => [name, pair]),
  );
  const replaced = new Map<string, SafetensorsInput[]>();
  const layers: CompressedLayer[] = [];
  for (const layer of chosen) {
    const [rows, cols] = layer.shape;
    const weights = rowWeights?.length === rows ? rowWeights : undefined;
    const result = await loewner.lowRank(tensorRows(file, layer.name), {
      rank: layer.rank,
      energy: layer.rank === undefined ? options.energy : undefined,
      p: options.p,
      method: options.method,
      objective: options.objective ?? modelObjective,
      tolerance,
      seed,
      maxWork: options.maxWork,
      rowWeights: weights,
      signal: options.signal,
      onProgress: options.onProgress && ((progress) => options.onProgress!({ ...progress, layer: layer.name })),
    });
    const { rank, left, right, method, p, certificate } = result;
    const growth = noGain(rank, rows, cols);
    if (growth) {
      skipped.push({ name: layer.name, reason: growth });
      continue;
    }
    const { objective, candidates } = result.report;
    const [leftName, rightName] = [`${layer.name}.left`, `${layer.name}.right`];
    replaced.set(layer.name, [factor(leftName, layer.dtype, left), factor(rightName, layer.dtype, right)]);
    pairs.set(layer.name, {
      left: leftName,
      right: rightName,
      rows,
      cols,
      rank,
      dtype: layer.dtype,
      p,
      method,
      objective,
      certificate,
      tolerance,
      rowWeights: weights !== undefined,
      seed,
    });
    const keep = (rank * (rows + cols)) / (rows * cols);
    const { seconds } = result;
    layers.push({
      name: layer.name,
      kind: layer.kind,
      rows,
      cols,
      rank,
      keep,
      method,
      p,
      objective,
      candidates,
      certificate,
      seconds,
    });
  }
  const tensors = [...file.tensors.keys()].flatMap((name) => replaced.get(name) ?? [passThrough(file, name)]);
  const metadata = (file.metadataEntries ?? [])
    .filter(([key]) => key !== metadataKey)
    .map(([k, v]): [string, string] => [k, v]);
  if (pairs.size) metadata.push([metadataKey, describe(pairs)]);
  return {
    tensors,
    metadata,
    layers,
    skipped,
    bytesBefore: file.source.size,
    bytesAfter: layOutSafetensors(tensors, metadata).byteLength,
    seconds: (performance.now() - started) / 1000,
    seed,
  };
}

/** A tensor as it stands in a file, read when its turn to be written comes. */
export function passThrough(file: SafetensorsFile, name: string): SafetensorsInput {
  const { dtype, shape, byteLength } = file.tensors.get(name)!;
  return { name, dtype, shape, byteLength, chunks: () => tensorChunks(file, name) };
}

function factor(
  name: string,
  dtype: string,
  matrix: { data: Float32Array | Float64Array; rows: number; cols: number },
): SafetensorsInput {
  const type = rowTypeOf(dtype as SafetensorsInput["dtype"])!;
  const bytes = encodeNumbers(matrix.data, type);
  checkRange(name, matrix.data, type);
  return {
    name,
    dtype: dtype as SafetensorsInput["dtype"],
    shape: [matrix.rows, matrix.cols],
    byteLength: bytes.byteLength,
    chunks: () => [bytes],
  };
}

/** f16 ends at 65504: a left factor can pass it where the layer itself did not. */
function checkRange(name: string, data: Float32Array | Float64Array, type: RowType): void {
  if (type !== "f16") return;
  const at = data.findIndex((x) => !(Math.abs(x) <= 65504));
  if (at >= 0) {
    throw new InvalidInputError(
      `${name} holds ${data[at]}, more than F16 can store (65504); leave this layer out with --exclude.`,
      {
        tensor: name,
      },
    );
  }
}
