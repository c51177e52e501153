// How the bands of a transform code lie side by side, and how the window of each component is found among their bytes.
import type { CodedMatrix, TransformCode } from "../../types/index.js";
import { bytesOfRow } from "../kinds/transform-description.js";

type Bands = TransformCode["bands"];

export interface WindowLayout {
  /** Of a row, all bands. */
  readonly bytes: number;
  /** A component's: the byte in which its code ends. */
  readonly byteOf: Int32Array;
  /**
   * What that byte counts for each component: 2^-windowBits times that of its last bit there, so that the bits before the window are
   * whole and those behind it less than the last of the window.
   */
  readonly unit: Float32Array;
  /** Where the tables of each component's band begin, when they lie one behind the other. */
  readonly offset: Float32Array;
  /** The byte that follows each in its band; its first follows the last. */
  readonly next: Int32Array;
}

export function layoutOf(bands: Bands, windowBits: number): WindowLayout {
  const components = bands.reduce((sum, { cols }) => sum + cols, 0);
  const bytes = bands.reduce((sum, band) => sum + bytesOfRow(band), 0);
  const layout: WindowLayout = {
    bytes,
    byteOf: new Int32Array(components),
    unit: new Float32Array(components),
    offset: new Float32Array(components),
    next: Int32Array.from({ length: bytes }, (_, t) => t + 1),
  };
  let [component, first] = [0, 0];
  bands.forEach((band, b) => {
    for (let j = 1; j <= band.cols; ++j, ++component) {
      const byte = Math.ceil((j * band.bits) / 8) - 1;
      const bitsBehind = 8 * (byte + 1) - j * band.bits;
      layout.byteOf[component] = first + byte;
      layout.unit[component] = 2 ** -(bitsBehind + windowBits);
      layout.offset[component] = b * 2 ** windowBits;
    }
    layout.next[first + bytesOfRow(band) - 1] = first;
    first += bytesOfRow(band);
  });
  return layout;
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

/** Matrices below each other as one, where they are stored alike; else as they are. */
export function stacked(matrices: readonly CodedMatrix[]): readonly CodedMatrix[] {
  const [first, ...rest] = matrices;
  const isAlike = ({ bits, block, paddedCols, levels }: CodedMatrix) =>
    bits === first.bits &&
    block === first.block &&
    paddedCols === first.paddedCols &&
    levels.every((level, i) => level === first.levels[i]);
  if (rest.length === 0 || !rest.every(isAlike)) return matrices;
  const scales = new Uint16Array(matrices.reduce((sum, each) => sum + each.scales.length, 0));
  let at = 0;
  for (const each of matrices) {
    scales.set(each.scales, at);
    at += each.scales.length;
  }
  const planes = first.planes.map((plane, i) => ({
    ...plane,
    bytes: joined(matrices.map((each) => each.planes[i].bytes)),
  }));
  return [{ ...first, rows: matrices.reduce((sum, { rows }) => sum + rows, 0), planes, scales }];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
