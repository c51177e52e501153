// A layer in transform codes as tensors of a safetensors file, which docs/compress.md tells how to read.
import type { SafetensorsDtype, SafetensorsInput } from "../../formats/index.js";
import type { CodedMatrix, TransformCode } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { bytesOfRow, type TransformDescription } from "../kinds/transform-description.js";
import { halfTable } from "../kinds/code-parts.js";
import type { StoredLayer } from "../stored.js";
import { codedPart, type PlacedTensors } from "./pair-tensors.js";

/** Codes never lie transposed: of a transpose rows are the tensor's columns. */
export function transformTensors(
  { name }: StoredLayer,
  code: TransformCode,
): PlacedTensors & { description: TransformDescription } {
  const { rows, cols, windowBits, bands, centre, scales, scaleLevels, exact } = code;
  const tensors: SafetensorsInput[] = [];
  const tensor = (as: string, dtype: SafetensorsDtype, shape: number[], bytes: Uint8Array) => {
    tensors.push({ name: as, dtype, shape, byteLength: bytes.byteLength, chunks: () => [bytes] });
    return as;
  };
  const matrix = (as: string, coded: CodedMatrix) => {
    const { part, tensors: own } = codedPart(as, coded);
    tensors.push(...own);
    return part;
  };
  const right = bands.map((band, b) => ({
    components: band.cols,
    part: matrix(`${name}.band${b}.right`, band.right),
  }));
  const codes = bands.map((band, b) => tensor(`${name}.band${b}.codes`, "U8", [rows, bytesOfRow(band)], band.codes));
  const described: TransformDescription["code"] = {
    windowBits,
    bands: bands.map(({ bits, cols: components }) => ({ bits, cols: components })),
    ...{ codes, right, tables: bands.map(({ bits }) => tableName(bits, windowBits)) },
    centre: tensor(`${name}.centre`, "F32", [cols], bytesOf(centre)),
    scales: tensor(`${name}.scales`, "U8", [rows], scales),
    scaleLevels: tensor(`${name}.levels`, "F32", [scaleLevels.length], bytesOf(scaleLevels)),
    ...(exact && {
      exact: {
        rows: tensor(`${name}.exact`, "I32", [exact.rows.length], bytesOf(exact.rows)),
        residual: matrix(`${name}.residual`, exact.residual),
      },
    }),
  };
  const tables = new Map(
    bands.map(({ bits }): [string, SafetensorsInput] => {
      const bytes = halfTable(bits, windowBits);
      const table = tableName(bits, windowBits);
      return [table, { name: table, dtype: "F16", shape: [bytes.byteLength / 2], byteLength: bytes.byteLength, chunks: () => [bytes] }]; // prettier-ignore
    }),
  );
  return { description: { code: described }, tensors, shared: tables };
}

const tableName = (bits: number, windowBits: number) => `loewner.trellis${bits}_${windowBits}`;
