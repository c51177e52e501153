// Transform codes made up at random: any bytes are one.
import type { CodeBand, TransformCode, TrellisBits, WindowBits } from "../../../src/index.js";
import type { StoredLayer } from "../../../src/model/stored.js";
import { coded, unmeasured } from "./coded.js";
import { uniform } from "./random.js";

export interface TransformShape {
  rows: number;
  cols: number;
  windowBits?: WindowBits;
  /** Bits, components, and bits of the right factor, which has 8 unless given. */
  bands?: readonly (readonly [TrellisBits, number, (8 | 4)?])[];
  exact?: readonly number[];
  /** Every third row has the scale 0. */
  zeros?: boolean;
  levels?: number;
  seed?: number;
}

const random = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => 256 * uniform(seed, i));

export function transformOf({
  rows,
  cols,
  windowBits = 10,
  bands = [[2, 16]],
  exact = [],
  zeros = false,
  levels = 50,
  seed = 1,
}: TransformShape): TransformCode {
  const residual = coded({ rows: exact.length, cols, bits: 4, levels: "normal" }, seed + 3);
  return {
    ...{ kind: "transform", rows, cols, windowBits },
    centre: Float32Array.from({ length: cols }, (_, j) => uniform(seed + 1, j) - 0.5),
    bands: bands.map(([bits, width, rightBits = 8], b): CodeBand => ({
      ...{ bits, cols: width, codes: random((rows * width * bits) / 8, seed + 10 * b) },
      right: coded({ rows: width, cols, bits: rightBits, levels: rightBits === 4 ? "normal" : 2 ** -7 }, seed + 50 * b),
    })),
    scales: Uint8Array.from({ length: rows }, (_, i) =>
      zeros && i % 3 === 0 ? 0 : (zeros ? 1 : 0) + Math.floor((levels - 1) * uniform(seed + 2, i)),
    ),
    scaleLevels: Float32Array.from({ length: levels }, (_, i) => (zeros && i === 0 ? 0 : 0.25 + i / levels)),
    ...(exact.length && { exact: { rows: Uint32Array.from(exact), residual } }),
  };
}

export function transformLayer(shape: TransformShape, name = "W", transposed = false): StoredLayer {
  const value = transformOf(shape);
  const { rows, cols } = shape;
  const rank = value.bands.reduce((sum, band) => sum + band.cols, 0);
  return { ...unmeasured, ...{ name, transposed, rows, cols, rank, type: "transform", value, method: "transform" } };
}
