// What errors of each layer cost the model's answers: each alone is put into the original, which then runs on a few inputs.
//
// Errors of answers come close to adding up over layers (measured: docs/quality.md), so that a sum of measures times these foretells them.
import { throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { rowsRead } from "../../matrix.js";
import { transformRows } from "../../transform-codes.js";
import { TrellisDecoder } from "../../trellis-codes.js";
import type { FittedLayer } from "../fit.js";
import type { Draft, Fits } from "../fit-planned.js";
import type { Model } from "../model.js";
import type { ModelInput } from "../onnx/inputs.js";
import type { RunnableModel } from "../onnx/runtime.js";
import type { PlannedLayer } from "../plan-options.js";
import { noCertificate } from "../sizes.js";
import type { Answers } from "./answers.js";
import { runnableFiles } from "./laid-out.js";

/** Models that are run, at most: of more layers those that follow each other are changed together. */
const mostRuns = 96;

/** The least that is believed: one layer's part may vanish in rounding. */
const leastError = 1e-7;

export interface MeasureOptions {
  readonly signal?: AbortSignal;
  readonly onLayer?: (done: number, total: number, layer: string) => void;
}

/**
 * By name of the layer. The answers of the original are asked for here.
 *
 * Cost: a run of the original for each, with other numbers; a model written into memory, loaded and run for those whose numbers do not lie
 * in the file as they are.
 * @param original what `model` was opened from
 */
export async function measuredSensitivities(
  model: Model,
  original: OnnxModel,
  answers: Answers,
  { chosen, made }: Fits<Draft>,
  { signal, onLayer }: MeasureOptions,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const step = Math.ceil(chosen.length / mostRuns);
  const runner = await answers.openFed(original);
  try {
    await answers.ask(runner);
    for (let first = 0; first < chosen.length; first += step) {
      throwIfAborted(signal);
      onLayer?.(first, chosen.length, chosen[first].layer.name);
      const group = chosen.slice(first, first + step);
      const cosine = await cosineOf(group, made.slice(first, first + step));
      const expected = group.reduce((sum, each) => sum + (each.expected ?? 0), 0);
      if (cosine === undefined || !(expected > 0)) continue;
      for (const { layer } of group) found.set(layer.name, Math.max(leastError, 1 - cosine) / expected);
    }
  } finally {
    await runner.release();
  }
  return found;

  /** Undefined of a part of a layer that cannot be exchanged by itself. */
  async function cosineOf(group: readonly PlannedLayer[], drafts: readonly Draft[]): Promise<number | undefined> {
    const changes: ModelInput[] = [];
    for (const [i, draft] of drafts.entries()) {
      const change = group[i].layer.copies ? undefined : await changeOf(runner.givenAs(draft.name), draft);
      if (change) changes.push(change);
    }
    if (changes.length < drafts.length) {
      if (drafts.some(({ only }) => only)) return undefined;
      return (await answers.agreement(await written(model, drafts, signal))).cosine;
    }
    const before = changes.map(({ name }) => runner.givenAs(name)!);
    runner.exchange(changes);
    try {
      return (await answers.agreement(runner)).cosine;
    } finally {
      runner.exchange(before);
    }
  }
}

async function written(model: Model, drafts: readonly FittedLayer[], signal?: AbortSignal): Promise<RunnableModel> {
  return runnableFiles(model.name, await model.layOut(drafts.map(unproved)), signal);
}

/** No proof is read where a model runs. */
const unproved = (draft: FittedLayer) => ({ ...draft, certificate: noCertificate });

/** The layer as it decodes, in the place of its own numbers; undefined where these are not given to each run. */
async function changeOf(given: ModelInput | undefined, draft: Draft): Promise<ModelInput | undefined> {
  const numbers = given?.data instanceof Float32Array && (await numbersOf(draft));
  if (!given || !numbers) return undefined;
  const { transposed, only, rows, cols } = draft;
  const data = (given.data as Float32Array).slice();
  for (let i = 0, at = 0; at < numbers.length; ++i) {
    const row = only?.[i] ?? i;
    for (let j = 0; j < cols; ++j, ++at) data[transposed ? j * rows + row : row * cols + j] = numbers[at];
  }
  return { ...given, data };
}

async function numbersOf({ value }: Draft): Promise<Float32Array | undefined> {
  if (value.kind === "trellis") return new TrellisDecoder(value).rows(0, value.rows);
  if (value.kind !== "transform") return undefined;
  const source = transformRows(value);
  const bytes = await rowsRead(source, 0, source.rows);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
