// What is known of one way to store a layer, beside how it is made and how each format writes it.
import type { ByteSource } from "../../formats/index.js";
import type { Matrix, RowSource } from "../../matrix.js";
import type { StoredType, StoredValue } from "../stored.js";

/** A ~ left right, as both decode; left alone where there is no right. */
export interface Factors {
  readonly left: RowSource;
  readonly right?: Matrix;
}

/** Sizes that a description gives of a layer. */
export interface Sizes {
  readonly rows: number;
  readonly cols: number;
  readonly rank: number;
}

/** Where a description's tensors are found: a model. */
export interface Tensors {
  readonly name: string;
  rows(name: string): RowSource;
  bytes(name: string): Promise<Uint8Array>;
}

export type ShapeOf = (tensor: string) => readonly number[] | undefined;

/** What a journal keeps bytes as. */
export type JournalPart = Uint8Array | ByteSource;

/**
 * @typeParam Value what is stored
 * @typeParam Described the fields of a layer's description that say where it lies
 * @typeParam Text plain data
 */
export interface StoredKind<Value extends StoredValue, Described extends object, Text> {
  /** Of all that is stored. */
  bytesOf(value: Value): number;
  /** As a description names it; undefined for one that compress does not make. */
  typeOf(value: Value): StoredType | undefined;
  /** For whatever measures or proves. */
  factors(value: Value): Promise<Factors>;

  /** Keys of `Described`. */
  readonly fields: readonly string[];
  /** Whether a description is of this kind, whole or not. */
  claims(layer: object): boolean;
  /** Whether it is whole. */
  isDescribed(layer: object): layer is Described;
  /** Names of the tensors that hold it, and nothing else. */
  tensors(described: Described): string[];
  /** Names of tensors that other layers are read by as well. */
  shared(described: Described): string[];
  /** The first field, at any depth, that it has no place for. */
  unknownIn(described: Described): string | undefined;
  /** Whether tensors of these shapes hold a layer of these sizes. The tensors are there. Text: what is not so. */
  faultIn(described: Described, sizes: Sizes, shapeOf: ShapeOf): string | undefined;
  /** @throws {InvalidFormatError} when tensors hold something else, which their shapes do not tell */
  open(model: Tensors, described: Described, sizes: Sizes): Promise<Value>;

  /** For the journal: every bit of it. */
  pack(value: Value): Promise<{ text: Text; parts: JournalPart[] }>;
  unpack(text: Text, parts: Iterator<ByteSource>, name: string): Promise<Value>;
}

/** The first of an object's fields that is not among `fields`. */
export const unknownIn = (of: object, fields: readonly string[]) =>
  Object.keys(of).find((key) => !fields.includes(key));
