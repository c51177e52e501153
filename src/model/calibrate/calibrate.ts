// Second moments of what multiplies each layer, from inputs alone: the model runs once in onnxruntime with the activations as extra
// outputs, batch by batch, and nothing larger than a batch and the sums is kept (GPTQ's H, arXiv 2210.17323).
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { checkP } from "../../options.js";
import type { Loewner, Progress } from "../../types/index.js";
import { select, type Selection } from "../layers.js";
import { inlinedModel } from "../onnx/functions/inlined.js";
import { onnxModel } from "../onnx/model.js";
import type { Fault } from "../onnx/runner.js";
import type { OnnxRuntime } from "../onnx/runtime.js";
import { openFed } from "./fed-weights.js";
import { checkFeeds, type Feed } from "./feeds.js";
import { groupsOf } from "./groups.js";
import { type Moments, type OnOutputs, Pass } from "./pass.js";
import { type Site, type Sites, findSites, valuesIn } from "./sites.js";
import { checkOptions, type Names } from "../../option-names.js";

const calibrateNames: Names<CalibrationOptions> = {
  feeds: 1,
  runtime: 1,
  layers: 1,
  exclude: 1,
  p: 1,
  samples: 1,
  memory: 1,
  threads: 1,
  onOutputs: 1,
  onMoments: 1,
  signal: 1,
  onProgress: 1,
};

export interface CalibrationOptions extends Pick<Selection, "exclude"> {
  /** Batches of inputs: `textFeeds`, `arrayFeeds`, `madeUpFeeds`, or anything like what they give. */
  readonly feeds: readonly Feed[];
  /** onnxruntime-node or onnxruntime-web. */
  readonly runtime: OnnxRuntime;
  /** Globs over layers; "all", the default, is every one. */
  readonly layers?: readonly string[];
  /** 0 < p. 2, the default: X'X. Below, under the Lewis weights of X, a few far rows count for less; at most 8192 rows, or 8 for each column, are kept for them. */
  readonly p?: number;
  /** Rows of each layer's input that are kept beside their moments, at most: a random choice. Default 0. */
  readonly samples?: number;
  /** Bytes that sums and the outputs of one run may take, about: past it layers are done in groups, each with a pass over the feeds of its own. Default 2^29. */
  readonly memory?: number;
  /** Threads inside an operator (onnxruntime-node). Default: those of the library. */
  readonly threads?: number;
  /** Takes the model's own outputs on each feed, once; they are no one's after that. */
  readonly onOutputs?: OnOutputs;
  /** Takes the moments of each group of layers as they are finished; they are not in the result then. */
  readonly onMoments?: (moments: ReadonlyMap<string, Moments>) => void | Promise<void>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Calibration {
  /** By name of the layer; those that no activation multiplies are absent. */
  readonly moments: ReadonlyMap<string, Moments>;
  /** By name of the layer: the axis of the tensor, as the file has it, that runs over h's columns: 0 for x W, 1 for x W'. */
  readonly axes: ReadonlyMap<string, 0 | 1>;
  /** By name of a table that rows are read of: how often each of them was. */
  readonly counts: ReadonlyMap<string, Float64Array>;
  /** Rows of the first input, over all feeds: texts, pictures. */
  readonly samples: number;
  /** What whoever reads the result should know, in sentences: one sample, fewer rows than columns. */
  readonly notes: readonly string[];
}

/**
 * Runs the original on the feeds and sums up second moments, and how often rows of tables are read. Positions that an attention mask
 * among the inputs leaves out do not count. The file is never written: the outputs are added in memory.
 *
 * Cost: one run of the model on each feed (one a group of layers, see `memory`), and rows * cols^2 / 2 multiply-adds a layer, once for
 * layers that read the same value. Memory: the model's bytes once, 8 cols^2 bytes a layer, and the activations of one feed.
 * @throws {InvalidInputError} when feeds do not fit the model, onnxruntime cannot load or run it (with its message), an activation is
 *   NaN or infinite (it names layer, feed, row and column), a glob matches no layer, or p is out of range.
 */
export async function calibrate(loewner: Loewner, given: OnnxModel, options: CalibrationOptions): Promise<Calibration> {
  checkOptions("calibrate", options, calibrateNames);
  const model = await inlinedModel(given);
  const { feeds, runtime, layers = ["all"], exclude, p = 2, memory = 2 ** 29, signal, onProgress } = options;
  const { threads = loewner.threads, onMoments, onOutputs, samples: kept = 0 } = options;
  checkP(p, { above: 0, below: Infinity });
  if (!(Number.isSafeInteger(kept) && kept >= 0))
    throw new InvalidInputError(`samples must be a whole number of at least 0; got ${kept}.`);
  if (!(memory > 0)) throw new InvalidInputError(`memory must be a number of bytes above 0; got ${memory}.`);
  await checkFeeds(model, feeds);
  const { chosen } = select(await onnxModel(model), { layers, exclude });
  const found = await findSites(model, new Set(chosen.map(({ name }) => name)));
  const samples = feeds.reduce((sum, feed) => sum + (Object.values(feed)[0]?.shape[0] ?? 1), 0);
  const moments = new Map<string, Moments>();
  const counts = new Map(found.lookups.map(({ name, rows }) => [name, new Float64Array(rows)]));
  const notes = notesOf(samples, found);
  if (found.sites.length > 0 || found.lookups.length > 0) {
    const groups = groupsOf(found.sites, feeds, p, memory);
    const runner = await openFed(model, { runtime, threads, fault: cannotUse, values: valuesOf(found) });
    try {
      for (const [i, sites] of groups.entries()) {
        const lookups = i === 0 ? found.lookups : [];
        const pass = new Pass(loewner, model, { sites, lookups }, counts, p, kept, i === 0 ? onOutputs : undefined);
        for (const [j, feed] of feeds.entries()) {
          throwIfAborted(signal);
          onProgress?.({ stage: "calibration", done: i * feeds.length + j, total: groups.length * feeds.length });
          await pass.run(runner, feed, j, signal);
        }
        const group = await pass.finish(signal);
        notes.push(
          ...(await handOver(
            group,
            sites,
            onMoments ?? ((done) => done.forEach((one, name) => moments.set(name, one))),
          )),
        );
      }
      onProgress?.({ stage: "done", done: groups.length * feeds.length, total: groups.length * feeds.length });
    } finally {
      await runner.release();
    }
  }
  const axes = new Map(found.sites.flatMap((site) => site.layers.map(({ name, axis }) => [name, axis] as const)));
  return { moments, axes, counts, samples, notes };
}

/** @returns what there is to say of them */
async function handOver(
  group: readonly Moments[],
  sites: readonly Site[],
  take: (moments: ReadonlyMap<string, Moments>) => void | Promise<void>,
): Promise<string[]> {
  await take(new Map(sites.flatMap(({ layers }, i) => layers.map(({ name }) => [name, group[i]] as const))));
  return sites.flatMap(({ layers, cols }, i) => {
    const { rows } = group[i];
    if (rows >= cols) return [];
    const names = layers.map(({ name }) => name).join(", ");
    return [
      `${names}: ${rows} rows for ${cols} columns; second moments of fewer rows than columns want damping, or more inputs.`,
    ];
  });
}

function notesOf(samples: number, { sites }: Sites): string[] {
  const notes: string[] = [];
  if (sites.length === 0) notes.push("No layer among those chosen is multiplied by activations.");
  if (samples === 1) notes.push("One sample says little of what inputs look like; a few hundred do.");
  return notes;
}

function valuesOf({ sites, lookups }: Sites): string[] {
  return [...sites.flatMap(({ activations }) => valuesIn(activations)), ...lookups.flatMap(({ indices }) => indices)];
}

const cannotUse: Fault = (name, doing, message, cause) =>
  new InvalidInputError(
    `${name}: onnxruntime cannot ${doing} the model, so it cannot be calibrated: ${message} It can be compressed without calibration all the same.`,
    { file: name },
    { cause },
  );
