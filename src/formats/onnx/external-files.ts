/**
 * External data as it is written: tensors one after the other, each at a multiple of 4096 so that it can be mapped into
 * memory (the ONNX format asks for it), in files of less than 2 GiB, since a browser holds no larger buffer.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { InvalidInputError } from "../../errors.js";
import { innerPathFault } from "../inner-path.js";
import { quote } from "../json.js";
import { StringStringEntryProtoSchema } from "./onnx_pb.js";
import { concatenation, lengthDelimited, type Piece } from "./splice.js";
import { onnxTensorChunks } from "./tensor-bytes.js";
import type { OnnxModel, OnnxTensor, StreamedBytes } from "./types.js";

/** A file of external data. */
export interface ExternalFile {
  /** Relative to the model's folder. */
  readonly name: string;
  readonly bytes: StreamedBytes;
}

const ALIGNMENT = 4096;
/** A tensor goes to the next file rather than past this; one that is larger alone has a file of its own. */
const MAX_FILE = 2 ** 31 - 4096;

/** Field numbers of TensorProto. */
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const EXTERNAL = 1;

/** Fills the files of one model, in the order of the calls. */
export class ExternalFiles {
  private readonly pieces: Piece[][] = [];
  /** Bytes in the last file. */
  private size = 0;
  /** Fields already made for ranges of the old external files: tensors that shared one go on doing so. */
  private readonly moved = new Map<string, Uint8Array>();

  /** @throws {InvalidInputError} when `name` is not one that external data may have. */
  constructor(
    private readonly model: OnnxModel,
    private readonly name: string,
  ) {
    const wrong = innerPathFault(name);
    if (wrong !== undefined)
      throw new InvalidInputError(
        `External data cannot be named ${quote(name)}, which ${wrong}; use a plain file name.`,
      );
  }

  /** Takes a tensor of the model; returns the fields of its TensorProto that say where it lies. */
  move(tensor: OnnxTensor): Uint8Array {
    const { data, byteLength } = tensor;
    const place = () => this.add({ byteLength, chunks: () => onnxTensorChunks(this.model, tensor) });
    if (data.kind !== "external") return place();
    const range = `${data.offset} ${data.length} ${data.location}`;
    const fields = this.moved.get(range) ?? place();
    this.moved.set(range, fields);
    return fields;
  }

  /** Takes a new tensor; returns the fields of its TensorProto that say where it lies. */
  add(data: StreamedBytes): Uint8Array {
    let offset = Math.ceil(this.size / ALIGNMENT) * ALIGNMENT;
    if (this.pieces.length === 0 || (this.size > 0 && offset + data.byteLength > MAX_FILE)) {
      this.pieces.push([]);
      this.size = offset = 0;
    }
    const file = this.pieces[this.pieces.length - 1];
    if (offset > this.size) file.push(new Uint8Array(offset - this.size));
    file.push(data);
    this.size = offset + data.byteLength;
    return fields([
      ["location", this.nameOf(this.pieces.length - 1)],
      ["offset", String(offset)],
      ["length", String(data.byteLength)],
    ]);
  }

  /** The files that were filled. */
  files(): ExternalFile[] {
    return this.pieces.map((pieces, i) => ({ name: this.nameOf(i), bytes: concatenation(this.model.source, pieces) }));
  }

  private nameOf(index: number): string {
    return index === 0 ? this.name : `${this.name}_${index}`;
  }
}

function fields(entries: readonly (readonly [string, string])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [key, value] of entries) {
    const entry = create(StringStringEntryProtoSchema, { key, value });
    writer.raw(lengthDelimited(EXTERNAL_DATA, toBinary(StringStringEntryProtoSchema, entry)));
  }
  return writer.tag(DATA_LOCATION, WireType.Varint).int32(EXTERNAL).finish();
}
