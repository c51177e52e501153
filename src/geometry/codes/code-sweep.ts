// The sweep that codes rows, or only says what coding them would leave.
import type { EngineRows } from "../../engine/engine.js";
import { codesName } from "../../engine/operations/transform.js";
import { trellisTable } from "../../code-trellis.js";
import type { CodeBand, TransformCodeOptions } from "../../types/index.js";
import type { Run } from "../run.js";
import type { Axes } from "./axes.js";
import type { BandFactors } from "./band-factors.js";
import type { Metric } from "./metric.js";

export interface SweptRows {
  scales: Uint8Array;
  /** Root mean square of each row's coordinates. */
  sizes: Float64Array;
  /** 3 a row: sums of |r|, r^2, |r|^p of what is left of it, times the unit. */
  sums: Float64Array;
  /** Of each row: the squared error in the metric, times unit^2. */
  errors: Float64Array;
}

/** Codes go to the `bands`; without these nothing is coded, and what damped coordinates leave is measured. */
export async function codeSweep(
  run: Run,
  rows: EngineRows,
  { centre, unit, zeros }: Axes,
  { basis, right, damped, inMetric, squares, gains }: BandFactors,
  { windowBits = 10, scale, p = 2 }: TransformCodeOptions,
  bands: readonly CodeBand[],
  levels: Float32Array,
  metric?: Metric,
): Promise<SweptRows> {
  const { rows: n, cols } = rows.source;
  const [decoded, inCoordinates] = bands.length ? [right, inMetric.right] : [damped, inMetric.damped];
  const parts = {
    ...{ scales: new Uint8Array(n), sizes: new Float64Array(n) },
    ...{ sums: new Float64Array(3 * n), errors: new Float64Array(n) },
  };
  const all: Record<string, Uint8Array | Float64Array> = { ...parts };
  for (const { bits, codes } of bands) all[codesName(bits)] = codes;
  const none = new Float64Array(cols);
  await run.sweep(
    "transform",
    rows,
    "codes",
    {
      ...{ windowBits, p, unit, unbiased: scale === "unbiased" },
      firstLevel: zeros > 0 && levels.length > 1 ? 1 : 0,
    },
    {
      centre,
      basis: basis.length ? basis : none,
      right: decoded.length ? decoded : none,
      ...(metric && { metricRoot: metric.root, metricRight: inCoordinates.length ? inCoordinates : none }),
      bands: Float64Array.from(bands.flatMap(({ bits, cols }, b) => [bits, cols, squares[b], gains[b]])),
      tables: Float64Array.from(bands.flatMap(({ bits }) => [...trellisTable(bits, windowBits)])),
      levels: Float64Array.from(levels),
    },
    { emit: (start, block, name) => all[name].set(block, start * (all[name].length / n)), anyOrder: true },
  );
  if (!metric) parts.errors.forEach((_, i) => (parts.errors[i] = parts.sums[3 * i + 1]));
  return parts;
}
