// The first sweep over every matrix, or a part of it: it must be finite, and its scales decide how the others read it.
import { placeOfBad } from "../engine/operations/bad-entry.js";
import type { EngineRows } from "../engine/engine.js";
import type { ResultOf } from "../engine/operations/index.js";
import { InvalidInputError } from "../errors.js";
import type { RowSource, RowType } from "../matrix.js";
import { TooSmall, type Run } from "./run.js";

export interface Profile {
  /** Frobenius norm of A, after multiplication by `unit`. */
  frobenius: number;
  /** The largest |entry|. */
  top: number;
  /** Power of two that brings the largest entry near 1; 1 when squares are safe as they are. */
  unit: number;
  /** d powers of two that bring each column's norm near 1. */
  columnScale: Float64Array;
}

/** Exponents of scales that the rows' own type holds. */
const largestScale: Record<RowType, number> = { f64: 1000, f32: 126, f16: 126, bf16: 126 };

/** Entries of f64, at most. */
const mostEntry = 2 ** 1000;

/** Columns of f64 with all entries below this count as zeros. */
export const leastColumn = 2 ** -990;

/** @throws {InvalidInputError} naming tensor, row and column of the first NaN or infinity; an f64 entry above 1e301. */
export async function profile(run: Run, rows: EngineRows): Promise<Profile> {
  return profileOf(run, rows.source, await run.sweep("profile", rows, "profile", {}, {}));
}

/** The same from a sweep that did it by the way. */
export function profileOf(run: Run, source: RowSource, { sums, tops, bad }: ResultOf<"profile">): Profile {
  const { cols, dtype } = source;
  const found = placeOfBad(bad, cols);
  if (found) {
    const place = { tensor: source.name, ...found };
    throw new InvalidInputError(
      `${source.name ?? "A"} holds NaN or infinity at row ${place.row}, column ${place.column}; every entry must be finite. Repair or drop that row first.`,
      place,
    );
  }
  const top = tops.reduce((a, b) => Math.max(a, b), 0);
  // f32 sums square what they read, and f16's widened range is f32's.
  const safe = dtype === "f64" ? 2 ** 400 : 2 ** 40;
  if (top > mostEntry) {
    const column = tops.indexOf(top);
    throw new InvalidInputError(
      `Column ${column} of ${source.name ?? "A"} has an entry of ${top}; from 1e301 on f64 has no room for products. Multiply ${source.name ?? "A"} by a power of two, 2^-100 say.`,
      { tensor: source.name, column },
    );
  }
  if (dtype === "f64" && top > 0 && top <= 1 / safe && source === run.scalable) throw new TooSmall(top);
  const unit = top === 0 || (top < safe && top > 1 / safe) ? 1 : powerOfTwoBelow(1 / top, largestScale[dtype]);
  const columnScale = new Float64Array(cols);
  for (let j = 0; j < cols; ++j) {
    const norm = Math.sqrt(sums[j]);
    let size = norm > 0 && norm < Infinity && norm > 1e-150 ? norm : tops[j];
    // No power of two that f64 has brings it near 1: its squares vanish, and it counts as a column of zeros.
    if (dtype === "f64" && size < leastColumn) size = 0;
    columnScale[j] = size > 0 ? powerOfTwoBelow(1 / size, largestScale[dtype]) : 1;
  }
  const scaled = sums.reduce((a, b) => a + b, 0);
  const frobenius = unit === 1 ? Math.sqrt(scaled) : top * unit * Math.sqrt(source.rows * cols);
  return { frobenius, top, unit, columnScale };
}

/** The exponent as f64 stores it: -1023 of 0 and of denormals, 1024 of infinity. */
export function storedExponent(x: number): number {
  return ((new DataView(Float64Array.of(x).buffer).getUint32(4, true) >>> 20) & 0x7ff) - 1023;
}

/** The largest power of two not above x > 0 (2^±limit at the ends). Exact: it reads the exponent. */
export function powerOfTwoBelow(x: number, limit = 1000): number {
  const exponent = storedExponent(x);
  return 2 ** Math.max(-limit, Math.min(limit, exponent));
}
