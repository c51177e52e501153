// The worker's script: holds what is open, and does all that computes, so that the page never waits.
import { createLoewner, InvalidInputError, type Loewner } from "loewner";
import { blobSource, openNpy, openOnnx, type OnnxModel } from "loewner/formats";
import { onnxModel, openSafetensorsSet, readTokenizer, safetensorsModel, type Tokenizer } from "loewner/model";
import { curves } from "./curves.js";
import { sortFiles } from "./files.js";
import type { Job, Made } from "./job.js";
import { MatrixJob } from "./matrix-job.js";
import { ModelJob } from "./model-job.js";
import { blobOf, saveTo } from "./outputs.js";
import type { CalibrationTexts, Choice, Summary } from "./protocol.js";
import { rowErrors } from "./row-errors.js";
import { withRuntime } from "./runtime.js";
import { serve, type Run } from "./serve.js";
import { Spectra } from "./spectra.js";
import { compareModels } from "./verify.js";

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
  /** Spectra that are computed while nobody waits for them. */
  background?: AbortController;
}

/** As the command line has it: large tables stream from the file. */
const residentBytes = 64 << 20;

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

function runnable(): OnnxModel {
  const { onnx } = current();
  if (onnx) return onnx;
  throw new InvalidInputError("Only ONNX models can be run here.");
}

const summaryOf = ({ job, tokenizer, tokenizerFile }: Open): Summary => ({
  ...job.summary,
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
    if (kind === "npy") job = new MatrixJob(await openNpy(source), main.size, loewner, spectra);
    else if (kind === "onnx") {
      onnx = await openOnnx(source, { external: beside });
      job = new ModelJob(await onnxModel(onnx), spectra);
    } else {
      const set = await openSafetensorsSet(source, beside);
      job = new ModelJob(safetensorsModel(set, { config: described }), spectra);
    }
    open = { job, spectra, onnx, config: described, tokenizer: tokens, tokenizerFile: tokenizer };
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

  save: ({ signal }, file, handle) => saveTo(made().files[file], handle, signal),

  blob: ({ signal }, file) => blobOf(made().files[file], signal),

  verify(run, runtime) {
    return compareModels(runnable(), made().files, new URL(runtime), run);
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
