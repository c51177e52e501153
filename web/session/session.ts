// The worker's script: holds what is open, and does all that computes, so that the page never waits.
import { createLoewner, InvalidInputError, type Loewner } from "loewner";
import { blobSource, openNpy, openOnnx, writeSafetensors, type OnnxModel, type SafetensorsFile } from "loewner/formats";
import {
  onnxModel,
  openSafetensorsSet,
  type OutputFile,
  readTokenizer,
  safetensorsModel,
  type Tokenizer,
} from "loewner/model";
import { curves } from "./curves.js";
import { sortFiles } from "./files.js";
import type { Job, Made } from "./job.js";
import { MatrixJob } from "./matrix-job.js";
import { ModelJob } from "./model-job.js";
import { blobOf, saveTo } from "./outputs.js";
import type { CalibrationTexts, Choice, SavedFile, Summary } from "./protocol.js";
import { rowErrors } from "./row-errors.js";
import { withRuntime } from "./runtime.js";
import { serve, type Run } from "./serve.js";
import { wholeName } from "./small-name.js";
import { Spectra } from "./spectra.js";
import { compareModels, openResult } from "./verify.js";

interface Open {
  readonly job: Job;
  readonly spectra: Spectra;
  readonly onnx?: OnnxModel;
  tokenizer?: Tokenizer;
  /** What it was read from. */
  tokenizerFile?: File;
  /** config.json, where one lay beside the model. */
  readonly config?: Record<string, unknown>;
  made?: Made;
  /** Of a single safetensors file, which can be multiplied back where layers are stored already. */
  readonly whole?: SafetensorsFile;
  expanded?: OutputFile;
  /** Spectra that are computed while nobody waits for them. */
  background?: AbortController;
}

/** Of each worker: larger tables stream from their file, so that tables of 100 MB are compressed in half a gigabyte. */
const residentBytes = 12 << 20;

let instance: Promise<Loewner> | undefined;
const library = () => (instance ??= createLoewner({ threads: "auto", residentBytes }));
let open: Open | undefined;

function current(): Open {
  if (open) return open;
  throw new InvalidInputError("No model is open: choose its file first.");
}

function made(): Made {
  const { made } = current();
  if (made) return made;
  throw new InvalidInputError("Nothing has been compressed yet.");
}

function saved(file: SavedFile): OutputFile {
  const found = file === "expanded" ? current().expanded : made().files[file];
  if (found) return found;
  throw new InvalidInputError("There is no such file to be saved.");
}

function runnable(): OnnxModel {
  const { onnx } = current();
  if (onnx) return onnx;
  throw new InvalidInputError("Only ONNX models can be run here.");
}

const summaryOf = ({ job, whole, tokenizer, tokenizerFile }: Open): Summary => ({
  ...job.summary,
  canExpand: whole !== undefined && job.summary.stored.length > 0,
  vocabulary: tokenizer?.size,
  tokenizer: tokenizerFile?.name,
});

async function readTokens(file: File): Promise<Tokenizer> {
  return readTokenizer(new Uint8Array(await file.arrayBuffer()), file.name);
}

serve({
  async open(_, files) {
    open?.background?.abort();
    const { kind, main, beside, config, tokenizer } = await sortFiles(files);
    const tokens = tokenizer && (await readTokens(tokenizer));
    const described = await configOf(config);
    const source = blobSource(main);
    const loewner = await library();
    const spectra = new Spectra(loewner);
    let job: Job;
    let onnx: OnnxModel | undefined;
    let whole: SafetensorsFile | undefined;
    if (kind === "npy") job = new MatrixJob(await openNpy(source), main.size, loewner, spectra);
    else if (kind === "onnx") {
      onnx = await openOnnx(source, { external: beside });
      job = new ModelJob(await onnxModel(onnx), spectra);
    } else {
      const set = await openSafetensorsSet(source, beside);
      job = new ModelJob(safetensorsModel(set, { config: described }), spectra);
      if (set.index === undefined) whole = set;
    }
    open = { job, spectra, onnx, whole, config: described, tokenizer: tokens, tokenizerFile: tokenizer };
    return summaryOf(open);
  },

  async addTokenizer(_, file) {
    const tokens = await readTokens(file);
    const now = current();
    now.tokenizer = tokens;
    now.tokenizerFile = file;
    return summaryOf(now);
  },

  predict: (_, choice) => current().job.predict(choice),

  async spectra({ signal, onProgress }, layers) {
    const { job, spectra } = current();
    const stop = new AbortController();
    signal.addEventListener("abort", () => stop.abort());
    current().background = stop;
    const sources = layers.map((name) => job.source(name));
    sources.sort((a, b) => a.rows * a.cols * a.cols - b.rows * b.cols * b.cols);
    for (const [done, source] of sources.entries()) {
      const { name, rows, cols } = source;
      await spectra.of(name ?? "", source, { signal: stop.signal });
      onProgress({ stage: `${rows} x ${cols}`, layer: name, done: done + 1, total: sources.length + 1 });
    }
  },

  async curves(run, layer, p) {
    const { job, spectra } = current();
    return curves(await library(), spectra, job.source(layer), p, run);
  },

  async compress(run, choice, texts) {
    const now = current();
    now.background?.abort();
    now.made = undefined;
    const started = performance.now();
    const made = await (texts ? calibrated(now, choice, texts, run) : now.job.compress(choice, run));
    now.made = made;
    const files = made.files.map(({ name, byteLength }) => ({ name, bytes: byteLength }));
    return {
      layers: made.layers,
      skipped: made.skipped,
      answers: made.answers,
      files,
      bytesBefore: now.job.summary.bytes,
      bytesAfter: files.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (performance.now() - started) / 1000,
    };
  },

  async rowErrors(run, layer) {
    const { tokenizer } = current();
    return rowErrors(await library(), await made().pair(layer), (row) => tokenizer?.tokens.get(row), run);
  },

  async expand({ signal, onProgress }) {
    const now = current();
    if (!now.whole) throw new InvalidInputError("Only a single safetensors file can be written out whole.");
    const { expandModel } = await import("loewner/model/expand.js");
    const { tensors, metadata, byteLength } = await expandModel(await library(), now.whole, { signal, onProgress });
    const file = wholeName(now.job.summary.name);
    const write: OutputFile["write"] = (sink, options) => writeSafetensors(sink, { tensors, metadata }, options);
    now.expanded = { name: file, byteLength, write };
    return { file, bytes: byteLength };
  },

  save: ({ signal }, file, handle) => saveTo(saved(file), handle, signal),

  blob: ({ signal }, file) => blobOf(saved(file), signal),

  verify(run, runtime) {
    const { files } = made();
    return compareModels(runnable(), () => openResult(files, run.signal), new URL(runtime), run);
  },

  async compareWith(run, files, runtime) {
    const { kind, main, beside } = await sortFiles(files);
    if (kind !== "onnx")
      throw new InvalidInputError(`${main.name} is no ONNX model, so it cannot be run beside this one.`);
    const original = await openOnnx(blobSource(main), { external: beside });
    return compareModels(original, async () => runnable(), new URL(runtime), run);
  },

  async examples(_, file, task) {
    const { examplesIn } = await import("./score.js");
    return examplesIn(runnable(), file, task);
  },

  async score(run, scoring) {
    const { tokenizerFile: tokenizer, config } = current();
    const { scoreModels } = await import("./score.js");
    return scoreModels({ original: runnable(), files: made().files, tokenizer, config }, scoring, run);
  },
});

/** Texts are read and cut before anything else is loaded: what is wrong with them is said at once. */
async function calibrated(
  { job, onnx, tokenizerFile }: Open,
  choice: Choice,
  texts: CalibrationTexts,
  run: Run,
): Promise<Made> {
  if (!onnx)
    throw new InvalidInputError(
      `${job.summary.name} has no graph that could be run, so it cannot be calibrated: export the model to ONNX, or take the texts away.`,
    );
  const { signal, onProgress } = run;
  const { calibrationFeeds } = await import("./calibration.js");
  const { feeds, source } = await calibrationFeeds(onnx, texts, tokenizerFile, run);
  return withRuntime(new URL(texts.runtime), signal, async (runtime) => {
    const made = await job.compress(choice, { signal, onProgress }, { model: onnx, feeds, runtime, p: texts.p });
    return { ...made, answers: made.answers && { ...made.answers, source } };
  });
}

/** A file of that name which is not a JSON object belongs to something else. */
async function configOf(file: File | undefined): Promise<Record<string, unknown> | undefined> {
  if (!file) return undefined;
  try {
    const config: unknown = JSON.parse(await file.text());
    return typeof config === "object" && config !== null && !Array.isArray(config)
      ? (config as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
