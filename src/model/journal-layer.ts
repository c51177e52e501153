// A finished layer as text and bytes, and back: every bit of what is written into the output, and what is reported.
import type { ByteSource } from "../formats/index.js";
import { type RowSource, rowTypeBytes } from "../matrix.js";
import type { CodedMatrix } from "../types/index.js";
import { infinityAsText, textAsInfinity } from "./json.js";
import type { FloatMatrix, StoredLayer, StoredMatrix } from "./stored.js";

/** Larger floating-point factors are read from the journal when their turn comes, not before. */
export const memoryBytes = 64 << 20;

type FloatText = Pick<RowSource, "rows" | "cols" | "dtype">;
type CodesText = Pick<CodedMatrix, "kind" | "rows" | "cols" | "paddedCols" | "bits" | "block"> & {
  planes: Omit<CodedMatrix["planes"][number], "bytes">[];
};
type MatrixText = FloatText | CodesText;
/** Without the name, which may be any text, "Infinity" too. */
type LayerText = Omit<StoredLayer, "name" | "left" | "right"> & {
  name?: undefined;
  left: MatrixText;
  right?: MatrixText;
};

export type JournalPart = Uint8Array | ByteSource;

export async function packLayer(layer: StoredLayer): Promise<{ text: string; parts: JournalPart[] }> {
  const { left, right, ...rest } = layer;
  const parts = [...(await partsOf(left)), ...(right ? await partsOf(right) : [])];
  const text: LayerText = { ...rest, name: undefined, left: textOf(left), ...(right && { right: textOf(right) }) };
  return { text: JSON.stringify(text, infinityAsText), parts };
}

export async function unpackLayer(name: string, text: string, parts: readonly ByteSource[]): Promise<StoredLayer> {
  const { left, right, ...rest } = JSON.parse(text, textAsInfinity) as LayerText;
  const inOrder = parts.values();
  const matrix = (of: MatrixText) => ("kind" in of ? codesOf(of, inOrder) : floatOf(of, name, inOrder));
  return { ...rest, name, left: await matrix(left), ...(right && { right: await matrix(right) }) };
}

function textOf(matrix: StoredMatrix): MatrixText {
  if (matrix.kind === "float") {
    const { rows, cols, dtype } = matrix.rows;
    return { rows, cols, dtype };
  }
  const { kind, rows, cols, paddedCols, bits, block, planes } = matrix;
  const widths = planes.map(({ bits: width, bytesPerRow }) => ({ bits: width, bytesPerRow }));
  return { kind, rows, cols, paddedCols, bits, block, planes: widths };
}

async function partsOf(matrix: StoredMatrix): Promise<JournalPart[]> {
  if (matrix.kind === "float") return [matrix.source ?? (await matrix.rows.read(0, matrix.rows.rows))];
  const { planes, scales, levels } = matrix;
  return [...planes.map(({ bytes }) => bytes), bytesOf(scales), bytesOf(levels)];
}

async function floatOf(text: FloatText, name: string, parts: Iterator<ByteSource>): Promise<FloatMatrix> {
  const source = parts.next().value as ByteSource;
  const whole = source.size <= memoryBytes ? await source.slice(0, source.size) : undefined;
  const rowBytes = text.cols * rowTypeBytes[text.dtype];
  const read = (start: number, count: number) => {
    const [first, end] = [start * rowBytes, (start + count) * rowBytes];
    return whole ? whole.subarray(first, end) : source.slice(first, end);
  };
  return { kind: "float", rows: { ...text, name, read }, ...(!whole && { source }) };
}

async function codesOf(text: CodesText, parts: Iterator<ByteSource>): Promise<CodedMatrix> {
  const next = async () => {
    const part = parts.next().value as ByteSource;
    return (await part.slice(0, part.size)).slice(); // in a buffer of its own: numbers need their alignment
  };
  const planes: CodedMatrix["planes"][number][] = [];
  for (const plane of text.planes) planes.push({ ...plane, bytes: await next() });
  const scales = new Uint16Array((await next()).buffer);
  const levels = new Float32Array((await next()).buffer);
  return { ...text, planes, scales, levels };
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
