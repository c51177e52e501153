// What errors of each layer cost the model's answers: each alone is put into the original, which then runs on a few inputs.
//
// Errors of answers come close to adding up over layers (measured: docs/quality.md), so that a sum of measures times these foretells them.
import { throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Model } from "../model.js";
import type { RunnableModel } from "../onnx/runtime.js";
import { feedbackIn, withFeedback } from "../choices.js";
import type { FittedLayer } from "../fit.js";
import type { Fits } from "../fit-planned.js";
import type { PlannedLayer } from "../plan-options.js";
import { noCertificate } from "../sizes.js";
import type { Answers } from "./answers.js";
import { runnableFiles } from "./laid-out.js";
import { PatchedModel } from "./patched.js";

/** Models that are run, at most: of more layers those that follow each other are changed together. */
const mostRuns = 96;

/** The least that is believed: one layer's part may vanish in rounding. */
const leastError = 1e-7;

export interface MeasureOptions {
  readonly signal?: AbortSignal;
  readonly onLayer?: (done: number, total: number, layer: string) => void;
}

/**
 * By name of the layer. Cost: a model written into memory, loaded and run for each.
 * @param original what `model` was opened from
 */
export async function sensitivities(
  model: Model,
  original: OnnxModel,
  answers: Answers,
  { chosen, made }: Fits<FittedLayer>,
  { signal, onLayer }: MeasureOptions,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const step = Math.ceil(chosen.length / mostRuns);
  const patched = new PatchedModel(original);
  for (let first = 0; first < chosen.length; first += step) {
    throwIfAborted(signal);
    onLayer?.(first, chosen.length, chosen[first].layer.name);
    const group = chosen.slice(first, first + step);
    const drafts = made.slice(first, first + step);
    const alone = group.length === 1 && !group[0].layer.copies ? await patched.with(drafts[0]) : undefined;
    const { cosine } = await answers.agreement(alone ?? (await written(model, drafts, signal)));
    const expected = group.reduce((sum, each) => sum + (each.expected ?? 0), 0);
    if (!(expected > 0)) continue;
    for (const { layer } of group) found.set(layer.name, Math.max(leastError, 1 - cosine) / expected);
  }
  return found;
}

async function written(model: Model, drafts: readonly FittedLayer[], signal?: AbortSignal): Promise<RunnableModel> {
  return runnableFiles(model.name, await model.layOut(drafts.map(unproved)), signal);
}

/** What error feedback leaves of each layer's error, and the drafts with what is expected of their outputs then. */
export function feedbackOf({ chosen, made, skipped }: Fits<FittedLayer>) {
  const feedback = new Map<string, number>();
  const expected = chosen.map((planned, i): PlannedLayer => {
    const { outputError, type } = made[i];
    const { layer, expected: squared } = planned;
    if (type !== "trellis" || outputError === undefined || !(squared !== undefined && squared > 0)) return planned;
    const left = feedbackIn(Math.max(leastError, outputError), squared);
    feedback.set(layer.name, left);
    return { ...planned, expected: withFeedback(squared, left) };
  });
  return { feedback, drafts: { chosen: expected, made, skipped } };
}

/** No proof is read where a model runs. */
export const unproved = (draft: FittedLayer) => ({ ...draft, certificate: noCertificate });
