/** Which bytes of external files tensors use. Several tensors may share a range, or parts of one. */
import type { OnnxTensor } from "./types.js";

/** Bytes of one external file that tensors use, without a gap between them. */
export interface Stretch {
  readonly location: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The stretch that each external tensor lies in: ranges that overlap make one, ranges that only touch do not.
 * Cost: n log n for n tensors.
 */
export function stretchesOf(tensors: readonly OnnxTensor[]): Map<OnnxTensor, Stretch> {
  const ranges = tensors.flatMap((tensor) => {
    const { data } = tensor;
    if (data.kind !== "external" || data.length === 0) return [];
    const { location, offset: start, length } = data;
    return [{ tensor, location, file: plain(location), start, end: start + length }];
  });
  ranges.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.start - b.start));
  const stretches = new Map<OnnxTensor, Stretch>();
  for (let first = 0; first < ranges.length;) {
    const { file, location, start } = ranges[first];
    let { end } = ranges[first];
    let next = first + 1;
    for (; next < ranges.length && ranges[next].file === file && ranges[next].start < end; ++next)
      end = Math.max(end, ranges[next].end);
    const stretch = { location, start, end };
    for (; first < next; ++first) stretches.set(ranges[first].tensor, stretch);
  }
  return stretches;
}

/** Bytes of all stretches together. */
export function distinctBytes(tensors: readonly OnnxTensor[]): number {
  let bytes = 0;
  for (const { start, end } of new Set(stretchesOf(tensors).values())) bytes += end - start;
  return bytes;
}

/** "./a//b" and "a/b" are one file. */
const plain = (location: string) =>
  location
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
