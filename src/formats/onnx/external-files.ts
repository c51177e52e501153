/**
 * External data as it is written: tensors one after the other, each at a multiple of 4096 so that it can be mapped into
 * memory (the ONNX format asks for it), in files of less than 2 GiB, since a browser holds no larger buffer.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { InvalidInputError } from "../../errors.js";
import { readChunks } from "../bytes.js";
import { innerPathFault } from "../inner-path.js";
import { quote } from "../json.js";
import { type Stretch, stretchesOf } from "./external-ranges.js";
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

/** What is mapped into memory begins at a page; small tensors would be more padding than numbers. */
const PAGE = 4096;
const SMALL = 1 << 16;
const alignmentOf = (byteLength: number) => (byteLength < SMALL ? 64 : PAGE);
/** A tensor goes to the next file rather than past this; one that is larger alone has a file of its own. */
const MAX_FILE = 2 ** 31 - 4096;

/** Field numbers of TensorProto. */
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;
const EXTERNAL = 1;

/** Where bytes went: the number of the file, and the byte at which they begin. */
interface Place {
  readonly file: number;
  readonly offset: number;
}

/** Fills the files of one model, in the order of the calls. */
export class ExternalFiles {
  private readonly pieces: Piece[][] = [];
  /** Bytes in the last file. */
  private size = 0;
  /** Of the old external files, and where what was moved of them lies now: tensors that shared bytes go on doing so. */
  private stretches: ReadonlyMap<OnnxTensor, Stretch> = new Map();
  private readonly moved = new Map<Stretch, Place>();

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

  /** Says which tensors will move, before the first does: those that overlap go together. */
  expect(tensors: readonly OnnxTensor[]): void {
    this.stretches = stretchesOf(tensors);
  }

  /** Takes a tensor of the model; returns the fields of its TensorProto that say where it lies. */
  move(tensor: OnnxTensor): Uint8Array {
    const { data, byteLength } = tensor;
    const stretch = this.stretches.get(tensor);
    if (data.kind !== "external" || !stretch)
      return this.add({ byteLength, chunks: () => onnxTensorChunks(this.model, tensor) });
    const { file, offset } = this.moved.get(stretch) ?? this.moveStretch(stretch, data.length);
    return this.fieldsOf(file, offset + data.offset - stretch.start, data.length);
  }

  /** @param length of the tensor whose turn it is: what several share lies to pages as it did before */
  private moveStretch(stretch: Stretch, length: number): Place {
    const { location, start, end } = stretch;
    const { model } = this;
    const byteLength = end - start;
    const bytes = {
      byteLength,
      async *chunks() {
        yield* readChunks(await model.external(location), start, end);
      },
    };
    const place = this.put(bytes, length === byteLength ? 0 : start % alignmentOf(byteLength));
    this.moved.set(stretch, place);
    return place;
  }

  /** Takes a new tensor; returns the fields of its TensorProto that say where it lies. */
  add(data: StreamedBytes): Uint8Array {
    const { file, offset } = this.put(data);
    return this.fieldsOf(file, offset, data.byteLength);
  }

  /** At `shift` past a multiple of its alignment. */
  private put(data: StreamedBytes, shift = 0): Place {
    const alignment = alignmentOf(data.byteLength);
    let offset = Math.ceil(this.size / alignment) * alignment + shift;
    if (this.pieces.length === 0 || (this.size > 0 && offset + data.byteLength > MAX_FILE)) {
      this.pieces.push([]);
      this.size = 0;
      offset = shift;
    }
    const file = this.pieces[this.pieces.length - 1];
    if (offset > this.size) file.push(new Uint8Array(offset - this.size));
    file.push(data);
    this.size = offset + data.byteLength;
    return { file: this.pieces.length - 1, offset };
  }

  private fieldsOf(file: number, offset: number, length: number): Uint8Array {
    return fields([
      ["location", this.nameOf(file)],
      ["offset", String(offset)],
      ["length", String(length)],
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
