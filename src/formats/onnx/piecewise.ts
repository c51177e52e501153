// Ranges of a source and bytes in memory, one after the other, as one source.
import { type ByteSource, checkRange } from "../bytes.js";
import type { Piece } from "./splice.js";
import type { Span } from "./types.js";

interface Placed {
  /** In the whole. */
  readonly start: number;
  readonly end: number;
  readonly piece: Uint8Array | Span;
}

/** @param pieces none that is made when its turn comes */
export function piecewiseSource(source: ByteSource, pieces: readonly Piece[]): ByteSource {
  const { name } = source;
  const placed: Placed[] = [];
  let size = 0;
  for (const piece of pieces) {
    if ("chunks" in piece) throw new Error("A piece that is made when its turn comes cannot be read by ranges.");
    const length = piece instanceof Uint8Array ? piece.byteLength : piece.end - piece.start;
    if (length === 0) continue;
    placed.push({ start: size, end: size + length, piece });
    size += length;
  }

  /** The piece that holds a byte: the last that begins at it or before. */
  function indexOf(at: number): number {
    let [low, high] = [0, placed.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (placed[middle].start <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function part({ piece, start: first }: Placed, start: number, end: number): Uint8Array | Promise<Uint8Array> {
    if (piece instanceof Uint8Array) return piece.subarray(start - first, end - first);
    return source.slice(piece.start + start - first, piece.start + end - first);
  }

  return {
    size,
    name,
    async slice(start, end) {
      checkRange(name, size, start, end);
      const index = indexOf(start);
      if (placed.length > 0 && end <= placed[index].end) return part(placed[index], start, end);
      const all = new Uint8Array(end - start);
      for (let i = index, at = start; at < end; ++i) {
        const until = Math.min(end, placed[i].end);
        all.set(await part(placed[i], at, until), at - start);
        at = until;
      }
      return all;
    },
    at(start) {
      const found = placed[indexOf(start)];
      if (!found || found.piece instanceof Uint8Array) return undefined;
      return source.at?.(found.piece.start + start - found.start);
    },
  };
}
