// What errors of each layer cost the model's answers: each alone is put into the original, which then runs on a few inputs.
//
// Errors of answers come close to adding up over layers (measured: docs/quality.md), so that a sum of measures times these foretells them.
import { throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { rowsRead } from "../../matrix.js";
import { transformRows } from "../../transform-codes.js";
import { TrellisDecoder } from "../../trellis-codes.js";
import { feedbackIn, withFeedback } from "../choices.js";
import type { FittedLayer } from "../fit.js";
import type { Draft, Fits } from "../fit-planned.js";
import type { Model } from "../model.js";
import type { ModelInput } from "../onnx/inputs.js";
import type { Runner } from "../onnx/runner.js";
import type { RunnableModel } from "../onnx/runtime.js";
import type { PlannedLayer } from "../plan-options.js";
import { noCertificate } from "../sizes.js";
import type { Answers } from "./answers.js";
import { runnableFiles } from "./laid-out.js";
import { costAt } from "./qualities.js";

/** Models that are run, at most: of more layers those that follow each other are changed together. */
const mostRuns = 96;

/** Of what all drafts at once cost on all inputs to the sum of what each alone costs on the few: 0.8 to 1.5 was seen. */
const mostScale = 4;

/** The least that is believed: one layer's part may vanish in rounding. */
const leastError = 1e-7;

export interface MeasureOptions {
  readonly signal?: AbortSignal;
  readonly onLayer?: (done: number, total: number, layer: string) => void;
}

/** The original, and its answers on all inputs and on a few of them. Those on all are there already. */
export interface MeasuredAnswers {
  readonly original: OnnxModel;
  readonly all: Answers;
  readonly sample: Answers;
}

/**
 * By name of the layer: what its expected error is multiplied by. Each layer is put into the original alone, on a few inputs; errors of all
 * layers at once may cost more than their sum, and other inputs more than the few: all drafts run once on all inputs, and all are scaled to that.
 *
 * Cost: a run of the original on the few inputs for each, with other numbers, and one on all; a model written into memory, loaded and run for
 * those whose numbers do not lie in the file as they are.
 * @param answers `original` is what `model` was opened from
 */
export async function measuredSensitivities(
  model: Model,
  { original, all, sample }: MeasuredAnswers,
  { chosen, made }: Fits<Draft>,
  { signal, onLayer }: MeasureOptions,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const step = Math.ceil(chosen.length / mostRuns);
  const runner = await sample.openFed(original);
  try {
    await sample.ask(runner);
    for (let first = 0; first < chosen.length; first += step) {
      throwIfAborted(signal);
      onLayer?.(first, chosen.length, chosen[first].layer.name);
      const group = chosen.slice(first, first + step);
      const drafts = made.slice(first, first + step);
      const { changed, before } = await exchanged(runner, group, drafts);
      const isWhole = changed.length === drafts.length;
      const answering = isWhole ? runner : await written(model, drafts, signal);
      const cosine = answering && (await sample.agreement(answering)).cosine;
      runner.exchange(before);
      const expected = expectedIn(group);
      if (cosine === undefined || !(expected > 0)) continue;
      for (const { layer } of group) found.set(layer.name, Math.max(leastError, costAt(cosine)) / expected);
    }
    const factor = await scale();
    return new Map([...found].map(([name, each]) => [name, each * factor]));
  } finally {
    await runner.release();
  }

  async function scale(): Promise<number> {
    const changed: PlannedLayer[] = [];
    // One after the other: what was there is let go.
    for (const [i, draft] of made.entries()) changed.push(...(await exchanged(runner, [chosen[i]], [draft])).changed);
    const whole = changed.length < chosen.length ? await written(model, made, signal) : undefined;
    const parts = (whole ? chosen : changed).filter(({ layer }) => found.has(layer.name));
    const sum = parts.reduce((sum, each) => sum + found.get(each.layer.name)! * expectedIn([each]), 0);
    if (!(sum > 0)) return 1;
    const { cosine } = await all.agreement(whole ?? runner);
    return Math.min(mostScale, Math.max(1 / mostScale, costAt(cosine) / sum));
  }
}

/** Of a draft's squared errors, those that it is tried with instead, at most. */
const mostGrown = 4;

/**
 * What costs at the sizes of a plan are beside the sum of what `sensitivities` say of it: 1 where they say what is so. Drafts may have other
 * bits than layers end up with, and costs of large errors add up otherwise than those of small ones. So all drafts at once are put into the original
 * with their errors as large as the plan expects, and it runs on all inputs.
 *
 * Layers whose numbers are not given to each run are left out, here and there.
 * @param planned what is to be made
 * @param sensitivities by name, as `measuredSensitivities` gives them
 */
export async function scaleAt(
  planned: readonly PlannedLayer[],
  { original, all }: Pick<MeasuredAnswers, "original" | "all">,
  { chosen, made }: Fits<Draft>,
  sensitivities: ReadonlyMap<string, number>,
): Promise<number> {
  const wanted = new Map(planned.map((each) => [each.layer.name, expectedIn([each])]));
  const grown = chosen.map((each) => {
    const ratio = (wanted.get(each.layer.name) ?? 0) / expectedIn([each]);
    return Number.isFinite(ratio) ? Math.min(mostGrown, ratio) : 0;
  });
  const runner = await all.openFed(original);
  try {
    const { changed } = await exchanged(runner, chosen, made, grown.map(Math.sqrt));
    const told = changed.reduce((sum, each) => {
      const expected = grown[chosen.indexOf(each)] * expectedIn([each]);
      return sum + (sensitivities.get(each.layer.name) ?? 0) * expected;
    }, 0);
    if (!(told > leastError)) return 1;
    return Math.min(mostScale, Math.max(1 / mostScale, costAt((await all.agreement(runner)).cosine) / told));
  } finally {
    await runner.release();
  }
}

const expectedIn = (group: readonly PlannedLayer[]) => group.reduce((sum, { expected = 0 }) => sum + expected, 0);

/**
 * Puts drafts in the place of layers whose numbers are given to each run.
 * @param shares of each draft's errors, those that it has there. Default 1
 * @returns these layers, and what was there
 */
async function exchanged(
  runner: Runner,
  group: readonly PlannedLayer[],
  drafts: readonly Draft[],
  shares?: readonly number[],
) {
  const changed: PlannedLayer[] = [];
  const before: ModelInput[] = [];
  for (const [i, draft] of drafts.entries()) {
    const given = group[i].layer.copies ? undefined : runner.givenAs(draft.name);
    const change = given && (await changeOf(given, draft, shares?.[i]));
    if (!change) continue;
    changed.push(group[i]);
    before.push(given);
    runner.exchange([change]);
  }
  return { changed, before };
}

/** Undefined where a draft is a part of a layer, which cannot be written by itself. */
async function written(
  model: Model,
  drafts: readonly Draft[],
  signal?: AbortSignal,
): Promise<RunnableModel | undefined> {
  if (drafts.some(({ only }) => only)) return undefined;
  return runnableFiles(model.name, await model.layOut(drafts.map(unproved)), signal);
}

/** What error feedback leaves of each layer's error, and the drafts with what is expected of their outputs then. */
export function feedbackOf({ chosen, made, skipped }: Fits<Draft>) {
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
const unproved = (draft: FittedLayer) => ({ ...draft, certificate: noCertificate });

/** The layer as it decodes, in the place of its own numbers; undefined where these are not given to each run. */
async function changeOf(given: ModelInput, draft: Draft, share = 1): Promise<ModelInput | undefined> {
  const numbers = given.data instanceof Float32Array && (await numbersOf(draft));
  if (!numbers) return undefined;
  const { transposed, only, rows, cols } = draft;
  const data = (given.data as Float32Array).slice();
  for (let i = 0, at = 0; at < numbers.length; ++i) {
    const row = only?.[i] ?? i;
    for (let j = 0; j < cols; ++j, ++at) {
      const to = transposed ? j * rows + row : row * cols + j;
      data[to] = share === 1 ? numbers[at] : data[to] + share * (numbers[at] - data[to]);
    }
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
