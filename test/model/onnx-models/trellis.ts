// Trellis codes of equal bits made up at random: any bytes are one.
import type { KroneckerRotation, TrellisBits, TrellisCode, WindowBits } from "../../../src/index.js";
import type { StoredLayer } from "../../../src/model/stored.js";
import { trellisSizes } from "../../../src/model/kinds/trellis-description.js";
import { unmeasured } from "./coded.js";
import { uniform } from "./random.js";

export interface TrellisShape {
  rows: number;
  cols: number;
  bits?: TrellisBits;
  windowBits?: WindowBits;
  levels?: number;
  seed?: number;
  /** Of the rotation: layers of as many columns and of one seed share it. */
  turned?: number;
}

/** Not orthogonal: a graph must compute what is stored, whatever that is. */
export function rotationOf(cols: number, seed: number): KroneckerRotation {
  const { size, order } = trellisSizes({ rows: 8, cols });
  return {
    order,
    mixing: Float32Array.from({ length: order * order }, (_, i) => (uniform(seed, i) - 0.5) / Math.sqrt(size)),
    signs: Int8Array.from({ length: size }, (_, i) => (uniform(seed + 1, i) < 0.5 ? -1 : 1)),
  };
}

export function trellisOf({
  rows,
  cols,
  bits = 3,
  windowBits = 10,
  levels = Math.min(50, rows),
  seed = 1,
  turned = 9,
}: TrellisShape): TrellisCode {
  const { segment, segments, size } = trellisSizes({ rows, cols });
  const bytes = (size * segments * segment * bits) / 8;
  return {
    ...{ kind: "trellis", rows, cols, bits, windowBits, segment },
    codes: Uint8Array.from({ length: bytes }, (_, i) => 256 * uniform(seed, i)),
    scales: Uint8Array.from({ length: rows }, (_, i) => Math.floor(levels * uniform(seed + 2, i))),
    scaleLevels: Float32Array.from({ length: levels }, (_, i) => (i + 1) / levels),
    rotation: rotationOf(cols, turned),
  };
}

/** Of a tensor that is rows x cols, or cols x rows where it is transposed. */
export function trellisLayer(shape: TrellisShape, name = "W", transposed = false): StoredLayer {
  const { rows, cols } = shape;
  const value = trellisOf(shape);
  return { ...unmeasured, ...{ name, transposed, rows, cols, rank: cols, type: "trellis", value, method: "trellis" } };
}
