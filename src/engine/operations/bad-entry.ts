// The first entry that is NaN or infinite, as a partial result that sweeps reduce by "max": -1 - (row * cols + column) of it, -Infinity
// where there is none.
import type { Block, Job, PartialResult } from "./operation.js";

/** Takes what a kernel found in a block of rows that are `cols` wide: the index of the first one there, or -1. */
export function badEntry({ frame }: Job, cols: number): (block: Block, index: number) => PartialResult {
  const pointer = frame.f64(1);
  return (block, index) => {
    frame.kernel.f64(pointer, 1)[0] = index < 0 ? -Infinity : -1 - (block.first * cols + index);
    return { pointer, count: 1 };
  };
}

/** From what became of it: where that entry is, if there is one. */
export function placeOfBad([bad]: Float64Array, cols: number): { row: number; column: number } | undefined {
  if (bad === -Infinity) return undefined;
  const at = -1 - bad;
  return { row: Math.floor(at / cols), column: at % cols };
}
