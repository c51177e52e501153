// A whole model: the pipeline that the command line runs, on files of the reader's.
import { InvalidInputError, type RowSource } from "loewner";
import {
  type CalibrationInputs,
  type CompressedModel,
  compressModel,
  type CompressOptions,
  type Model,
  planCompression,
  type PlannedLayer,
  type QualityOptions,
  type ShrunkModel,
} from "loewner/model";
import { predictedError } from "loewner/model/choices.js";
import { isInAll } from "loewner/model/layers.js";
import { aimOf } from "loewner/model/measure.js";
import { matrixOf, type Layer } from "loewner/model/model.js";
import { isFactorable } from "loewner/model/plan-file.js";
import { isOfTokens } from "loewner/model/plan-options.js";
import { foretell, type Foretold } from "loewner/model/quality/foretell.js";
import { targetBytes } from "loewner/model/sizes.js";
import { factorsOf, valueBytes } from "loewner/model/kinds/index.js";
import { rowTypeBytes } from "loewner/matrix.js";
import type { StoredLayer } from "loewner/model/stored.js";
import type { Job, Made } from "./job.js";
import type { Choice, LayerSummary, PredictedLayer, Prediction, Summary } from "./protocol.js";
import { asGlob } from "./glob.js";
import type { Run } from "./serve.js";
import { blobSpill } from "./outputs.js";
import { smallName } from "./small-name.js";
import { squareOf, type Spectra } from "./spectra.js";

export class ModelJob implements Job {
  readonly summary: Summary;
  private readonly layers: ReadonlyMap<string, Layer>;

  constructor(
    private readonly model: Model,
    private readonly spectra: Spectra,
  ) {
    const { format, name, byteLength: bytes, described } = model;
    this.layers = new Map(model.layers.map((layer) => [layer.name, layer]));
    const layers = model.layers.map((layer) => summaryOf(layer, model)).sort((a, b) => b.bytes - a.bytes);
    this.summary = { format, name, bytes, layers, stored: [...described.keys()] };
  }

  source(name: string): RowSource {
    return matrixOf(this.model, this.layers.get(name)!);
  }

  async predict(choice: Choice): Promise<Prediction> {
    const plan: typeof foretell = hasOwnSizes(choice) ? planCompression : foretell;
    const { chosen, skipped, bytesAfter, forecast }: Foretold = await plan(
      this.spectra.loewner,
      this.model,
      optionsOf(choice, this.model.name),
    );
    const layers = chosen.map((planned) => this.predictedOf(planned));
    const known = layers.map(({ name, error }) => {
      const values = this.spectra.get(this.source(name));
      return values && error !== undefined ? { square: squareOf(values), error } : undefined;
    });
    const total = known.reduce((sum, each) => sum + (each?.square ?? NaN), 0);
    const lost = known.reduce((sum, each) => sum + (each ? each.square * each.error ** 2 : NaN), 0);
    const error = layers.length && lost >= 0 && total > 0 ? Math.sqrt(lost / total) : undefined;
    return { bytesAfter, layers, skipped: relevant(skipped, choice), error, forecast };
  }

  async compress(choice: Choice, { signal, onProgress }: Run, inputs?: CalibrationInputs): Promise<Made> {
    // What is laid out are the factors themselves, which the errors of single rows are told by.
    const stored = new Map<string, StoredLayer>();
    const watched: Model = {
      ...this.model,
      layOut: (layers, options) => {
        stored.clear();
        for (const layer of layers) stored.set(layer.name, layer);
        return this.model.layOut(layers, options);
      },
    };
    const options = { ...optionsOf(choice, this.model.name), signal, onProgress };
    const { layers, skipped, files, ...answers } = await this.made(watched, choice, options, inputs);
    if (layers.length === 0) {
      const reasons = relevant(skipped, choice).map(({ name, reason }) => `${name}: ${reason}`);
      throw new InvalidInputError(`Nothing of ${this.model.name} was compressed. ${reasons.join("; ")}.`);
    }
    return {
      layers: layers.map(({ dtype: type, ...layer }) => ({ ...layer, type })),
      skipped: relevant(skipped, choice),
      files: files.map((file) => ({ ...file, name: file.name || smallName(this.model.name) })),
      ...("notes" in answers && { answers: answersIn(answers) }),
      pair: (name) => this.pair(stored.get(name)!),
    };
  }

  /** As the command line does it: only sizes of single layers leave nothing to share out. */
  private async made(
    model: Model,
    choice: Choice,
    options: CompressOptions & QualityOptions,
    inputs: CalibrationInputs | undefined,
  ): Promise<CompressedModel | ShrunkModel> {
    const { loewner } = this.spectra;
    const wanted = { ...options, mayGrow: false, spill: blobSpill };
    if (hasOwnSizes(choice) && !inputs) return compressModel(loewner, model, wanted);
    const { shrinkModel } = await import("loewner/model/quality/shrink.js");
    return shrinkModel(loewner, model, { ...wanted, inputs });
  }

  private predictedOf({ layer, targets, costs }: PlannedLayer): PredictedLayer {
    const source = matrixOf(this.model, layer);
    const { rows, cols } = source;
    const values = this.spectra.get(source);
    const centred = this.spectra.get(source, true);
    const errors = targets.map((target) =>
      values ? predictedError({ rows, cols, singularValues: values, centred }, target, aimOf(layer)) : 0,
    );
    // Of several that would be tried, the one that the spectra say costs least.
    const measures = errors.map((error, i) => error * (costs?.[i] ?? 1));
    const best = measures.indexOf(Math.min(...measures));
    const target = targets[best];
    const rank = "rank" in target ? target.rank : undefined;
    const bytesAfter = targetBytes(rows, cols, target);
    const type = "bits" in target ? `${target.bits} bits` : target.type;
    return { name: layer.name, rank, type, bytesAfter, error: values && Math.sqrt(errors[best]) };
  }

  private async pair({ name, rank, value, transposed }: StoredLayer) {
    const { left, right } = await factorsOf(value);
    const source = matrixOf(this.model, { name, transposed });
    const { rows, cols, dtype } = source;
    const ofBytes = Math.floor(valueBytes(value) / ((rows + cols) * rowTypeBytes[dtype]));
    return {
      source,
      rank: Math.max(1, Math.min(right ? rank : ofBytes, rows, cols)),
      left,
      right,
      ofTokens: isOfTokens(this.layers.get(name)!) && !transposed,
    };
  }
}

function summaryOf(layer: Layer, model: Model): LayerSummary {
  const { name, kind, shape, dtype, bytes, byDefault, blocked } = layer;
  const reason = blocked ?? (isFactorable(layer) ? undefined : "is no 2-D weight");
  return { name, kind, shape, dtype, bytes, byDefault, inAll: isInAll(layer, model), blocked: reason };
}

const hasOwnSizes = ({ size }: Choice) => "keep" in size;

const answersIn = ({
  agreement,
  forecast,
  asked,
  notes,
}: Pick<ShrunkModel, "agreement" | "forecast" | "asked" | "notes">) => ({
  ...{ agreement, forecast, asked, notes },
});

/** The command line's defaults; `mainName` is what data beside the model is named after. */
function optionsOf({ layers, size, p, method, type }: Choice, model: string): CompressOptions & QualityOptions {
  return {
    layers: layers.map(asGlob),
    ...size,
    p,
    method,
    seed: 0,
    tolerance: 0.01,
    mainName: smallName(model),
    // Undefined: each layer's own.
    dtype: type === "own" ? undefined : type,
  };
}

/** Layers that were not chosen need no reason. */
const relevant = (skipped: Prediction["skipped"], { layers }: Choice) =>
  skipped.filter(({ name }) => layers.includes(name));
