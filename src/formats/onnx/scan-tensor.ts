/**
 * One TensorProto: its header is decoded, its numbers are only located. That they are as many as shape and type say is
 * checked here, as far as it can be without reading them.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { innerPathFault } from "../inner-path.js";
import { quote } from "../json.js";
import type { Cursor, Field, Message } from "./cursor.js";
import {
  entryBytes,
  fieldNumbers,
  looseWire,
  onnxDtype,
  onnxDtypeName,
  onnxElements,
  onnxRowType,
  onnxTensorBytes,
  type TypedField,
} from "./dtype.js";
import { StringStringEntryProtoSchema } from "./onnx_pb.js";
import type { OnnxTensor, Span, TensorData } from "./types.js";

/** Field numbers of TensorProto. */
const DIMS = 1;
const DATA_TYPE = 2;
const NAME = 8;
const RAW_DATA = 9;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const typedFields: ReadonlyMap<number, TypedField> = new Map(
  Object.entries(fieldNumbers).map(([field, number]) => [number, field as TypedField]),
);
const MAX_DIMENSIONS = 64;

/** What the fields of a tensor came to. */
interface Found {
  name: string;
  dataType: number;
  dims: number[];
  header: Span[];
  raw?: Span;
  /** The typed field that was there, its runs of packed numbers, its loose numbers and their bytes. */
  typed?: { field: TypedField; packed: Span[]; loose: number; looseBytes: number };
  external: Map<string, string>;
  isExternal: boolean;
}

/**
 * The tensor that `message` is. Nothing of its numbers is read.
 * @throws {InvalidFormatError} when shape, type and stored bytes disagree, or external data is not described as it must.
 * @throws {LimitError} for more tensors, or longer names, than may be read.
 */
export async function scanTensor(cursor: Cursor, message: Message): Promise<OnnxTensor> {
  cursor.count("tensors", "tensors", message.start);
  const found: Found = { name: "", dataType: 0, dims: [], header: [], external: new Map(), isExternal: false };
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    if (await isHeader(cursor, message, field, found)) {
      const last = found.header.at(-1);
      if (last?.end === field.start) found.header[found.header.length - 1] = { start: last.start, end: field.end };
      else found.header.push({ start: field.start, end: field.end });
    }
  }
  const { name, dataType, dims, header } = found;
  const fault: Fault = (text, way) => cursor.fault(`tensor ${quote(name)} ${text}`, message.start, name, way);
  if (dims.some((n) => n < 0 || !Number.isSafeInteger(n)))
    throw fault(`has the shape [${dims.join(", ")}]; sizes are whole numbers from 0 to 2^53 - 1`);
  const bytes = onnxTensorBytes(dataType, dims);
  if (bytes === "overflow")
    throw fault(`is ${onnxDtypeName(dataType)} of shape [${dims.join(", ")}]: more than 2^53 elements or bits`);
  const data = found.isExternal ? externalData(found, bytes, fault) : storedData(found, bytes, fault);
  const span = { start: message.body, end: message.end };
  const field = { start: message.start, end: message.end };
  const rowType = onnxRowType(dataType);
  const byteLength = bytes ?? storedBytes(found, data);
  return { name, dataType, dims, span, field, data, header, byteLength, ...(rowType && { rowType }) };
}

/** Takes a field in; false when it holds or locates the numbers. */
async function isHeader(cursor: Cursor, message: Message, field: Field, found: Found): Promise<boolean> {
  const typed = typedFields.get(field.number);
  if (typed !== undefined) {
    takeTyped(cursor, message, field, typed, found);
    return false;
  }
  switch (field.number) {
    case DIMS:
      if (field.wire === WireType.LengthDelimited)
        for (const size of await cursor.packedVarints(field, message)) found.dims.push(size);
      else {
        cursor.expect(field, WireType.Varint, message);
        found.dims.push(field.value);
      }
      if (found.dims.length > MAX_DIMENSIONS)
        throw cursor.fault(`a tensor of more than ${MAX_DIMENSIONS} dimensions`, field.start);
      return true;
    case DATA_TYPE:
      cursor.expect(field, WireType.Varint, message);
      found.dataType = field.value;
      return true;
    case NAME:
      found.name = cursor.text(field, message) ?? (await cursor.loadText(field, message));
      return true;
    case RAW_DATA:
      cursor.expect(field, WireType.LengthDelimited, message);
      found.raw = { start: field.body, end: field.end };
      return false;
    case EXTERNAL_DATA: {
      const entry = decodeEntry(cursor, field, await cursor.payload(field, message));
      found.external.set(entry.key, entry.value);
      return false;
    }
    case DATA_LOCATION:
      cursor.expect(field, WireType.Varint, message);
      found.isExternal = field.value === 1;
      return false;
    default:
      return true;
  }
}

function decodeEntry(cursor: Cursor, field: Field, bytes: Uint8Array): { key: string; value: string } {
  try {
    return fromBinary(StringStringEntryProtoSchema, bytes);
  } catch (cause) {
    throw cursor.fault(`an entry of external_data that cannot be decoded: ${(cause as Error).message}`, field.start);
  }
}

function takeTyped(cursor: Cursor, message: Message, field: Field, typed: TypedField, found: Found): void {
  const packed = field.wire === WireType.LengthDelimited && typed !== "string_data";
  if (!packed) cursor.expect(field, looseWire[typed], message);
  if (packed && field.end === field.body) return;
  found.typed ??= { field: typed, packed: [], loose: 0, looseBytes: 0 };
  if (found.typed.field !== typed)
    throw cursor.fault(`a tensor with numbers in both ${found.typed.field} and ${typed}`, field.start, found.name);
  if (packed) found.typed.packed.push({ start: field.body, end: field.end });
  else {
    found.typed.loose++;
    found.typed.looseBytes += field.end - field.body;
  }
}

/** @param way the way out, where the file need not be damaged */
type Fault = (text: string, way?: string) => Error;

function externalData({ external, raw, typed, ...found }: Found, bytes: number | undefined, fault: Fault): TensorData {
  if (bytes === undefined)
    throw fault(`is ${onnxDtypeName(found.dataType)}, which has no fixed size, yet its data is external`);
  if (typed || (raw && raw.end > raw.start))
    throw fault("has external data and numbers of its own in the file as well");
  const number = (key: string): number | undefined => {
    const text = external.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value))
      throw fault(
        `has ${quote(text)} as the ${key} of its external data; a whole number from 0 to 2^53 - 1 was expected`,
      );
    return value;
  };
  const location = external.get("location");
  if (location === undefined) throw fault("has external data, but no location of it");
  const wrong = innerPathFault(location);
  if (wrong !== undefined) {
    throw fault(
      `has external data at ${quote(location)}, which ${wrong}; it must lie in the model's folder, or in one under it`,
      "Change the location (onnx.external_data_helper.set_external_data), or export the model again.",
    );
  }
  const offset = number("offset") ?? 0;
  const length = number("length") ?? bytes;
  if (length !== bytes) throw fault(`${takes(found, bytes)}, but its external data has ${length}`);
  if (!Number.isSafeInteger(offset + length)) throw fault(`has external data that ends past byte 2^53`);
  return { kind: "external", location, offset, length };
}

function storedData({ raw, typed, ...found }: Found, bytes: number | undefined, fault: Fault): TensorData {
  const known = onnxDtype(found.dataType);
  const rawBytes = raw ? raw.end - raw.start : 0;
  if (typed && rawBytes > 0) throw fault(`has numbers in both raw_data and ${typed.field}`);
  if (typed && known && typed.field !== known.field)
    throw fault(`has numbers in ${typed.field}, where ${known.name} has them in ${known.field} or raw_data`);
  if (typed) {
    checkTyped(typed, found, bytes, fault);
    const inPlace = typed.field === "float_data" || typed.field === "double_data";
    if (inPlace && typed.loose === 0 && typed.packed.length === 1) return { kind: "inline", span: typed.packed[0] };
    return { kind: "typed" };
  }
  if (bytes !== undefined && rawBytes !== bytes)
    throw fault(`${takes(found, bytes)}, but ${rawBytes === 0 ? "none are stored" : `raw_data has ${rawBytes}`}`);
  if (bytes === undefined && known && onnxElements(found.dims) !== 0)
    throw fault(`is ${known.name} of shape [${found.dims.join(", ")}], but no ${known.field} is stored`);
  return raw && rawBytes > 0 ? { kind: "inline", span: raw } : { kind: "none" };
}

/** As many numbers as the shape asks for; of packed varints only how many there can be. */
function checkTyped(
  { field, packed, loose }: NonNullable<Found["typed"]>,
  found: { dataType: number; dims: number[] },
  bytes: number | undefined,
  fault: Fault,
): void {
  const known = onnxDtype(found.dataType);
  if (!known) return;
  const packedBytes = packed.reduce((sum, { start, end }) => sum + end - start, 0);
  const size = field === "float_data" ? 4 : field === "double_data" ? 8 : undefined;
  const entries = bytes === undefined ? (onnxElements(found.dims) as number) : bytes / entryBytes(known.bits, field);
  const fewest = loose + Math.ceil(packedBytes / (size ?? 10));
  const most = loose + Math.floor(packedBytes / (size ?? 1));
  if (entries < fewest || entries > most) {
    const stored = fewest === most ? String(most) : `${fewest} to ${most}`;
    throw fault(
      `is ${known.name} of shape [${found.dims.join(", ")}], which takes ${entries} entries of ${field}, but ${stored} are stored`,
    );
  }
}

function takes({ dataType, dims }: { dataType: number; dims: number[] }, bytes: number): string {
  return `is ${onnxDtypeName(dataType)} of shape [${dims.join(", ")}], which takes ${bytes} bytes`;
}

function storedBytes({ typed }: Found, data: TensorData): number {
  if (data.kind === "inline") return data.span.end - data.span.start;
  return typed ? typed.packed.reduce((sum, { start, end }) => sum + end - start, typed.looseBytes) : 0;
}
