// What low rank and its proof hold beside tiles and d x d matrices.
import type { MemoryNeeds } from "../engine/memory.js";
import { candidatesOf } from "../low-rank/candidates.js";
import { askedRank } from "../low-rank/rank.js";
import { rowTypeBytes, type RowSource } from "../matrix.js";
import type { CertifyOptions, LowRankFactorOptions, LowRankOptions } from "../types/index.js";
import { defaultNeeds, ellipsoidColumns, needsOfEllipsoid, needsOfEntrywise } from "./memory-needs.js";

/** Certifying a pair by its residual takes that matrix. */
const residualBytes = ({ rows, cols, dtype }: RowSource) => rows * cols * rowTypeBytes[dtype === "f64" ? "f64" : "f32"];

export function needsOfLowRank(options: LowRankOptions | LowRankFactorOptions, source: RowSource): MemoryNeeds {
  if (options.p === Infinity) return defaultNeeds;
  const { methods } = candidatesOf(options, source);
  if (!methods.includes("entrywise") && !methods.includes("clusters")) return needsOfEllipsoid();
  const { rows: n, cols: d } = source;
  const rank = askedRank(options, n, d) || Math.min(n, d);
  // Of clusters: left, and what is left of A.
  if (!methods.includes("entrywise")) return { columns: ellipsoidColumns, bytes: 8 * n * rank + residualBytes(source) };
  const { columns, bytes = 0 } = needsOfEntrywise({ rank }, source);
  return { columns, bytes: bytes + residualBytes(source) };
}

export function needsOfCertify({ left, by, p, residualStore }: CertifyOptions, source: RowSource): MemoryNeeds {
  const bytes = left && by !== "projection" && !residualStore ? residualBytes(source) : 0;
  return { ...(p === Infinity ? defaultNeeds : needsOfEllipsoid()), bytes };
}
