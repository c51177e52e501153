// A stored matrix in a journal: a text, and its bytes in parts.
import type { ByteSource } from "../../formats/index.js";
import { type RowSource, rowTypeBytes } from "../../matrix.js";
import type { CodedMatrix } from "../../types/index.js";
import type { FloatMatrix, StoredMatrix } from "../stored.js";
import type { JournalPart } from "./kind.js";

/** Larger floating-point factors are read from the journal when their turn comes, not before. */
export const memoryBytes = 64 << 20;

type FloatText = Pick<RowSource, "rows" | "cols" | "dtype">;
export type CodesText = Pick<CodedMatrix, "kind" | "rows" | "cols" | "paddedCols" | "bits" | "block"> & {
  planes: Omit<CodedMatrix["planes"][number], "bytes">[];
};
export type MatrixText = FloatText | CodesText;

export function textOf(matrix: StoredMatrix): MatrixText {
  if (matrix.kind === "codes") return textOfCodes(matrix);
  const { rows, cols, dtype } = matrix.rows;
  return { rows, cols, dtype };
}

export function textOfCodes({ kind, rows, cols, paddedCols, bits, block, planes }: CodedMatrix): CodesText {
  const widths = planes.map(({ bits: width, bytesPerRow }) => ({ bits: width, bytesPerRow }));
  return { kind, rows, cols, paddedCols, bits, block, planes: widths };
}

export async function partsOf(matrix: StoredMatrix): Promise<JournalPart[]> {
  if (matrix.kind === "codes") return partsOfCodes(matrix);
  return [matrix.source ?? (await matrix.rows.read(0, matrix.rows.rows))];
}

export function partsOfCodes({ planes, scales, levels }: CodedMatrix): Uint8Array[] {
  return [...planes.map(({ bytes }) => bytes), bytesOf(scales), bytesOf(levels)];
}

export function matrixFrom(text: MatrixText, parts: Iterator<ByteSource>, name: string): Promise<StoredMatrix> {
  return "kind" in text ? codesFrom(text, parts) : floatFrom(text, name, parts);
}

async function floatFrom(text: FloatText, name: string, parts: Iterator<ByteSource>): Promise<FloatMatrix> {
  const source = parts.next().value as ByteSource;
  const whole = source.size <= memoryBytes ? await source.slice(0, source.size) : undefined;
  const rowBytes = text.cols * rowTypeBytes[text.dtype];
  const read = (start: number, count: number) => {
    const [first, end] = [start * rowBytes, (start + count) * rowBytes];
    return whole ? whole.subarray(first, end) : source.slice(first, end);
  };
  return { kind: "float", rows: { ...text, name, read }, ...(!whole && { source }) };
}

export async function codesFrom(text: CodesText, parts: Iterator<ByteSource>): Promise<CodedMatrix> {
  const planes: CodedMatrix["planes"][number][] = [];
  for (const plane of text.planes) planes.push({ ...plane, bytes: await nextBytes(parts) });
  const scales = new Uint16Array((await nextBytes(parts)).buffer);
  const levels = new Float32Array((await nextBytes(parts)).buffer);
  return { ...text, planes, scales, levels };
}

/** In a buffer of its own: numbers need their alignment. */
export async function nextBytes(parts: Iterator<ByteSource>): Promise<Uint8Array<ArrayBuffer>> {
  const part = parts.next().value as ByteSource;
  return (await part.slice(0, part.size)).slice();
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
