// How the bands of a transform code lie side by side, and their right factors below each other.
import { levelsOf } from "../../code-levels.js";
import { f16ToF32, f32ToF16 } from "../../formats/index.js";
import { powerOfTwoBelow } from "../../geometry/profile.js";
import type { CodeBand, CodedMatrix, TransformCode } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { bytesOfRow } from "../kinds/transform-description.js";

type Bands = readonly Pick<CodeBand, "bits" | "cols">[];

/** Of a byte of a row, the one that follows it in its band; a band's first follows its last. */
export function nextBytes({ bands }: { readonly bands: Bands }): Int32Array {
  const widths = bands.map(bytesOfRow);
  const next = Int32Array.from({ length: widths.reduce((sum, each) => sum + each, 0) }, (_, t) => t + 1);
  let first = 0;
  for (const width of widths) {
    next[first + width - 1] = first;
    first += width;
  }
  return next;
}

/** Bits of each component. */
export function componentBits({ bands }: { readonly bands: Bands }): Uint8Array {
  return Uint8Array.from(bands.flatMap(({ bits, cols }) => new Array<number>(cols).fill(bits)));
}

/** Rows of codes of all bands, one after the other, about 1 MiB at a time. */
export function* codesSideBySide({ rows, bands }: TransformCode): Generator<Uint8Array> {
  const widths = bands.map(bytesOfRow);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const step = Math.max(1, Math.floor((1 << 20) / width));
  for (let start = 0; start < rows; start += step) {
    const count = Math.min(step, rows - start);
    const chunk = new Uint8Array(count * width);
    let first = 0;
    bands.forEach(({ codes }, b) => {
      for (let i = 0; i < count; ++i) {
        const at = (start + i) * widths[b];
        chunk.set(codes.subarray(at, at + widths[b]), i * width + first);
      }
      first += widths[b];
    });
    yield chunk;
  }
}

/** A matrix in few bits whose levels are `unit` times those that its table holds. */
export interface Unified {
  readonly matrix: CodedMatrix;
  /** A power of two. */
  readonly unit: number;
}

/**
 * Matrices below each other; those that follow each other and differ in a power of two at most lie in one, whose scales take it up. Tables of
 * levels are the same for all whose levels are alike but for a power of two.
 */
export function stacked(matrices: readonly CodedMatrix[]): Unified[] {
  const groups: Unified[][] = [];
  for (const matrix of matrices) {
    const next = { matrix, unit: unitOf(matrix) };
    const last = groups.at(-1);
    if (last && inOne([...last, next])) last.push(next);
    else groups.push([next]);
  }
  return groups.map((group) => inOne(group)!);
}

/** 1 for the levels that `quantise` has by default. */
function unitOf({ bits, levels }: CodedMatrix): number {
  const [size, usual] = [levels[0], levelsOf(bits, "normal").values[0]].map(Math.abs);
  return powerOfTwoBelow(size) / powerOfTwoBelow(usual);
}

/** undefined where they are not alike, or half precision does not hold the scales. */
function inOne(group: readonly Unified[]): Unified | undefined {
  const [first] = group;
  const unit = Math.max(...group.map((each) => each.unit));
  const isAlike = ({ matrix, unit: own }: Unified) =>
    (["bits", "block", "paddedCols"] as const).every((key) => matrix[key] === first.matrix[key]) &&
    matrix.levels.every((level, i) => level / own === first.matrix.levels[i] / first.unit);
  const scales = group.map((each) => scaledHalves(each.matrix.scales, each.unit / unit));
  if (!group.every(isAlike) || !scales.every((each) => each !== undefined)) return undefined;
  const { levels, planes } = first.matrix;
  return {
    unit,
    matrix: {
      ...first.matrix,
      levels: levels.map((level) => (level / first.unit) * unit),
      rows: group.reduce((sum, { matrix }) => sum + matrix.rows, 0),
      planes: planes.map((plane, i) => ({ ...plane, bytes: joined(group.map((each) => each.matrix.planes[i].bytes)) })),
      scales: new Uint16Array(joined(scales.map(bytesOf)).buffer),
    },
  };
}

/** Halves times a power of two; undefined where they leave half precision. */
function scaledHalves(halves: Uint16Array, factor: number): Uint16Array | undefined {
  if (factor === 1) return halves;
  const wanted = f16ToF32(halves).map((x) => x * factor);
  const scaled = f32ToF16(wanted);
  return f16ToF32(scaled).every((x, i) => x === wanted[i]) ? scaled : undefined;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
