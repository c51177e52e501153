/**
 * The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding), read by ranges: one field at a
 * time, payloads skipped unless they are asked for.
 *
 * Most fields of a graph are a few bytes long, and there may be millions. So every read has two forms: a synchronous one
 * that answers when the bytes are in the window, and an asynchronous one that moves the window first:
 *
 *   const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
 *
 * Memory: one window, 1 MiB at most unless a longer text is asked for.
 */
import { WireType } from "@bufbuild/protobuf/wire";
import { InvalidFormatError } from "../../errors.js";
import type { ByteSource } from "../bytes.js";
import { overLimit, type ReadLimits } from "../limits.js";

/** A message in the file, with the messages around it. */
export interface Message {
  /** What it is, for error messages: "graph", "node". */
  readonly what: string;
  /** Field number in its parent. */
  readonly number: number;
  /** Offset of its tag. */
  readonly start: number;
  /** Offset of its first byte after tag and length. */
  readonly body: number;
  readonly end: number;
  /** Undefined for the model itself. */
  readonly parent: Message | undefined;
  /** Messages around it. */
  readonly depth: number;
}

/** One field of a message. */
export interface Field {
  readonly number: number;
  readonly wire: WireType;
  /** Offset of its tag. */
  readonly start: number;
  /** Offset of its payload: after the tag, and after the length where there is one. */
  readonly body: number;
  readonly end: number;
  /** Value of a varint as a signed 64-bit number (rounded past 2^53); 0 for other wire types. */
  readonly value: number;
}

/** Longest tag and length, 10 bytes each. */
const MAX_HEADER = 20;
/** A jump reads little, since another may follow; reading on in order reads more and more. */
const FIRST_WINDOW = 1 << 14;
const LARGEST_WINDOW = 1 << 20;

const damaged = "The file is damaged or was not written by an ONNX library; get or save it again.";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Cursor {
  private window: Uint8Array = new Uint8Array(0);
  private windowStart = 0;
  private step = FIRST_WINDOW;
  /** Where the last varint ended. */
  private next = 0;
  private readonly counts = { graphBytes: 0, graphNodes: 0, graphValues: 0, tensors: 0 };

  constructor(
    readonly source: ByteSource,
    readonly limits: ReadLimits,
  ) {}

  /**
   * One more of what stays in memory, or `by` bytes.
   * @throws {LimitError} when there are more than there may be.
   */
  count(name: keyof Cursor["counts"], what: string, offset: number, by = 1): void {
    const most = this.limits[name];
    if ((this.counts[name] += by) > most) throw this.over(name, `it has more than ${most} ${what}`, undefined, offset);
  }

  /** The field at `at` of `message`, or undefined when its tag and length are not in the window. */
  field(at: number, message: Message): Field | undefined {
    return this.holds(at, Math.min(MAX_HEADER, message.end - at)) ? this.parse(at, message) : undefined;
  }

  async loadField(at: number, message: Message): Promise<Field> {
    await this.load(at, Math.min(MAX_HEADER, message.end - at));
    return this.parse(at, message);
  }

  /** The payload as text, or undefined when it is not in the window. */
  text(field: Field, message: Message): string | undefined {
    this.expect(field, WireType.LengthDelimited, message);
    return this.holds(field.body, field.end - field.body) ? this.decode(field, message) : undefined;
  }

  async loadText(field: Field, message: Message): Promise<string> {
    await this.loadPayload(field, message);
    return this.decode(field, message);
  }

  /** The payload, valid until the next load. */
  async payload(field: Field, message: Message): Promise<Uint8Array> {
    this.expect(field, WireType.LengthDelimited, message);
    const { body, end } = field;
    this.countBytes(field, message);
    if (!this.holds(body, end - body)) await this.loadPayload(field, message);
    return this.window.subarray(body - this.windowStart, end - this.windowStart);
  }

  /** The numbers of a packed field of varints, signed. */
  async packedVarints(field: Field, message: Message): Promise<number[]> {
    await this.payload(field, message);
    const values: number[] = [];
    for (let at = field.body; at < field.end; at = this.next) values.push(this.varint(at, field.end, message));
    return values;
  }

  /**
   * A field as a message of its own.
   * @throws {InvalidFormatError} when its wire type is another.
   * @throws {LimitError} when it lies too deep.
   */
  enter(field: Field, parent: Message, what: string): Message {
    this.expect(field, WireType.LengthDelimited, parent);
    const depth = parent.depth + 1;
    const { graphDepth } = this.limits;
    if (depth > graphDepth) {
      const found = `messages lie more than ${graphDepth} deep in each other`;
      throw this.over("graphDepth", found, undefined, field.start);
    }
    const { number, start, body, end } = field;
    return { what, number, start, body, end, parent, depth };
  }

  /** @throws {InvalidFormatError} when the field has another wire type than its definition. */
  expect(field: Field, wire: WireType, message: Message): void {
    if (field.wire === wire) return;
    throw this.fault(
      `field ${field.number} of ${article(message.what)} has wire type ${field.wire} (${WireType[field.wire]}), where the ONNX format has ${wire} (${WireType[wire]})`,
      field.start,
    );
  }

  /** An error at a byte of the file; `found` is a sentence without its full stop, `way` the way out. */
  fault(found: string, offset: number, tensor?: string, way = damaged): InvalidFormatError {
    const file = this.source.name;
    return new InvalidFormatError(`${file}: ${found} (byte ${offset}). ${way}`, {
      file,
      offset,
      ...(tensor !== undefined && { tensor }),
    });
  }

  private parse(at: number, message: Message): Field {
    const tag = this.varint(at, message.end, message);
    const number = Math.floor(tag / 8);
    const wire = (tag % 8) as WireType;
    const after = this.next;
    if (number < 1 || number > 0x1fffffff || !(tag > 0)) {
      throw this.fault(`a field tag of ${tag} in ${article(message.what)}; field numbers are 1 to 2^29 - 1`, at);
    }
    let body = after;
    let end: number;
    let value = 0;
    if (wire === WireType.Varint) {
      value = this.varint(after, message.end, message);
      end = this.next;
    } else if (wire === WireType.Bit64) end = body + 8;
    else if (wire === WireType.Bit32) end = body + 4;
    else if (wire === WireType.LengthDelimited) {
      const length = this.varint(after, message.end, message);
      body = this.next;
      if (length < 0) throw this.fault(`a length of ${length} in ${article(message.what)}`, at);
      end = body + length;
    } else {
      throw this.fault(
        `wire type ${wire} of field ${number} in ${article(message.what)}; groups and unknown wire types stand in no ONNX file`,
        at,
      );
    }
    if (end > message.end)
      throw this.past(`field ${number} of ${article(message.what)} ends at byte ${end}`, at, message);
    return { number, wire, start: at, body, end, value };
  }

  /** Leaves the offset after it in `next`. */
  private varint(at: number, end: number, message: Message): number {
    const { window } = this;
    const from = at - this.windowStart;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (at + i >= end) throw this.past(`a number in ${article(message.what)} goes on`, at, message);
      const byte = window[from + i];
      value += (byte & 127) * scale;
      if (byte < 128) {
        this.next = at + i + 1;
        return i < 7 ? value : this.longVarint(from, i);
      }
      scale *= 128;
    }
    throw this.fault(`a number of more than 10 bytes in ${article(message.what)}`, at);
  }

  /** More than 49 bits: the double that the sum is in would round before the sign is known. */
  private longVarint(from: number, last: number): number {
    let value = 0n;
    for (let i = last; i >= 0; i--) value = (value << 7n) | BigInt(this.window[from + i] & 127);
    return Number(BigInt.asIntN(64, value));
  }

  private past(found: string, offset: number, message: Message): InvalidFormatError {
    const file = this.source.name;
    if (message.parent !== undefined)
      return this.fault(`${found}, past the end of the ${message.what} at byte ${message.end}`, offset);
    return new InvalidFormatError(
      `${file}: ${found}, but the file has ${message.end} bytes (byte ${offset}): it is truncated or damaged. Copy or download it again.`,
      { file, offset },
    );
  }

  private over(name: keyof ReadLimits, what: string, found: number | undefined, offset: number) {
    return overLimit(this.limits, name, `${what} (byte ${offset})`, found, { file: this.source.name, offset });
  }

  /** With its tag: an empty name takes a place in a list too. */
  private countBytes(field: Field, message: Message): void {
    this.checkLength(field, message);
    this.count("graphBytes", "bytes of names, shapes and values", field.start, field.end - field.start);
  }

  private checkLength({ number, body, end }: Field, message: Message): void {
    const length = end - body;
    if (length <= this.limits.textBytes) return;
    throw this.over("textBytes", `field ${number} of ${article(message.what)} has ${length} bytes`, length, body);
  }

  private decode(field: Field, message: Message): string {
    this.countBytes(field, message);
    const from = field.body - this.windowStart;
    const to = field.end - this.windowStart;
    try {
      return utf8.decode(this.window.subarray(from, to));
    } catch {
      throw this.fault(`field ${field.number} of ${article(message.what)} is text, but not UTF-8`, field.body);
    }
  }

  private async loadPayload(field: Field, message: Message): Promise<void> {
    const { body, end } = field;
    this.checkLength(field, message);
    await this.load(body, end - body);
  }

  private holds(at: number, count: number): boolean {
    return at >= this.windowStart && at + count <= this.windowStart + this.window.byteLength;
  }

  private async load(at: number, count: number): Promise<void> {
    if (this.holds(at, count)) return;
    const inOrder = this.holds(at, 0);
    this.step = inOrder ? Math.min(2 * this.step, LARGEST_WINDOW) : FIRST_WINDOW;
    const end = Math.min(this.source.size, at + Math.max(count, this.step));
    this.window = await this.source.slice(at, end);
    this.windowStart = at;
  }
}

function article(what: string): string {
  return `${/^[aeio]/.test(what) ? "an" : "a"} ${what}`;
}
