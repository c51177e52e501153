// What errors of each layer cost the model's answers: each alone is put into the original, which then runs on a few inputs.
//
// Errors of answers come close to adding up over layers (measured: docs/quality.md), so that a sum of measures times these foretells them.
import { throwIfAborted } from "../../errors.js";
import type { Model } from "../model.js";
import type { FittedLayer } from "../fit.js";
import type { Fits } from "../fit-planned.js";
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

/** By name of the layer. Cost: a model written into memory, loaded and run for each. */
export async function sensitivities(
  model: Model,
  answers: Answers,
  { chosen, made }: Fits<FittedLayer>,
  { signal, onLayer }: MeasureOptions,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const step = Math.ceil(chosen.length / mostRuns);
  for (let first = 0; first < chosen.length; first += step) {
    throwIfAborted(signal);
    onLayer?.(first, chosen.length, chosen[first].layer.name);
    const group = chosen.slice(first, first + step);
    const files = await model.layOut(made.slice(first, first + step).map(unproved));
    const { cosine } = await answers.agreement(runnableFiles(model.name, files, signal));
    const expected = group.reduce((sum, each) => sum + (each.expected ?? 0), 0);
    if (!(expected > 0)) continue;
    for (const { layer } of group) found.set(layer.name, Math.max(leastError, 1 - cosine) / expected);
  }
  return found;
}

/** No proof is read where a model runs. */
const unproved = (draft: FittedLayer) => ({ ...draft, certificate: noCertificate });
