// Score against size: a model compressed in several ways to several sizes, each scored on the same examples.
import { InvalidInputError, isLoewnerError, throwIfAborted } from "../../errors.js";
import type { Loewner } from "../../types/index.js";
import { type CompressedModel, compressHeld, type CompressOptions } from "../compress.js";
import { HeldLayers } from "../held-layers.js";
import type { Model } from "../model.js";
import { onnxModel } from "../onnx/model.js";
import { runnableModel, type RunnableModel } from "../onnx/runtime.js";
import { runnableFiles } from "../quality/laid-out.js";
import type { CurveMethod } from "./curve-methods.js";
import { type EvaluatedModel, type EvaluateOptions, type Evaluations, Evaluator, type Score } from "./evaluate.js";
import type { EvaluationData, Task } from "./task.js";

export interface CurveOptions
  extends EvaluateOptions, Pick<CompressOptions, "layers" | "exclude" | "p" | "weights" | "objective" | "maxWork"> {
  /** What is given twice is made once. */
  readonly methods: readonly CurveMethod[];
  /** Shares of each layer's bytes that are kept. */
  readonly sizes: readonly number[];
  /** Points of an earlier run, which are not made again. */
  readonly known?: readonly CurvePoint[];
  /** Takes each point as it is found, known ones too. */
  readonly onPoint?: (point: CurvePoint) => void | Promise<void>;
}

/** One model that was made and scored; or why it was not. */
export interface CurvePoint {
  readonly method: CurveMethod;
  /** What was asked for. */
  readonly keep: number;
  /** Of the whole model. */
  readonly bytes?: number;
  readonly scores?: readonly Score[];
  /** Why there is no such model. */
  readonly reason?: string;
  /** Compressing, and running. */
  readonly seconds: { readonly compress: number; readonly run: number };
}

export interface Curve extends Omit<Evaluations, "models"> {
  readonly model: string;
  readonly bytes: number;
  /** Of the model as it is. */
  readonly scores: readonly Score[];
  readonly points: readonly CurvePoint[];
}

/**
 * Compresses the model by every method to every size and scores each result; differences are from the model as it is. A size that a
 * method cannot give is a point with a reason.
 *
 * Cost: one compression and one run of all examples a point, less what sizes share: layers are held open, and their spectra, ellipsoids,
 * scatter matrices and tables in few bits found once, as far as 1 GiB holds these. Memory: the compressed model twice, as a runtime loads it
 * from memory, and what is held.
 * @throws {InvalidInputError} as `evaluateModels` and `compressModel`
 */
export async function evaluateCurve(
  loewner: Loewner,
  { model: file, runnable = runnableModel(file) }: EvaluatedModel,
  data: EvaluationData,
  task: string | Task,
  options: CurveOptions,
): Promise<Curve> {
  const { known = [], onPoint, signal, onProgress } = options;
  const [methods, sizes] = [[...new Set(options.methods)], [...new Set(options.sizes)]];
  if (methods.length === 0 || sizes.length === 0)
    throw new InvalidInputError("A curve needs at least one method and one size.");
  const evaluator = await Evaluator.open(file, data, task, options);
  const total = methods.length * sizes.length + 1;
  const progress = (stage: string, done: number) => onProgress?.({ stage, done, total });
  progress("the model as it is", 0);
  const original = await evaluator.run(file, runnable, undefined);
  const points: CurvePoint[] = [];
  // By layers and their errors: a table in 4 bits is one at every size above its own, and may be what auto takes.
  const alike = new Map<string, readonly Score[]>();
  const model = await onnxModel(file);
  const held = new HeldLayers(loewner, model);
  const pointAt = (at: Pick<CurvePoint, "method" | "keep">) =>
    pointOf(loewner, { model, held }, at, options, async (small, layers) => {
      const key = JSON.stringify(
        layers.map(({ name, rank, dtype, method, bytesAfter, objective: { l1, l2 } }) => [
          ...[name, rank, dtype, method, bytesAfter, l1, l2],
        ]),
      );
      const same = alike.get(key);
      if (same) return { scores: same, seconds: 0 };
      const answered = await evaluator.run(file, small, undefined);
      const scores = evaluator.scores([original, answered])[1];
      alike.set(key, scores);
      return { scores, seconds: answered.seconds };
    });
  try {
    for (const method of methods) {
      for (const keep of sizes) {
        throwIfAborted(signal);
        progress(`${method}, ${keep}`, points.length + 1);
        const point =
          known.find((each) => each.method === method && each.keep === keep) ?? (await pointAt({ method, keep }));
        points.push(point);
        await onPoint?.(point);
      }
    }
  } finally {
    held.close();
  }
  progress("done", total);
  return {
    ...evaluator.about,
    ...{ model: file.source.name, bytes: file.byteLength, scores: evaluator.scores([original])[0], points },
  };
}

async function pointOf(
  loewner: Loewner,
  { model, held }: { model: Model; held: HeldLayers },
  { method, keep }: Pick<CurvePoint, "method" | "keep">,
  { layers, exclude, p, weights, objective, maxWork, signal }: CurveOptions,
  score: (
    small: RunnableModel,
    layers: CompressedModel["layers"],
  ) => Promise<{ scores: readonly Score[]; seconds: number }>,
): Promise<CurvePoint> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1e3;
  const without = (reason: string): CurvePoint => ({ method, keep, reason, seconds: { compress: seconds(), run: 0 } });
  let result: CompressedModel;
  try {
    const own = { layers, exclude, p, weights, objective, maxWork, keep, signal, ...storedBy(method) };
    result = await compressHeld(loewner, model, own, held);
  } catch (error) {
    // A size that a method cannot give is told of, and the others go on.
    if (!isLoewnerError(error, "INVALID_INPUT")) throw error;
    return without(error.message);
  }
  if (result.layers.length === 0) return without(reasonOf(result.skipped));
  const compress = seconds();
  const { scores, seconds: run } = await score(runnableFiles(model.name, result.files, signal), result.layers);
  return { method, keep, bytes: result.bytesAfter, scores, seconds: { compress, run } };
}

function storedBy(method: CurveMethod): Pick<CompressOptions, "method" | "dtype"> {
  switch (method) {
    case "auto":
    case "transform":
    case "int8":
    case "int4":
    case "int3":
    case "int2":
      return { dtype: method };
    default:
      return { method };
  }
}

function reasonOf(skipped: readonly { name: string; reason: string }[]): string {
  return skipped[0] ? `${skipped[0].name}: ${skipped[0].reason}` : "there is no layer to compress";
}
