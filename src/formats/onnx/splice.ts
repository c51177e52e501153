/**
 * A protocol buffer with parts of it replaced: everything else is passed through byte for byte, and the lengths of the
 * messages around each change are written anew. Nothing is read before its turn comes.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { InvalidInputError } from "../../errors.js";
import { type ByteSource, readChunks } from "../bytes.js";
import type { Message } from "./cursor.js";
import type { Span, StreamedBytes } from "./types.js";

/** Bytes in memory, a range of the source, or bytes made when their turn comes. */
export type Piece = Uint8Array | Span | StreamedBytes;

/** Bytes `start` to `end` of the source, replaced by others; start = end inserts. */
export interface Cut {
  readonly start: number;
  readonly end: number;
  readonly by: readonly Piece[];
  /** The innermost message that the change lies in. */
  readonly parent: Message;
}

/** Tag and length of a length-delimited field; the length may pass 2^32, so that what is too long can be measured. */
export function fieldHeader(number: number, length: number): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).uint64(length).finish();
}

/** A length-delimited field whole. */
export function lengthDelimited(number: number, payload: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(payload).finish();
}

export function pieceBytes(piece: Piece): number {
  return "byteLength" in piece ? piece.byteLength : piece.end - piece.start;
}

/**
 * The source with `cuts` made, which must not overlap. Insertions at one place keep their order, those of inner messages
 * first.
 */
export function splice(source: ByteSource, cuts: readonly Cut[]): StreamedBytes {
  return concatenation(source, splicedPieces(source, cuts));
}

/** What `splice` puts together. */
export function splicedPieces(source: ByteSource, cuts: readonly Cut[]): Piece[] {
  const all = [...cuts, ...resized(cuts)].sort(
    (a, b) => a.start - b.start || a.end - b.end || b.parent.depth - a.parent.depth,
  );
  const pieces: Piece[] = [];
  let at = 0;
  for (const { start, end, by } of all) {
    if (start > at) pieces.push({ start: at, end: start });
    for (const piece of by) pieces.push(piece);
    at = end;
  }
  if (at < source.size) pieces.push({ start: at, end: source.size });
  return pieces;
}

/** New tags and lengths for every message that grows or shrinks, from the innermost outwards. */
function resized(cuts: readonly Cut[]): Cut[] {
  const growth = new Map<Message, number>();
  const add = (message: Message, bytes: number) => growth.set(message, (growth.get(message) ?? 0) + bytes);
  for (const { start, end, by, parent } of cuts)
    add(
      parent,
      by.reduce((sum, piece) => sum + pieceBytes(piece), start - end),
    );
  const headers: Cut[] = [];
  const levels = byDepth(growth.keys());
  for (let depth = levels.length - 1; depth > 0; depth--) {
    for (const message of levels[depth] ?? []) {
      const { number, start, body, end } = message;
      const parent = message.parent!;
      const bytes = growth.get(message)!;
      const header = fieldHeader(number, end - body + bytes);
      if (bytes !== 0) headers.push({ start, end: body, by: [header], parent });
      if (!growth.has(parent)) (levels[depth - 1] ??= []).push(parent);
      add(parent, bytes === 0 ? 0 : bytes + header.byteLength - (body - start));
    }
  }
  return headers;
}

function byDepth(messages: Iterable<Message>): Message[][] {
  const levels: Message[][] = [];
  for (const message of messages) (levels[message.depth] ??= []).push(message);
  return levels;
}

/** Pieces one after the other; ranges are of `source`. Memory: a chunk of at most 4 MiB, or what a piece gives at once. */
export function concatenation(source: ByteSource, pieces: readonly Piece[]): StreamedBytes {
  return {
    byteLength: pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0),
    async *chunks() {
      for (const piece of pieces) {
        if (piece instanceof Uint8Array) yield piece;
        else if ("chunks" in piece) yield* counted(piece);
        else yield* readChunks(source, piece.start, piece.end);
      }
    },
  };
}

/** @throws {InvalidInputError} when more or fewer bytes come than were promised, which would shift all that follows. */
async function* counted(piece: StreamedBytes): AsyncGenerator<Uint8Array> {
  let count = 0;
  const wrong = (got: string) =>
    new InvalidInputError(`Tensor data gave ${got} bytes instead of the ${piece.byteLength} that it said it has.`);
  for await (const chunk of piece.chunks()) {
    count += chunk.byteLength;
    if (count > piece.byteLength) throw wrong(`at least ${count}`);
    yield chunk;
  }
  if (count !== piece.byteLength) throw wrong(String(count));
}
