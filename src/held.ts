// What calls hold beside tiles and d x d matrices, for the memory budget: row state here and with the workers, and whole matrices.
import type { Held } from "./engine/memory.js";
import { candidatesOf } from "./low-rank/candidates.js";
import { rowTypeBytes, type RowSource } from "./matrix.js";
import { rankForKeep } from "./options.js";
import type { CertifyOptions, LowRankFactorOptions, LowRankOptions } from "./types/index.js";

/** Where nothing better is known: as much as any primitive without factors has. */
export const heldByDefault: Held = { columns: 8, kernelColumns: 1 };

/** Nothing but the weights of the caller's. */
export const heldByNone = (): Held => ({ columns: 0 });

/** The scores, as they are brought together. */
export const heldByLeverage = (): Held => ({ columns: 2 });

/** logWeight, before, scale and rowDistortion, of which two are brought together; of robust subspaces distance and scale. */
const ellipsoidColumns = 6;

export const heldByEllipsoid = (): Held => ({ columns: ellipsoidColumns });

/** Factors that are fitted entrywise lie beside the rows, and so does what is left of each. */
export function heldByEntrywise({ rank }: { rank: number }, { rows, cols, dtype }: RowSource): Held {
  const dual = dtype === "f64" ? cols : Math.ceil(cols / 2);
  return { columns: ellipsoidColumns + rank + dual + 1, bytes: 16 * rows * rank };
}

/** Certifying a pair by its residual takes that matrix. */
const residualBytes = ({ rows, cols, dtype }: RowSource) => rows * cols * rowTypeBytes[dtype === "f64" ? "f64" : "f32"];

/** Three sums of each row, its size and its error, sorted ones beside them. */
export const heldByTransformCode = (): Held => ({ columns: 9 });

export function heldByLowRank(options: LowRankOptions | LowRankFactorOptions, source: RowSource): Held {
  if (options.p === Infinity) return heldByDefault;
  if (!candidatesOf(options, source).methods.includes("entrywise")) return heldByEllipsoid();
  const { rows: n, cols: d } = source;
  const { rank = options.keep === undefined ? Math.min(n, d) : rankForKeep(options.keep, n, d) } = options;
  const { columns, bytes = 0 } = heldByEntrywise({ rank }, source);
  return { columns, bytes: bytes + residualBytes(source) };
}

export function heldByCertify({ left, by, p }: CertifyOptions, source: RowSource): Held {
  const bytes = left && by !== "projection" ? residualBytes(source) : 0;
  return { ...(p === Infinity ? heldByDefault : heldByEllipsoid()), bytes };
}
