// The smallest model that still answers the same: bits are shared out over layers by what they cost the answers, as many as it takes.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Loewner } from "../../types/index.js";
import type { Calibration } from "../calibrate/calibrate.js";
import type { Feed } from "../calibrate/feeds.js";
import { compressedModel, type CompressedModel, type CompressOptions } from "../compress.js";
import { Fitting, type Fits } from "../fit-planned.js";
import { LayerJournal } from "../journal.js";
import type { Layer, Model } from "../model.js";
import type { Fault } from "../onnx/runner.js";
import type { OnnxRuntime } from "../onnx/runtime.js";
import { openPlan, planningShare } from "../plan.js";
import { isOfFile, sizesIn, type LayerWeights, type PlannedLayer } from "../plan-options.js";
import type { SpreadSize } from "../planner.js";
import type { StoredLayer } from "../stored.js";
import { rowWeightsOf } from "../tokens/weights.js";
import { checkedPlan } from "../checked.js";
import { shrinkNames } from "../option-tables.js";
import type { Agreement, AnswersOptions } from "./answers.js";
import { runnableFiles } from "./laid-out.js";
import { halvesOf } from "../halves.js";
import { allowsHalves, cosineOf, type QualityOptions, usualSensitivity, cosineAt, costAt } from "./qualities.js";
import type { MeasuredAnswers } from "./sensitivity.js";
import { inStages } from "./stages.js";

/** What a model is calibrated on. */
export interface CalibrationInputs {
  readonly model: OnnxModel;
  readonly feeds: readonly Feed[];
  readonly runtime: OnnxRuntime;
  /** Of second moments, 0 < p. Default 2; below, far inputs count for less. */
  readonly p?: number;
}

/** A quality counts where no size is given. */
export interface ShrinkOptions extends CompressOptions, QualityOptions {
  /** With inputs at hand the promise is kept on these; without, by what errors of layers usually cost. */
  inputs?: CalibrationInputs;
}

export interface ShrunkModel extends CompressedModel {
  /** Of the answers on the calibration inputs. */
  agreement?: Agreement & { readonly samples: number };
  /** The mean cosine that was expected, of a size of the whole. */
  forecast?: number;
  /** The mean cosine that was asked for, where no size was. */
  asked?: number;
  /** Tensors that are no layers, and are stored in half precision: with quality "small". */
  halves?: string[];
  /** What whoever reads the result should know, in sentences. */
  notes: string[];
}

/** Inputs of heads that codes of these are compared on. */
const headSamples = 128;
/** Fits after the first. */
const mostRounds = 3;
/** A result is kept that uses at least so much of what may be lost. */
const enough = 0.8;
/**
 * What a layer's errors cost less than usual once they lie where inputs are not, about: a bit and a half an entry. So drafts have the bits
 * that many of the layers end up with, and serve as they are.
 */
const gainOfFeedback = 8;
/** Share of the rows of a table that are tried instead of all. */
const mostRead = 0.5;
/**
 * Compresses so that answers agree with the original's as well as is asked for, or, where a size is given, as well as they can in it.
 *
 * With inputs: second moments for error feedback, counts of tokens as row weights unless others are given, and bits shared out by what
 * errors of each layer cost the answers, measured; the result is run on the same inputs, and made anew where it misses what was asked for.
 *
 * Cost: with inputs about two fits of each layer, and one run of the model a layer on a few inputs.
 * @throws {InvalidInputError} as `compressModel` and `calibrate`; for a cosine out of range.
 */
export async function shrinkModel(loewner: Loewner, model: Model, options: ShrinkOptions): Promise<ShrunkModel> {
  const started = performance.now();
  const { quality, cosine, inputs, ...rest } = checkedPlan("shrinkModel", model, options, shrinkNames);
  if (cosine !== undefined && !(cosine > 0 && cosine < 1))
    throw new InvalidInputError(`cosine must be a number between 0 and 1, such as 0.99; got ${cosine}.`);
  const sized = sizesIn(rest).length > 0;
  const asked = cosineOf({ quality, cosine });
  const size: SpreadSize = sized ? rest : { error: costAt(asked) };
  const halves =
    !sized && rest.maxError === undefined && allowsHalves(asked) ? await halvesOf(model, rest, rest.signal) : undefined;
  const shrinking = await Shrinking.open(
    loewner,
    model,
    {
      ...{ dtype: "auto", ...rest, ...(!sized && { error: costAt(asked), shortNames: true }), halves },
      ...(inputs && rest.onProgress && { onProgress: inStages(rest.onProgress) }),
    },
    inputs,
  );
  const made = await shrinking
    .made(size, sized || isOfFile(rest) ? undefined : asked)
    .finally(() => shrinking.fitting.close());
  const result = await compressedModel(model, made, shrinking.options, started, shrinking.journal);
  const inHalves = [...(halves ?? [])].filter((name) => !result.layers.some((layer) => layer.name === name));
  const { notes } = shrinking;
  if (inHalves.length > 0) notes.push(noteOf(model, inHalves));
  const saved = result.files.reduce((sum, file) => sum + (file.saved ?? 0), 0);
  if (saved > 0) notes.push(`Values inside of the graph have short names, nodes have none: ${saved} bytes less.`);
  return {
    ...result,
    notes,
    ...(inHalves.length > 0 && { halves: inHalves }),
    ...(!sized && { asked }),
    ...(made.agreement && { agreement: made.agreement }),
    ...(isOfFile(size) && { forecast: made.forecast }),
  };
}

function noteOf(model: Model, names: readonly string[]): string {
  const saved = model.floats().reduce((sum, { name = "", rows }) => sum + (names.includes(name) ? 2 * rows : 0), 0);
  return `${names.length} tensors that are no layers (biases, norms, small tables) are stored in half precision: ${saved} bytes less.`;
}

interface Made extends Fits<StoredLayer> {
  /** Mean cosine that is expected. */
  readonly forecast: number;
  readonly agreement?: NonNullable<ShrunkModel["agreement"]>;
}

class Shrinking {
  readonly notes: string[] = [];

  private constructor(
    private readonly model: Model,
    readonly options: CompressOptions,
    readonly journal: LayerJournal | undefined,
    private readonly plan: Awaited<ReturnType<typeof openPlan>>,
    readonly fitting: Fitting,
    /** On all inputs, and on a few of them. */
    private readonly answers: MeasuredAnswers | undefined,
    private readonly counts: Calibration["counts"] | undefined,
  ) {}

  static async open(
    loewner: Loewner,
    model: Model,
    given: CompressOptions,
    inputs: CalibrationInputs | undefined,
  ): Promise<Shrinking> {
    const { signal } = given;
    const running = { threads: loewner.threads, width: widthOf(model), signal };
    const answers = inputs && (await answersTo(inputs, running));
    const calibration = inputs && (await calibrated(loewner, inputs, given, answers!.all));
    await answers?.ask();
    const weights = given.weights ?? (calibration && weightsFrom(calibration));
    const options = { ...given, calibration, weights };
    const journal = options.journal && new LayerJournal(options.journal, model);
    const plan = await openPlan(loewner, model, options, planningShare, journal);
    const fitting = new Fitting(loewner, model, options, journal);
    const shrinking = new Shrinking(model, options, journal, plan, fitting, answers, calibration?.counts);
    shrinking.notes.push(...(calibration?.notes ?? []));
    return shrinking;
  }

  /** @param asked mean cosine; undefined for a size */
  async made(size: SpreadSize, asked: number | undefined): Promise<Made> {
    const { answers } = this;
    const usual = new Map(this.plan.layers.map((layer) => [layer.name, usualSensitivity(layer)]));
    if (!answers) return this.fitted({ ...size, sensitivities: usual });
    const { samples } = answers.all;
    const compared = async (made: Made) => ({ ...made, agreement: { ...(await this.agreement(made.made)), samples } });
    // Layers with sizes of their own have nothing to share out.
    if ((size.budget ?? size.bytes ?? size.error) === undefined)
      return compared(await this.fitted({ ...size, sensitivities: usual }));
    // Of layers that stay as they are nothing is measured.
    const { sensitivities, feedback } = await this.measured({ ...size, sensitivities: usual }, answers);
    const most = asked === undefined ? undefined : costAt(asked);
    let error = most;
    let best: Required<Made> | undefined;
    for (let round = 1; ; ++round) {
      const made = await compared(
        await this.fitted({ ...size, ...(error !== undefined && { error }), sensitivities, feedback }),
      );
      const { agreement } = made;
      if (most === undefined || error === undefined) return made;
      const cost = costAt(agreement.cosine);
      const isKept = cost <= most;
      if (isKept || !best || agreement.cosine > best.agreement.cosine) best = made;
      if ((isKept && cost >= enough * most) || round === mostRounds) return best;
      error *= most / Math.max(cost, most / 4);
      // Just missed is missed.
      if (!isKept) error *= 0.95;
    }
  }

  /** What errors of each layer cost the answers, by drafts. */
  private async measured(
    size: SpreadSize,
    answers: MeasuredAnswers,
  ): Promise<{ sensitivities: Map<string, number>; feedback: Map<string, number> }> {
    const { plan, fitting, model } = this;
    const { signal, onProgress } = this.options;
    const { isFed } = await import("../calibrate/fed-weights.js");
    const rowsOf = (layer: Layer) =>
      isFed(answers.original, layer.name) ? rowsRead(layer, this.counts?.get(layer.name)) : undefined;
    const usual = size.sensitivities!;
    const gained = new Map(
      plan.layers.map(({ name, kind }) => [name, usual.get(name)! / (kind === "linear" ? gainOfFeedback : 1)]),
    );
    const planned = await fitting.draft(await plan.targets({ ...size, sensitivities: gained }), plan.progress, rowsOf);
    const onLayer = (done: number, total: number, layer: string) =>
      onProgress?.({ stage: "what it costs the answers", layer, done, total });
    const { feedbackOf, measuredSensitivities, scaleAt } = await import("./sensitivity.js");
    const { feedback, drafts } = feedbackOf(planned);
    const found = await measuredSensitivities(model, answers, drafts, { signal, onLayer });
    const { chosen } = await plan.targets({ ...size, sensitivities: new Map([...usual, ...found]), feedback });
    const scale = await scaleAt(chosen, answers, drafts, found);
    return {
      sensitivities: new Map([...usual, ...[...found].map(([name, x]) => [name, x * scale] as const)]),
      feedback,
    };
  }

  private async fitted(size: SpreadSize): Promise<Made> {
    const { plan, fitting } = this;
    const fits = await fitting.fit(await plan.targets(size), plan.progress);
    return { ...fits, forecast: cosineAt(costIn(fits.chosen, size.sensitivities)) };
  }

  private async agreement(stored: readonly StoredLayer[]): Promise<Agreement> {
    const files = await this.model.layOut(stored, this.options);
    return this.answers!.all.agreement(runnableFiles(this.model.name, files, this.options.signal));
  }
}

/** What these are expected to cost the answers. */
function costIn(chosen: readonly PlannedLayer[], sensitivities?: ReadonlyMap<string, number>): number {
  return chosen.reduce(
    (sum, { layer, expected = 0 }) => sum + (sensitivities?.get(layer.name) ?? usualSensitivity(layer)) * expected,
    0,
  );
}

/** What runs a model is loaded where there is something to run it on. */
async function answersTo(
  inputs: CalibrationInputs,
  running: Pick<AnswersOptions, "threads" | "width" | "signal">,
): Promise<MeasuredAnswers & { ask: () => Promise<void> }> {
  const { Answers } = await import("./answers.js");
  const { runnableModel } = await import("../onnx/runtime.js");
  const { sampleOf } = await import("./sample.js");
  const { model, runtime, feeds } = inputs;
  const to = (asked: readonly Feed[]) => new Answers({ ...running, runtime, feeds: asked, fault: cannotRun });
  const [all, sample] = [to(feeds), to(sampleOf(feeds))];
  return {
    ...{ all, sample, original: model },
    async ask() {
      if (all.samples === 0) await all.ask(runnableModel(model));
    },
  };
}

async function calibrated(
  loewner: Loewner,
  { model, feeds, runtime, p }: CalibrationInputs,
  { layers, exclude, signal, onProgress }: CompressOptions,
  answers: MeasuredAnswers["all"],
): Promise<Calibration> {
  const { calibrate } = await import("../calibrate/calibrate.js");
  return calibrate(loewner, model, {
    ...{ feeds, runtime, p, layers, exclude, signal, samples: headSamples },
    onProgress: (progress) => onProgress?.({ ...progress, layer: "" }),
    onOutputs: (feed, outputs) => void answers.take(feed, outputs),
  });
}

/** Rows of tables, by how often the calibration inputs read them. */
function weightsFrom({ counts, samples }: Calibration): LayerWeights {
  const byRows = new Map([...counts.values()].map((each) => [each.length, each]));
  return {
    weightsFor(rows) {
      const found = byRows.get(rows);
      return found?.some((count) => count > 0) ? rowWeightsOf(found) : undefined;
    },
    optional: true,
    description: `counts in ${samples} calibration inputs`,
  };
}

/** Of a table that is only read: the rows that the inputs read, where these are few. */
function rowsRead({ kind, copies, transposed }: Layer, counts: Float64Array | undefined): Uint32Array | undefined {
  if (kind !== "embedding" || copies || transposed || !counts) return undefined;
  const rows = Uint32Array.from([...counts.keys()].filter((row) => counts[row] > 0));
  return rows.length > 0 && rows.length <= mostRead * counts.length ? rows : undefined;
}

/** Columns of the table of tokens: what hidden states have. */
function widthOf(model: Model): number | undefined {
  return model.layers.find(({ kind }) => kind === "embedding" || kind === "tied")?.shape[1];
}

const cannotRun: Fault = (name, doing, message, cause) =>
  new InvalidInputError(`${name}: onnxruntime cannot ${doing} the model: ${message}`, { file: name }, { cause });
