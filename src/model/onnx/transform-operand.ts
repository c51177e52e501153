// A layer in transform codes in the graph, by operators of ai.onnx that every opset from 11 on has: each row is
//
//   values(windows) scale right + centre                   and what is stored of exact rows on top
//
// The right factor is made as the model loads. Rows are gathered first, as bytes, and unpacked after (trellis-windows.ts). What that costs:
// docs/compress.md.
import type { RowType } from "../../matrix.js";
import type { TransformCode } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import type { TransformDescription } from "../kinds/transform-description.js";
import { DataType, helperPrefix, type Attribute, type Builder } from "./builder.js";
import { operandOf, type MatrixOperand } from "./decode.js";
import { once } from "./once.js";
import type { PlacedValue } from "./operand.js";
import { codesSideBySide, nextBytes, stacked } from "./transform-layout.js";
import { TrellisWindows } from "./trellis-windows.js";

/** @param type what comes out */
export function transformOperand(
  builder: Builder,
  name: string,
  code: TransformCode,
  { type, opset }: { type: RowType; opset: number },
): PlacedValue {
  const { rows, cols } = code;
  const writer = new Writer(builder, name, code, opset);
  let whole: string | undefined;
  return {
    left: {
      ...{ rows, cols, transposed: false, needsRank: false },
      whole: () => (whole ??= writer.whole(type)),
      gather: (ids) => writer.gathered(ids, type),
    },
    description: { code: writer.description },
  };
}

type Attributes = Readonly<Record<string, Attribute>>;

/** Nodes of one layer, under short names: there are many of them.  */
class Writer {
  readonly description: TransformDescription["code"];
  /** Begins the names of nodes. */
  private readonly base: string;
  /** In f32. */
  private readonly rights: readonly MatrixOperand[];
  private readonly residual: MatrixOperand | undefined;
  private readonly windows: TrellisWindows;

  constructor(
    private readonly builder: Builder,
    name: string,
    private readonly code: TransformCode,
    private readonly opset: number,
  ) {
    const { rows, windowBits, bands, centre, scales, scaleLevels, exact } = code;
    this.base = builder.fresh(`${helperPrefix}code`);
    this.windows = new TrellisWindows(builder, windowBits, bands);
    const codes = bands.length
      ? builder.tensor(`${name}.codes`, DataType.uint8, [rows, nextBytes(code).length], {
          byteLength: bands.reduce((sum, band) => sum + band.codes.byteLength, 0),
          chunks: () => codesSideBySide(code),
        })
      : undefined;
    const rights = stacked(bands.map(({ right }) => right));
    this.rights = rights.map(({ matrix, unit }, i) => {
      const which = rights.length > 1 ? `right${i}` : "right";
      return operandOf(builder, `${name}.${which}`, matrix, "f32", { unit, as: `${this.base}/${which}` });
    });
    const [rest] = stacked(exact ? [exact.residual] : []);
    this.residual =
      exact &&
      operandOf(builder, `${name}.residual`, rest.matrix, "f32", { unit: rest.unit, as: `${this.base}/residual` });
    const floats = (as: string, data: Float32Array) =>
      builder.tensor(`${name}.${as}`, DataType.f32, [data.length], bytesOf(data));
    this.description = {
      windowBits,
      bands: bands.map(({ bits, cols }) => ({ bits, cols })),
      codes: codes === undefined ? [] : [codes],
      right: this.rights.map(({ rows: components, part }) => ({ components, part })),
      tables: this.windows.tables,
      centre: floats("centre", centre),
      scales: builder.tensor(`${name}.scales`, DataType.uint8, [rows, 1], scales),
      scaleLevels: floats("levels", scaleLevels),
      ...(exact && {
        exact: {
          rows: builder.tensor(`${name}.exact`, DataType.int32, [exact.rows.length], bytesOf(exact.rows)),
          residual: this.residual!.part,
        },
      }),
    };
  }

  /** Rows `ids`. */
  gathered(ids: string, type: RowType): string {
    const { description, code } = this;
    const rowsOf = (table: string) => this.node("Gather", [table, ids], "rows");
    const rows = this.decoded(description.codes.map(rowsOf), rowsOf(description.scales), false);
    return this.narrowed(code.exact ? this.node("Add", [rows, this.residualOf(ids)], "exact") : rows, type);
  }

  /** All rows. */
  whole(type: RowType): string {
    const { code, description } = this;
    const rows = this.decoded(description.codes, description.scales, true);
    if (!code.exact) return this.narrowed(rows, type);
    const exact = description.exact!.rows;
    const coded = this.node("Gather", [rows, exact], "coded");
    const added = this.node("Add", [coded, this.residuals()], "exact");
    const at = this.lastAxis("Unsqueeze", this.cast(exact, "int64"));
    return this.narrowed(this.node("ScatterND", [rows, at, added], "whole"), type);
  }

  private narrowed(value: string, type: RowType): string {
    return type === "f32" ? value : this.cast(value, type);
  }

  /** From codes and scales of some rows, in one dimension or more, to numbers; without what exact rows have on top. */
  private decoded(codes: readonly string[], scales: string, isMatrix: boolean): string {
    const { code, description } = this;
    const scale = this.node("Gather", [description.scaleLevels, this.cast(scales, "int32")], "scale");
    const hasZeros = code.scaleLevels[0] === 0 && code.scales.includes(0);
    // A row of scale 0 is 0, without the centre.
    const centre =
      hasZeros || codes.length === 0
        ? this.node("Mul", [this.node("Sign", [scale], "sign"), description.centre], "centre")
        : description.centre;
    if (codes.length === 0) return centre;
    const left = this.node("Mul", [this.windows.values(codes[0], this.base), scale], "left");
    // As a model loads, whatever is made of constants stays until all of it is: a product with a sum in it is one matrix less.
    if (isMatrix && !hasZeros) return this.node("Gemm", [left, this.right(), centre], "sum");
    return this.node("Add", [this.node("MatMul", [left, this.right()], "product"), centre], "sum");
  }

  /** [components, cols] */
  private readonly right = once(() => {
    const parts = this.rights.map((operand) => this.cut(operand));
    return parts.length > 1 ? this.node("Concat", parts, "right", { axis: 0 }) : parts[0];
  });

  /** [exact rows, cols] */
  private readonly residuals = once(() => this.cut(this.residual!));

  /** A whole matrix without the columns that are there to fill bytes. */
  private cut(operand: MatrixOperand): string {
    const whole = operand.whole();
    if (operand.cols === this.code.cols) return whole;
    const range = [0, this.code.cols, 1].map((each) => this.builder.vector([each]));
    return this.node("Slice", [whole, ...range], "columns");
  }

  /** [1 + exact rows, cols]: zeros first, for all other rows. */
  private readonly padded = once(() =>
    this.node("Pad", [this.residuals(), this.builder.vector([1, 0, 0, 0])], "padded"),
  );

  /** 1, 2, ..., exact rows, as a column. */
  private readonly ranks = once(() => {
    const range = [1, this.code.exact!.rows.length + 1, 1].map((each) => this.builder.number(each, "int32"));
    return this.lastAxis("Unsqueeze", this.cast(this.node("Range", range, "range"), "f32"));
  });

  /** What exact rows among `ids` have on top, zeros for others: each is looked for in their list. */
  private residualOf(ids: string): string {
    // Numbers from -rows on count from the end.
    const row = this.node("Mod", [this.cast(ids, "int32"), this.builder.number(this.code.rows, "int32")], "row");
    const isIt = this.node("Equal", [this.lastAxis("Unsqueeze", row), this.description.exact!.rows], "isIt");
    const rank = this.node("MatMul", [this.cast(isIt, "f32"), this.ranks()], "rank");
    return this.node("Gather", [this.padded(), this.lastAxis("Squeeze", this.cast(rank, "int32"))], "residual");
  }

  /** One more dimension at the end, of 1, or one less. */
  private lastAxis(opType: "Squeeze" | "Unsqueeze", value: string): string {
    if (this.opset < 13) return this.node(opType, [value], "column", { axes: [-1] });
    return this.node(opType, [value, this.builder.vector([-1])], "column");
  }

  private cast(value: string, to: keyof typeof DataType): string {
    return this.node("Cast", [value], to, { to: DataType[to] });
  }

  private node(opType: string, inputs: readonly string[], name: string, attributes?: Attributes): string {
    return this.builder.node(opType, inputs, { name: `${this.base}/${name}`, attributes });
  }
}
