// What a stored layer is in the graph: one matrix, or two to be multiplied, and how to read them.
import type { ValueDescription } from "../kinds/index.js";
import type { Operators } from "../model.js";
import type { Dims } from "./builder.js";
import type { Scope } from "./values.js";

/** What the rewriting of a layer must know of the graph around it. */
export interface Surroundings {
  readonly operators: Operators;
  /** Version of ai.onnx. */
  readonly opset: number;
  /** Sizes of what a name stands for in an original graph. */
  readonly shapes: (name: string, scope: Scope) => Dims | undefined;
}

/** A stored value that was written into the graph: A ~ left right, or left alone. */
export interface PlacedValue {
  readonly left: Operand;
  readonly right?: Operand;
  readonly description: ValueDescription;
}

/** A matrix. */
export interface Operand {
  readonly rows: number;
  /** Columns of what is read: padding included. */
  readonly cols: number;
  /** It lies transposed: cols x rows. */
  readonly transposed: boolean;
  /** The whole of it as numbers of the layer's type; nodes are written at the first call. */
  whole(): string;
  /** gather() must be told how many dimensions the indices have: rows are unpacked by Reshape. */
  readonly needsRank: boolean;
  /** Its rows `indices`, whose sizes are known or not: a value of shape indices x cols. Not for one that lies transposed. */
  gather(indices: string, sizes: Dims | undefined, name: string): string;
  /** x (any dimensions, the last of cols) times its transpose, by one operator that reads it as it is stored; where there is one. */
  timesTransposed?(x: string, to: { name: string; output?: string }): string;
}
