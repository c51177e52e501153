// What is open: a model or a single matrix, and what became of it.
import type { LowRankOptions, Matrix, MatrixLike, RowSource } from "loewner";
import type { CalibrationInputs, OutputFile, Skipped } from "loewner/model";
import type { Choice, CompressedSummary, Outcome, Prediction, Summary } from "./protocol.js";
import type { Run } from "./serve.js";

/** A layer as it was stored. */
export interface StoredPair {
  /** What was fitted: the layer's tensor, or its transpose. */
  readonly source: RowSource;
  /** What SVD beside it has: the same, or as many bytes as codes take. */
  readonly rank: number;
  readonly left: MatrixLike;
  /** undefined: left is the whole, in few bits. */
  readonly right: Matrix | undefined;
  /** Rows are tokens. */
  readonly ofTokens: boolean;
}

export interface Made {
  readonly layers: readonly CompressedSummary[];
  readonly skipped: readonly Skipped[];
  readonly answers?: Outcome["answers"];
  /** The main file last. */
  readonly files: readonly OutputFile[];
  pair(layer: string): Promise<StoredPair>;
}

export interface Job {
  readonly summary: Omit<Summary, "vocabulary" | "tokenizer">;
  /** What is fitted of a layer. */
  source(layer: string): RowSource;
  predict(choice: Choice): Promise<Prediction>;
  compress(choice: Choice, run: Run, inputs?: CalibrationInputs): Promise<Made>;
}

export type Fit = Pick<LowRankOptions, "p" | "method">;
