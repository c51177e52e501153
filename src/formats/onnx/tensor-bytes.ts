/** The numbers of an ONNX tensor: as rows to compute with, or as raw bytes to write elsewhere. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { InvalidFormatError, InvalidInputError, isLoewnerError } from "../../errors.js";
import { locate } from "../../location.js";
import { type RowSource, rowTypeBytes } from "../../matrix.js";
import { type ByteSource, bytesSource, readChunks } from "../bytes.js";
import { quote } from "../json.js";
import { entryBytes, fieldNumbers, looseWire, onnxDtype, onnxDtypeName, type TypedField } from "./dtype.js";
import type { OnnxModel, OnnxTensor } from "./types.js";

/**
 * A float tensor as rows, read by ranges; one whose numbers lie in a typed field is decoded when it is first read,
 * and kept.
 * @param shape as many rows and columns as it has numbers; default: its own dimensions, of which it has two
 * @throws {InvalidInputError} when it is not a 2-D F16, BF16, F32 or F64 tensor with at least one row and one column.
 */
export function onnxRows(model: OnnxModel, tensor: OnnxTensor, shape: readonly number[] = tensor.dims): RowSource {
  const { name, dims, dataType, rowType } = tensor;
  const place = { file: model.source.name, tensor: name };
  const what = `${place.file}: tensor ${quote(name)} is ${onnxDtypeName(dataType)} of shape [${dims.join(", ")}]`;
  if (rowType === undefined)
    throw new InvalidInputError(`${what}; only F16, BF16, F32 and F64 can be computed with.`, place);
  if (shape.length !== 2) throw new InvalidInputError(`${what}; a matrix of 2 dimensions is needed.`, place);
  const [rows, cols] = shape;
  if (rows < 1 || cols < 1) throw new InvalidInputError(`${what}; at least one row and one column are needed.`, place);
  const rowBytes = cols * rowTypeBytes[rowType];
  let range: Promise<Range> | undefined;
  const source: RowSource = {
    rows,
    cols,
    dtype: rowType,
    name,
    async read(start, count) {
      const whole = Number.isSafeInteger(start) && Number.isSafeInteger(count);
      if (!whole || start < 0 || count < 0 || start + count > rows)
        throw new InvalidInputError(`${what}; rows ${start} to ${start + count} were asked for.`, place);
      range ??= locateBytes(model, tensor);
      const { source, offset } = await range;
      return source.slice(offset + start * rowBytes, offset + (start + count) * rowBytes);
    },
  };
  return locate(source, async () => {
    range ??= locateBytes(model, tensor);
    const { source, offset } = await range;
    const stored = source.at?.(offset);
    return stored && { ...stored, rows, cols, dtype: rowType, transposed: false };
  });
}

/**
 * The raw bytes of a tensor, little endian and row-major, in order, in chunks of at most 4 MiB.
 * @throws {InvalidInputError} for strings, which have no raw form.
 */
export async function* onnxTensorChunks(model: OnnxModel, tensor: OnnxTensor): AsyncGenerator<Uint8Array> {
  const { source, offset } = await locateBytes(model, tensor);
  yield* readChunks(source, offset, offset + tensor.byteLength);
}

/** Where a tensor's bytes begin. */
interface Range {
  readonly source: ByteSource;
  readonly offset: number;
}

/** Its bytes, little endian and row-major; those of a typed field are decoded anew at each call. */
export async function locateBytes(model: OnnxModel, tensor: OnnxTensor): Promise<Range> {
  const { data } = tensor;
  if (data.kind === "inline") return { source: model.source, offset: data.span.start };
  if (data.kind === "external") return { source: await model.external(data.location), offset: data.offset };
  const bytes = data.kind === "typed" ? await decodeTyped(model, tensor) : new Uint8Array(0);
  return { source: bytesSource(bytes, model.source.name), offset: 0 };
}

/** Numbers of a typed field as the bytes that raw_data would hold. */
async function decodeTyped(
  { source }: OnnxModel,
  { name, dataType, span, byteLength }: OnnxTensor,
): Promise<Uint8Array> {
  const place = { file: source.name, tensor: name, offset: span.start };
  const dtype = onnxDtype(dataType);
  if (!dtype || dtype.bits === 0) {
    throw new InvalidInputError(
      `${source.name}: tensor ${quote(name)} is ${onnxDtypeName(dataType)}, which has no raw form.`,
      place,
    );
  }
  const broken = (what: string, cause?: unknown) =>
    new InvalidFormatError(
      `${source.name}: tensor ${quote(name)} at byte ${span.start} ${what}. Get or save the file again.`,
      place,
      { cause },
    );
  const size = entryBytes(dtype.bits, dtype.field);
  const expected = byteLength / size;
  const view = new DataView(new ArrayBuffer(byteLength));
  const put = putters[dtype.field];
  let entries = 0;
  try {
    for (const reader of typedEntries(await source.slice(span.start, span.end), fieldNumbers[dtype.field])) {
      if (entries < expected) put(view, entries * size, size, reader);
      else reader.skip(looseWire[dtype.field]);
      entries++;
    }
  } catch (cause) {
    throw isLoewnerError(cause) ? cause : broken(`cannot be decoded: ${(cause as Error).message}`, cause);
  }
  if (entries !== expected) throw broken(`has ${entries} entries of ${dtype.field}; its shape takes ${expected}`);
  return new Uint8Array(view.buffer);
}

/** The reader, once before each entry of a repeated field, packed or not; the caller takes one entry each time. */
function* typedEntries(message: Uint8Array, field: number): Generator<BinaryReader> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number !== field) reader.skip(wire, number);
    else if (wire !== WireType.LengthDelimited) yield reader;
    else {
      const length = reader.uint32();
      for (const end = reader.pos + length; reader.pos < end;) yield reader;
    }
  }
}

/** Takes one entry and stores it in the `size` bytes at `at`. */
const putters: Record<TypedField, (view: DataView, at: number, size: number, reader: BinaryReader) => void> = {
  float_data: (view, at, _size, reader) => view.setUint32(at, reader.fixed32(), true), // the bits, so that NaNs stay as they are
  double_data: (view, at, _size, reader) => view.setBigUint64(at, BigInt(reader.fixed64()), true),
  int64_data: (view, at, _size, reader) => view.setBigUint64(at, BigInt(reader.uint64()), true),
  uint64_data: (view, at, size, reader) => {
    if (size === 8) view.setBigUint64(at, BigInt(reader.uint64()), true);
    else view.setUint32(at, reader.uint32(), true);
  },
  int32_data: (view, at, size, reader) => {
    const bits = reader.int32();
    if (size === 1) view.setUint8(at, bits);
    else if (size === 2) view.setUint16(at, bits, true);
    else view.setInt32(at, bits, true);
  },
  string_data: () => undefined, // strings were refused above
};
