// How far the answers of a model are from those of the original, on the same inputs.
import { throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Feed } from "../calibrate/feeds.js";
import { openFed } from "../calibrate/fed-weights.js";
import { maskOf } from "../calibrate/feeds.js";
import type { Values } from "../calibrate/pass.js";
import { rowsOf, type Rows } from "../calibrate/rows.js";
import { type Fault, free, Runner, turn } from "../onnx/runner.js";
import type { OnnxRuntime, RunnableModel } from "../onnx/runtime.js";

/** Agreement of answers: cosines between vectors, each with that of the original; 1 is the same. */
export interface Agreement {
  /** Mean of the cosines. */
  readonly cosine: number;
  readonly worst: number;
  /**
   * Vectors that were compared: rows of the outputs' last axis; hidden states of one text are averaged first. Rows of fewer than 8 numbers
   * (logits of a few classes, scores) make one vector together, which counts as many times.
   */
  readonly vectors: number;
}

/** Numbers of a vector of its own: two logits lie on a line, where a cosine says nothing until the sign changes. */
const leastNumbers = 8;

export interface AnswersOptions {
  readonly runtime: OnnxRuntime;
  readonly feeds: readonly Feed[];
  /** Columns that hidden states have: outputs of as many are averaged over the positions of a text, as sentence encoders do. */
  readonly width?: number;
  readonly threads: number;
  readonly fault: Fault;
  readonly signal?: AbortSignal;
}

/** Bytes of the original's answers that are kept, about: of more feeds the first are used. */
const mostBytes = 2 ** 27;

/** The original's answers, for others to be compared with. */
export class Answers {
  /** Of each feed, in order. */
  private readonly kept: (readonly Rows[])[] = [];
  private bytes = 0;

  /** Without answers yet. */
  constructor(private readonly options: AnswersOptions) {}

  /** The original, to be run with other weights. */
  openFed(original: OnnxModel): Promise<Runner> {
    return openFed(original, this.options);
  }

  /** Of the original, which is run. */
  ask(original: RunnableModel | Runner): Promise<void> {
    return eachRun(original, this.options, this.options.feeds, (feed, outputs) => this.take(feed, outputs));
  }

  /** Those of the original to the next of the feeds. @returns whether there is room for more */
  take(feed: Feed, outputs: Values): boolean {
    if (this.bytes >= mostBytes) return false;
    const rows = vectorsOf(feed, outputs, this.options.width);
    this.kept.push(rows);
    this.bytes += rows.reduce((sum, { data }) => sum + data.byteLength, 0);
    return this.bytes < mostBytes;
  }

  /** Texts, pictures: rows of the first input of what is compared. */
  get samples(): number {
    const feeds = this.options.feeds.slice(0, this.kept.length);
    return feeds.reduce((sum, feed) => sum + (Object.values(feed)[0]?.shape[0] ?? 1), 0);
  }

  async agreement(model: RunnableModel | Runner): Promise<Agreement> {
    let [sum, worst, vectors, at] = [0, 1, 0, 0];
    const { feeds, width } = this.options;
    const add = (cosine: number, count: number) => {
      sum += count * cosine;
      vectors += count;
      if (!(cosine >= worst)) worst = cosine;
    };
    /** By output. */
    const joined: Products[] = [];
    await eachRun(model, this.options, feeds.slice(0, this.kept.length), (feed, outputs) => {
      const rows = vectorsOf(feed, outputs, width);
      this.kept[at++].forEach((before, i) => {
        const { cols, rows: count } = before;
        const { data } = rows[i];
        if (cols < leastNumbers) {
          const all = (joined[i] ??= new Products());
          all.add(before.data, data, 0, count * cols);
          all.rows += count;
        } else {
          for (let r = 0; r < count; ++r) add(new Products().add(before.data, data, r * cols, cols).cosine, 1);
        }
      });
      return at < this.kept.length;
    });
    for (const { cosine, rows } of Object.values(joined)) add(cosine, rows);
    return { cosine: vectors ? sum / vectors : 1, worst, vectors };
  }
}

/**
 * Runs, at most, of which each may unpack codes anew: as a model loads, onnxruntime holds all that it unpacks and makes on the way at once,
 * several times the original. Of a model without codes nothing is lost.
 */
const fewRuns = 16;

/** Hands on the outputs of each feed, as long as `take` wants more. */
async function eachRun(
  model: RunnableModel | Runner,
  { runtime, threads, fault, signal }: AnswersOptions,
  feeds: readonly Feed[],
  take: (feed: Feed, outputs: Values) => boolean,
): Promise<void> {
  const own = feeds.length <= fewRuns ? { graphOptimizationLevel: "disabled" as const } : {};
  const runner = model instanceof Runner ? model : await Runner.open(runtime, model, threads, fault, own);
  try {
    for (const feed of feeds) {
      await turn();
      throwIfAborted(signal);
      const inputs = Object.entries(feed).map(([name, array]) => ({ name, source: "given", ...array }));
      const { outputs } = await runner.run(inputs);
      const more = take(feed, outputs);
      free(outputs);
      if (!more) return;
    }
  } finally {
    if (runner !== model) await runner.release();
  }
}

/** Float outputs as vectors. @param width columns of hidden states, which are averaged over the positions of a text */
function vectorsOf(feed: Feed, outputs: Values, width: number | undefined): Rows[] {
  const mask = maskOf(feed);
  return Object.values(outputs).flatMap((output) => {
    const cols = output.dims.at(-1) ?? 1;
    const found = output.dims.length > 0 ? rowsOf(output, { samples: "rows" }, cols, mask) : undefined;
    if (!found) return [];
    return [output.dims.length === 3 && cols === width ? averaged(found, output.dims, mask?.data) : found];
  });
}

/** One row a text: the mean of those of its tokens. */
function averaged({ data, cols }: Rows, [texts, positions]: readonly number[], mask: Uint8Array | undefined): Rows {
  const means = new Float64Array(texts * cols);
  let at = 0;
  for (let i = 0; i < texts * positions; ++i) {
    if (mask && !mask[i]) continue;
    const out = Math.floor(i / positions) * cols;
    for (let j = 0; j < cols; ++j) means[out + j] += data[at * cols + j];
    ++at;
  }
  return { data: means, rows: texts, cols };
}

/** Of two vectors. */
class Products {
  rows = 0;
  private dot = 0;
  private x = 0;
  private y = 0;

  add(a: Rows["data"], b: Rows["data"], first: number, count: number): this {
    for (let i = first; i < first + count; ++i) {
      this.dot += a[i] * b[i];
      this.x += a[i] * a[i];
      this.y += b[i] * b[i];
    }
    return this;
  }

  /** 1 for vectors that are both 0. */
  get cosine(): number {
    const { dot, x, y } = this;
    return x && y ? Math.min(1, dot / Math.sqrt(x) / Math.sqrt(y)) : Number(x === y);
  }
}
