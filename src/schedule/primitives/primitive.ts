// What a primitive is to whoever runs it: wherever there is a kernel, in the calling thread, by all threads, or in one worker.
import type { MemoryNeeds } from "../../engine/memory.js";
import type { Run } from "../../geometry/run.js";
import type { RowSource } from "../../matrix.js";
import type { Scale } from "../scale.js";

export interface Primitive<Options, Result> {
  run(run: Run, source: RowSource, options: Options): Promise<Result>;
  check?(options: NoInfer<Options>, source: RowSource): void;
  /** What it holds beside tiles and d x d matrices, row weights apart. */
  needs?(options: NoInfer<Options>, source: RowSource): MemoryNeeds;
  /** The result of A and its row weights from that of scaled ones (far-scales.ts), where it depends on the scale. */
  restore?(result: NoInfer<Result>, scale: Scale): Promise<Result>;
  /** Rows may be scaled: all that needs `restore` for it has it. */
  scalesRows?: boolean;
  /** Sweeps of rows * cols^2 multiply-adds, and as many dense steps, that it comes to: the order of magnitude. */
  sweeps: number;
}

/** Keeps the types of each. */
export const primitive = <Options, Result>(of: Primitive<Options, Result>) => of;
