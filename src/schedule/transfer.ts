// Arguments and results of a whole call as they go to a worker and back: plain values, and copies of arrays that are handed
// over, so that neither side's own are touched.
import type { SentRows } from "../engine/threads/protocol.js";
import { untilAborted } from "../engine/read-ahead.js";
import { throwIfAborted } from "../errors.js";
import {
  bytesOf,
  isRowSource,
  rowsRead,
  rowTypeBytes,
  type MatrixLike,
  type MatrixShape,
  type RowSource,
} from "../matrix.js";
import { codeBehind, transformRows } from "../transform-codes.js";
import type { TransformCode } from "../types/index.js";

/** A row source among the options, as it is sent. */
interface SentSource {
  readonly sentRows: SentRows;
}

/** Decoded rows, whose codes are sent: what is proved of them goes by these. */
interface SentCode {
  readonly sentCode: TransformCode;
}

/** Bytes read at a time. */
const pieceBytes = 4 << 20;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isSource = (value: unknown): value is RowSource => isObject(value) && isRowSource(value as unknown as MatrixLike);
/** These two stay in this thread, and messages do their work. */
const isHook = (name: string) => name === "signal" || name === "onProgress";

/** Bytes of all rows that a call is about; Infinity where an option is a function, which cannot be sent. */
export function bytesToSend(source: MatrixShape, options: Readonly<Record<string, unknown>>): number {
  let bytes = bytesOf(source);
  for (const [name, value] of Object.entries(options)) {
    if (isHook(name)) continue;
    if (typeof value === "function") return Infinity;
    if (isSource(value)) bytes += bytesOf(value);
  }
  return bytes;
}

/** Options to send. Row sources are read, as `sendRows` does. */
export async function sendOptions(
  options: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const sent: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (isHook(name)) continue;
    sent[name] = isSource(value) ? await sendSource(value, signal) : copied(value);
  }
  return sent;
}

async function sendSource(source: RowSource, signal: AbortSignal): Promise<SentSource | SentCode> {
  const code = codeBehind(source);
  if (code) return { sentCode: copied(code) as TransformCode };
  return { sentRows: await sendRows(source, signal) };
}

function received(value: unknown): unknown {
  if (!isObject(value)) return value;
  if ("sentCode" in value) return transformRows((value as unknown as SentCode).sentCode);
  return "sentRows" in value ? receiveRows((value as unknown as SentSource).sentRows) : value;
}

export function receiveOptions(sent: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(sent).map(([name, value]) => [name, received(value)]));
}

/**
 * All rows of a source, in memory.
 * @param signal fires when nobody wants them any more
 * @throws {AbortedError} as soon as it does, whatever becomes of the read under way
 */
export async function sendRows(source: RowSource, signal: AbortSignal): Promise<SentRows> {
  const { rows, cols, dtype, name } = source;
  const width = cols * rowTypeBytes[dtype];
  const bytes = new Uint8Array(rows * width);
  const step = Math.max(1, Math.floor(pieceBytes / width));
  const ownReads = serialReads(source, signal);
  for (let start = 0; start < rows; start += step) {
    const count = Math.min(step, rows - start);
    const piece = await untilAborted(ownReads.read(start, count), signal);
    bytes.set(piece, start * width);
  }
  return { rows, cols, dtype, name, bytes };
}

export function receiveRows({ bytes, ...shape }: SentRows): RowSource {
  const width = shape.cols * rowTypeBytes[shape.dtype];
  return { ...shape, read: (start, count) => bytes.subarray(start * width, (start + count) * width) };
}

type Read = (start: number, count: number) => Promise<Uint8Array>;

const lastReads = new WeakMap<RowSource, Promise<unknown>>();

/**
 * The source for one of several calls that read it at a time: reads wait for each other, and what is read is the reader's own, for
 * a source may use its buffer again in the next.
 * @param signal fires when the call has ended. A read that it then leaves behind may never come, so nobody waits for that one.
 */
export function serialReads(source: RowSource, signal: AbortSignal): Omit<RowSource, "read"> & { read: Read } {
  const { rows, cols, dtype, name } = source;
  return {
    rows,
    cols,
    dtype,
    name,
    read(start, count) {
      const before = lastReads.get(source) ?? Promise.resolve();
      const turn = before.then(() => {
        throwIfAborted(signal);
        return { reading: (async () => new Uint8Array(await rowsRead(source, start, count)))() };
      });
      lastReads.set(
        source,
        turn.then(({ reading }) => untilAborted(reading, signal)).catch(() => undefined),
      );
      return turn.then(({ reading }) => reading);
    },
  };
}

/** The same values, in arrays of their own that are no larger than they look: a part of an array would take all of it along. */
export function copied(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return (value as Float64Array).slice();
  if (Array.isArray(value)) return value.map(copied);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, copied(of)]));
}

/** The buffers in what is sent, each once: none is looked at again here. */
export function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
  else if (isObject(value)) for (const of of Object.values(value)) buffersIn(of, found);
  return found;
}
