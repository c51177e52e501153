// What a task is: examples of anyone's data as token ids, what is read of a model's answers, and how these are scored.
import type { NpyTensor } from "../../formats/npy-array.js";
import type { Sequence } from "../calibrate/texts.js";
import type { OutputKind, ModelOutput } from "./outputs.js";
import type { Table } from "./table.js";

/** Examples with their labels: rows of a table, or arrays of token ids. */
export interface EvaluationData {
  /** File name, for messages. */
  readonly name: string;
  /** Texts and labels in named columns. */
  readonly table?: Table;
  /** `input_ids`, `attention_mask`, `token_type_ids`, and `labels` or `scores`, by these names. */
  readonly arrays?: Readonly<Record<string, NpyTensor>>;
  /** Retrieval: what is searched, with the columns `id` (or `_id`) and `text`. */
  readonly passages?: Table;
  /** Retrieval: which passage answers which query, as BEIR has it: `query-id`, `corpus-id`, `score`. */
  readonly relevance?: Table;
}

/** What a user may say of the data and the reading. */
export interface TaskOptions {
  /** Columns of the text, or of the two texts of a pair. Default: the task's own. */
  readonly text?: readonly string[];
  /** Column of the label. Default: the task's own. */
  readonly label?: string;
  /** Names of classes, in the order of the model's outputs. Default: `id2label` of its config.json, or the task's own. */
  readonly labels?: readonly string[];
  /** Masked words: which tokens are hidden. Default 0. */
  readonly seed?: number;
  /** Masked words: share of the tokens that are hidden. Default 0.15. */
  readonly maskShare?: number;
  /** Retrieval: passages that count. Default 10. */
  readonly k?: number;
}

/** Cuts texts into token ids. */
export interface Encoder {
  /** With the tokens that belong around a text or a pair of texts; cut to as many as the model takes, which is counted. */
  encode(text: string, pair?: string): Sequence;
  /** Without those tokens, and uncut. */
  plain(text: string): readonly number[];
  /** Token that stands for a hidden one. */
  readonly maskId?: number;
  /** Tokens that the model takes. */
  readonly maxLength: number;
}

/** What a task is given. */
export interface Setting {
  readonly data: EvaluationData;
  readonly options: TaskOptions;
  /** @throws {InvalidInputError} where no tokenizer was given */
  readonly encoder: () => Encoder;
  /** The first of these that the model puts out. @throws {InvalidInputError} where it has none */
  readonly output: (...kinds: OutputKind[]) => ModelOutput;
}

/** One figure of a task. */
export interface Metric {
  readonly name: string;
  readonly better: "higher" | "lower";
  /** @param rows examples that count, each as often as it stands there. Default: each once. NaN where it is undefined for them. */
  score(rows?: ArrayLike<number>): number;
}

/** Numbers that a model gave for one sequence: one row, or one a token. */
export interface Answer {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** The answers of one model, as they come. */
export interface Answers {
  /** @param at number of the sequence; its answer's memory is used again afterwards */
  take(at: number, answer: Answer): void;
  /** Once all are there. */
  metrics(): readonly Metric[];
}

/** A task on its data, for any number of models. */
export interface Trial {
  readonly sequences: readonly Sequence[];
  readonly output: ModelOutput;
  /** What is drawn anew for the intervals: sentences, pairs, queries. */
  readonly examples: number;
  /** What there is to say of the data, in sentences. */
  readonly notes: readonly string[];
  answers(): Answers;
}

export interface Task {
  readonly name: string;
  /** What it scores, in a few words. */
  readonly description: string;
  /** Columns of the text, or of the two of a pair, unless others are named. */
  readonly text?: readonly string[];
  /** Column of the label, unless another is named. */
  readonly label?: string;
  /** Names of columns, of files that have no row of them. */
  readonly columns?: readonly string[];
  /** Of files with a few damaged rows: fields behind the last column are left out, and so are rows with too few. Default false. */
  readonly ragged?: boolean;
  /** Reads the data; nothing has run yet. @throws {InvalidInputError} for data that does not fit */
  prepare(setting: Setting): Trial | Promise<Trial>;
}
