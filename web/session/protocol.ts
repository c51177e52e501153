// What the page asks of its worker, and what it is told: plain data, so that it crosses.
import type { Candidate, LowRankCertificate, Method, Objective } from "loewner";
import type { Evaluations, OnnxComparison, Pooling, Quality, ShrunkModel, Skipped } from "loewner/model";

/** A 2-D weight, or what else takes space. */
export interface LayerSummary {
  readonly name: string;
  readonly kind: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: number;
  /** Chosen where each layer is given a size. */
  readonly byDefault: boolean;
  /** Chosen where a quality is asked for: it takes more than a trifle of the model. */
  readonly inAll: boolean;
  /** Why it cannot be compressed; undefined for a layer that can. */
  readonly blocked?: string;
}

/** What was opened. */
export interface Summary {
  readonly format: "onnx" | "safetensors" | "npy";
  readonly name: string;
  readonly bytes: number;
  /** Largest first. */
  readonly layers: readonly LayerSummary[];
  /** Layers that are stored as factors or codes already. */
  readonly stored: readonly string[];
  /** They can be multiplied back into one file. */
  readonly canExpand?: boolean;
  /** Of the tokenizer.json that came along. */
  readonly vocabulary?: number;
  /** Its name. */
  readonly tokenizer?: string;
}

/** Numbers as they are stored; "own": as the layer has them. */
export type NumberType = "own" | "f32" | "f16" | "bf16" | "int8" | "int4" | "int3" | "int2" | "transform" | "auto";

/** What the form says. */
export interface Choice {
  readonly layers: readonly string[];
  /** A quality, or the mean cosine between answers; a share of each layer, or bytes of the whole. */
  readonly size:
    | { readonly quality: Quality }
    | { readonly cosine: number }
    | { readonly keep: number }
    | { readonly bytes: number };
  readonly p: number;
  readonly method: Method;
  readonly type: NumberType;
}

/** What a model is calibrated on. */
export interface CalibrationTexts {
  /** A text a line; empty: none were pasted. */
  readonly pasted: string;
  /** .txt, .jsonl, .tsv, .csv, .npz. */
  readonly files: readonly File[];
  /** Columns of .tsv and .csv files, or fields of .jsonl files, that hold texts; none: the only one, or "text". */
  readonly columns: readonly string[];
  /** Texts that are used, at most. */
  readonly most: number;
  /** Norm of second moments: below 2 far inputs count for less. */
  readonly p: number;
  /** Address of onnxruntime-web's folder. */
  readonly runtime: string;
}

export interface PredictedLayer {
  readonly name: string;
  /** undefined for transform codes, whose components have bits as they need them. */
  readonly rank: number | undefined;
  readonly type: string;
  readonly bytesAfter: number;
  /** Relative l_2 error of the best factors of that size; undefined until the layer's spectrum is known. */
  readonly error?: number;
}

export interface Prediction {
  /** Of the files, at most. */
  readonly bytesAfter: number;
  readonly layers: readonly PredictedLayer[];
  readonly skipped: readonly Skipped[];
  /** Of all chosen layers together; undefined until every spectrum is known. */
  readonly error?: number;
  /** Mean cosine between the answers and the original's that is expected without calibration; undefined of shares of layers. */
  readonly forecast?: number;
}

/** Entry k is at rank k. */
export interface Curves {
  readonly singularValues: Float64Array;
  /** Relative Frobenius error of SVD. */
  readonly l2: Float64Array;
  /** Proven bound of |(A - A_k) x|_p / |x|_2, as a share of the one at rank 0. */
  readonly lp: Float64Array;
  /** Share of the layer's elements that one rank takes. */
  readonly sharePerRank: number;
}

export interface CompressedSummary {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly rank: number;
  readonly type: string;
  readonly method: string;
  readonly p: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly objective: Objective;
  readonly candidates: readonly Candidate[];
  readonly certificate: LowRankCertificate;
  readonly explain: string;
  /** Of trellis codes: of every entry. */
  readonly bits?: number;
}

export interface Outcome {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly seconds: number;
  readonly layers: readonly CompressedSummary[];
  readonly skipped: readonly Skipped[];
  /** What is known of the answers, where not each layer was given a size. */
  readonly answers?: Pick<ShrunkModel, "agreement" | "forecast" | "asked" | "notes"> & {
    /** What it was calibrated on, in words. */
    readonly source?: string;
  };
  /** To be saved, the main file last. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

/** Examples that scores are of: a table, or arrays of token ids. */
export interface Examples {
  readonly name: string;
  /** Of a table. */
  readonly rows?: number;
  /** Of a table; of arrays none. */
  readonly columns: readonly string[];
  /** What they are for, where columns and model tell. */
  readonly task?: string;
  readonly tasks: readonly ExampleTask[];
}

export interface ExampleTask {
  readonly name: string;
  readonly description: string;
  /** Columns of the text, or of both texts, that are read where none are named. */
  readonly text: readonly string[];
  /** Column of the label; undefined: nothing is labelled. */
  readonly label?: string;
  /** Its files have no row with the columns' names. */
  readonly isHeadless: boolean;
}

/** What is scored, and how it is read; what is left out is as the task has it. */
export interface Scoring {
  readonly examples: File;
  readonly task: string;
  readonly text?: readonly string[];
  readonly label?: string;
  /** Names of classes, in the order of the model's outputs. */
  readonly labels?: readonly string[];
  readonly pooling: Pooling;
  /** Retrieval: what is searched, and which passage answers which query. */
  readonly passages?: File;
  readonly relevance?: File;
  /** Address of onnxruntime-web's folder. */
  readonly runtime: string;
}

export interface RowError {
  readonly row: number;
  readonly token?: string;
  /** |row of A - left right|_2, of what was stored and of SVD at the same rank. */
  readonly stored: number;
  readonly svd: number;
}

export interface RowErrors {
  /** Edges of the bins, on a scale of logarithms: one more than there are counts. */
  readonly edges: Float64Array;
  readonly stored: Float64Array;
  readonly svd: Float64Array;
  readonly median: { readonly stored: number; readonly svd: number };
  /** Rows that what was stored errs most at. */
  readonly worst: readonly RowError[];
  /** Rows that err by nothing, and by something with SVD. */
  readonly exact: number;
}

/** A file of the result by its number, or the model multiplied back. */
export type SavedFile = number | "expanded";

export interface Session {
  /** A model with what it needs beside it: external data, shards, config.json; a tokenizer.json too. */
  open(files: readonly File[]): Summary;
  /** Adds a tokenizer to the model that is open. */
  addTokenizer(file: File): Summary;
  predict(choice: Choice): Prediction;
  /** Computes spectra of layers that have none yet, small ones first; resolves once all are known. */
  spectra(layers: readonly string[]): void;
  curves(layer: string, p: number): Curves;
  compress(choice: Choice, texts?: CalibrationTexts): Outcome;
  rowErrors(layer: string): RowErrors;
  /** Multiplies layers that are stored already back, into a file that is saved as "expanded". */
  expand(): { readonly file: string; readonly bytes: number };
  /** Writes a file where the person said. */
  save(file: SavedFile, handle: FileSystemFileHandle): void;
  blob(file: SavedFile): Blob;
  /** Runs the model and its result; `runtime` is the address of onnxruntime-web's folder. */
  verify(runtime: string): OnnxComparison;
  /** Runs the model that is open, and the one that it was made of: `files` are that and what lies beside it. */
  compareWith(files: readonly File[], runtime: string): OnnxComparison;
  /** What is in a file of examples; `task` where its columns are named by that. */
  examples(file: File, task?: string): Examples;
  /** Scores the model and its result. */
  score(scoring: Scoring): Evaluations;
}

export interface ProgressReport {
  readonly stage: string;
  readonly layer?: string;
  readonly done: number;
  readonly total: number;
}

export interface Fault {
  readonly message: string;
  /** Of errors that are thrown on purpose. */
  readonly code?: string;
}

export type Request =
  | { readonly id: number; readonly call: keyof Session; readonly args: readonly unknown[] }
  | { readonly id: number; readonly cancel: true };

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly fault: Fault }
  | { readonly id: number; readonly progress: ProgressReport };
