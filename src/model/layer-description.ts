// What is said of one layer of a compressed file.
import type { Objective } from "../types/index.js";
import type { ValueDescription } from "./kinds/index.js";
import type { StoredType } from "./stored.js";

/** One tensor X that was replaced: where what approximates X, or its transpose, lies, and what is claimed of it. */
export type LayerDescription = ValueDescription & LayerClaim;

export interface LayerClaim {
  /** Of what was fitted: X, or its transpose. */
  rows: number;
  cols: number;
  transposed?: true;
  /** Dimensions of X where they are not two; X has the numbers of a matrix of `rows` and `cols`, in that order. */
  shape?: readonly number[];
  rank: number;
  /** The type of X. */
  dtype: string;
  /** How numbers are stored. */
  type: StoredType;
  p: number;
  /** Error of what is stored. */
  objective: Objective;
  /** |(A - left right) x|_p <= bound |x|_2 for every x, left and right as they are stored. */
  bound: number;
  /** Row weights were used: norms are weighted, and checking them takes the same weights. */
  rowWeights: boolean;
  /** Power of the counts that they are, where it is known. */
  rowWeightsPower?: number;
}
