// What calls hold beside tiles and d x d matrices, for the memory budget: row state here and with the workers, and whole matrices.
import type { MemoryNeeds } from "../engine/memory.js";
import { blockRows } from "../engine/sweep.js";
import type { RowSource } from "../matrix.js";
import type { TrellisCodeOptions } from "../types/index.js";

/** Where nothing better is known: as much as any primitive without factors has. */
export const defaultNeeds: MemoryNeeds = { columns: 8, kernelColumns: 1 };

/** Nothing but the weights of the caller's. */
export const noNeeds = (): MemoryNeeds => ({ columns: 0 });

/** The scores, as they are brought together. */
export const needsOfLeverage = (): MemoryNeeds => ({ columns: 2 });

/** logWeight, before, scale and rowDistortion, of which two are brought together; of robust subspaces distance and scale. */
export const ellipsoidColumns = 6;

export const needsOfEllipsoid = (): MemoryNeeds => ({ columns: ellipsoidColumns });

/** Factors that are fitted entrywise lie beside the rows, and so does what is left of each. */
export function needsOfEntrywise({ rank }: { rank: number }, { rows, cols, dtype }: RowSource): MemoryNeeds {
  const dual = dtype === "f64" ? cols : Math.ceil(cols / 2);
  return { columns: ellipsoidColumns + rank + dual + 1, bytes: 16 * rows * rank };
}

/** Three sums of each row, its size and its error, sorted ones beside them. */
export const needsOfTransformCode = (): MemoryNeeds => ({ columns: 10 });

/**
 * Sizes of rows, scales and what levels are found from. In a sweep: paths of a trellis and its table, a block of rows twice in f64 and in
 * codes, products of errors.
 */
export function needsOfTrellisCode(
  { bits, windowBits = 10, moments }: TrellisCodeOptions,
  { cols }: RowSource,
): MemoryNeeds {
  const paths = 4 * 2 ** (windowBits - bits) * (blockRows + 4) + 10 * 2 ** windowBits;
  return { columns: 6, sweepBytes: paths + 20 * blockRows * cols + (moments ? 1 << 20 : 0) };
}
