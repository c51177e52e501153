// The nodes that turn a stored matrix back into numbers inside the graph. Patterns, and what they cost in onnxruntime, were
// measured: codes are gathered first and unpacked after, so that a table in few bits stays so in memory.
import { encodeNumbers } from "../../formats/index.js";
import type { RowType } from "../../matrix.js";
import type { CodedMatrix } from "../../types/index.js";
import { describeCodes, type PartDescription } from "../kinds/pair-description.js";
import { rowChunks, storedBytes, type FloatMatrix, type StoredMatrix } from "../stored.js";
import { transposedRows } from "../../formats/transposed-rows.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { DataType, helperPrefix, type Builder } from "./builder.js";
import type { Operand } from "./operand.js";

/** One whose description is that of its tensors. */
export interface MatrixOperand extends Operand {
  /** Under which names it is stored. */
  readonly part: PartDescription;
}

interface Layout {
  /** It lies transposed. */
  transposed?: boolean;
  /** Rows that are stored, with zeros at the end. */
  paddedRows?: number;
  /** Below 8 bits: levels are so many times those of the table that is looked up, which more than one matrix may share. */
  unit?: number;
  /** Begins the names of what is computed of it, in place of its own. */
  as?: string;
}

/** @param type the layer's: what whole() and gather() give */
export function operandOf(
  builder: Builder,
  name: string,
  matrix: StoredMatrix,
  type: RowType,
  layout: Layout = {},
): MatrixOperand {
  return matrix.kind === "float"
    ? floatOperand(builder, name, matrix, type, layout.transposed ?? false)
    : codedOperand(builder, name, matrix, type, layout);
}

function floatOperand(
  builder: Builder,
  name: string,
  { rows: source }: FloatMatrix,
  type: RowType,
  transposed: boolean,
): MatrixOperand {
  const { rows, cols, dtype } = source;
  const byteLength = storedBytes({ kind: "float", rows: source });
  const written = transposed ? transposedRows(source) : source;
  const tensor = builder.tensor(name, DataType[dtype], [written.rows, written.cols], {
    byteLength,
    chunks: () => rowChunks(written),
  });
  const cast = (value: string, as: string) =>
    dtype === type ? value : builder.node("Cast", [value], { name: as, attributes: { to: DataType[type] } });
  let whole: string | undefined;
  return {
    ...{ rows, cols, transposed, part: transposed ? { tensor, transposed } : tensor },
    whole: () => (whole ??= cast(tensor, `${name}/numbers`)),
    needsRank: false,
    gather: (indices, _sizes, as) =>
      cast(builder.node("Gather", [tensor, indices], { name: `${as}/rows` }), `${as}/cast`),
  };
}

function codedOperand(
  builder: Builder,
  name: string,
  coded: CodedMatrix,
  type: RowType,
  { paddedRows: rows = coded.rows, unit = 1, as: base = `${name}/numbers` }: Layout,
): MatrixOperand {
  const { bits, paddedCols: cols, block } = coded;
  const blocks = cols / block;
  // Codes of 8 bits stand for themselves times a step; of fewer, levels are looked up.
  const step = bits === 8 ? coded.levels[129] : unit;
  const looked = unit === 1 ? coded : { ...coded, levels: coded.levels.map((level) => level / unit) };
  const padded = (bytes: Uint8Array, rowBytes: number) => {
    if (rows === coded.rows) return bytes;
    const all = new Uint8Array(rows * rowBytes); // rows past the end have scale 0
    all.set(bytes);
    return all;
  };
  const planes = coded.planes.map(({ bits: width, bytesPerRow, bytes }) =>
    builder.tensor(
      coded.planes.length > 1 ? `${name}.codes${width}` : `${name}.codes`,
      bits === 8 ? DataType.int8 : DataType.uint8,
      [rows, bytesPerRow],
      padded(bytes, bytesPerRow),
    ),
  );
  const scaleBytes = new Uint8Array(coded.scales.buffer, coded.scales.byteOffset, coded.scales.byteLength);
  const scaleShape = blocks === 1 ? [rows, 1] : [rows, blocks, 1];
  const scales = builder.tensor(`${name}.scales`, DataType.f16, scaleShape, padded(scaleBytes, 2 * blocks));

  // Scales and steps of two may lie far outside the range of halves whose product does not.
  const wide = type === "f64" ? "f64" : "f32";

  /** From codes and scales of some rows to numbers; `lead` is how many dimensions come before the columns, copied by Reshape. */
  const unpack = (codes: string[], scale: string, lead: number, as: string): string => {
    const front = new Array<number>(lead).fill(0);
    const shaped = (value: string, last: number[]) =>
      builder.node("Reshape", [value, builder.vector([...front, ...last])], { name: `${as}/shaped` });
    const values = unpackCodes(builder, looked, codes, wide, as, shaped);
    let factor = builder.node("Cast", [scale], { name: `${as}/scale`, attributes: { to: DataType[wide] } });
    if (step !== 1) factor = builder.node("Mul", [factor, stepOf(builder, step, wide)], { name: `${as}/step` });
    const product = (entries: string) => builder.node("Mul", [entries, factor], { name: `${as}/values` });
    const scaled = blocks === 1 ? product(values) : shaped(product(shaped(values, [blocks, block])), [cols]);
    if (type === wide) return scaled;
    return builder.node("Cast", [scaled], { name: `${as}/narrowed`, attributes: { to: DataType[type] } });
  };
  let whole: string | undefined;
  return {
    ...{ rows, cols, transposed: false, part: describeCodes(coded, planes, scales) },
    whole: () => (whole ??= unpack(planes, scales, 1, base)),
    needsRank: true,
    gather(indices, sizes, as) {
      const rowsOf = (table: string) => builder.node("Gather", [table, indices], { name: `${as}/rows` });
      return unpack(planes.map(rowsOf), rowsOf(scales), sizes!.length, as);
    },
  };
}

/** The difference of two levels, as a number of `type`. */
export function stepOf(builder: Builder, step: number, type: RowType): string {
  const data = encodeNumbers(Float32Array.of(step), type);
  return builder.shared(`step ${type} ${step}`, "step", () => ({ dataType: DataType[type], dims: [], data }));
}

/** Values of codes before scaling, in shape front x paddedCols. */
function unpackCodes(
  builder: Builder,
  { bits, levels, paddedCols }: CodedMatrix,
  codes: readonly string[],
  type: RowType,
  as: string,
  shaped: (value: string, last: number[]) => string,
): string {
  const to = DataType[type];
  if (bits === 8) return builder.node("Cast", codes, { name: `${as}/codes`, attributes: { to } });
  const look = (plane: string, table: string) => {
    const index = builder.node("Cast", [plane], { name: `${as}/codes`, attributes: { to: DataType.int32 } });
    return builder.node("Gather", [table, index], { name: `${as}/looked` });
  };
  if (bits !== 3) {
    // A byte looks up all the values it holds.
    const table = levelTable(builder, bits, levels, type);
    return shaped(look(codes[0], table), [paddedCols]);
  }
  const upper = shaped(look(codes[0], bitTable(builder, 2, 2)), [paddedCols]);
  const lower = shaped(look(codes[1], bitTable(builder, 1, 1)), [paddedCols]);
  const code = builder.node("Add", [upper, lower], { name: `${as}/code` });
  const values = builder.shared(`levels3 ${type} ${levels.join()}`, "levels3", () => ({
    ...{ dataType: to, dims: [levels.length], data: encodeNumbers(levels, type) },
  }));
  return builder.node("Gather", [values, code], { name: `${as}/levels` });
}

/** [256, 8 / bits]: the values that a byte stands for, the lowest bits first. */
function levelTable(builder: Builder, bits: number, levels: Float32Array, type: RowType): string {
  const key = `levels${bits} ${type} ${levels.join()}`;
  return builder.once(`${key} of bytes`, () => {
    const values = builder.shared(key, `levels${bits}`, () => ({
      ...{ dataType: DataType[type], dims: [levels.length], data: encodeNumbers(levels, type) },
    }));
    return builder.node("Gather", [values, bitTable(builder, bits, 1)], { name: `${helperPrefix}levels` });
  });
}

/** [256, 8 / bits] of int32: the fields of a byte, times `unit`. Made as the model loads: it is larger than many a layer. */
function bitTable(builder: Builder, bits: number, unit: number): string {
  const each = 8 / bits;
  const node = (opType: string, inputs: string[]) => builder.node(opType, inputs, { name: `${helperPrefix}bits` });
  const number = (value: number) => builder.number(value, "int32");
  return builder.once(`bits${bits} ${unit}`, () => {
    const bytes = builder.once("bytes", () =>
      node("Reshape", [node("Range", [number(0), number(256), number(1)]), builder.vector([256, 1])]),
    );
    const powers = builder.shared(`powers${bits}`, `powers${bits}`, () => ({
      ...{ dataType: DataType.int32, dims: [each] },
      data: bytesOf(Int32Array.from({ length: each }, (_, place) => 2 ** (bits * place))),
    }));
    const fields = node("Mod", [node("Div", [bytes, powers]), number(2 ** bits)]);
    return unit === 1 ? fields : node("Mul", [fields, number(unit)]);
  });
}
