// A layer in transform codes in the graph, by operators of ai.onnx that every opset from 11 on has. Of each row
//
//   v = bytes of its codes, as numbers, times a matrix     for each component: its code, and what stands before it, as one number
//   w = v - floor(v), times 2^windowBits, rounded down     the last windowBits bits of it
//   tables[w] scale right + centre                         and what is stored of exact rows on top
//
// The matrix has three powers of two in each column: of the byte in which a code ends and of the two before it, cyclically. The sums
// hold 24 bits at most and are exact in f32, in any order. It is made as the model loads, from four short vectors, and so are whole
// tables and the right factor. Rows are gathered first, as bytes, and unpacked after. What that costs: docs/transform.md.
import { encodeNumbers } from "../../formats/index.js";
import type { RowType } from "../../matrix.js";
import type { TransformCode } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import type { TransformDescription } from "../kinds/transform-description.js";
import { halfTable } from "../kinds/transform.js";
import { DataType, type Attribute, type Builder } from "./builder.js";
import { operandOf, type MatrixOperand } from "./decode.js";
import type { PlacedValue } from "./operand.js";
import { codesSideBySide, layoutOf, stacked, type WindowLayout } from "./transform-layout.js";

/** @param type what comes out */
export function transformOperand(
  builder: Builder,
  name: string,
  code: TransformCode,
  { type, opset }: { type: RowType; opset: number },
): PlacedValue {
  const { rows, cols } = code;
  const writer = new Writer(builder, name, code, opset);
  const narrowed = (value: string, as: string) => (type === "f32" ? value : writer.cast(value, type, `${as}/narrowed`));
  let whole: string | undefined;
  return {
    left: {
      ...{ rows, cols, transposed: false, needsRank: false },
      whole: () => (whole ??= narrowed(writer.whole(), `${name}/numbers`)),
      gather: (indices, _sizes, as) => narrowed(writer.gathered(indices, as), as),
    },
    description: { code: writer.description },
  };
}

/** Nodes of one layer; what they share is written once, before the first that needs it. */
class Writer {
  readonly description: TransformDescription["code"];
  private readonly layout: WindowLayout;
  /** In f32. */
  private readonly rights: readonly MatrixOperand[];
  private readonly residual: MatrixOperand | undefined;
  private readonly made = new Map<string, string>();

  constructor(
    private readonly builder: Builder,
    private readonly name: string,
    private readonly code: TransformCode,
    private readonly opset: number,
  ) {
    const { rows, windowBits, bands, centre, scales, scaleLevels, exact } = code;
    this.layout = layoutOf(bands, windowBits);
    const codes = bands.length
      ? builder.tensor(`${name}.codes`, DataType.uint8, [rows, this.layout.bytes], {
          byteLength: bands.reduce((sum, band) => sum + band.codes.byteLength, 0),
          chunks: () => codesSideBySide(code),
        })
      : undefined;
    const rights = stacked(bands.map(({ right }) => right));
    this.rights = rights.map(({ matrix, unit }, i) =>
      operandOf(builder, rights.length > 1 ? `${name}.right${i}` : `${name}.right`, matrix, "f32", { unit }),
    );
    const [rest] = stacked(exact ? [exact.residual] : []);
    this.residual = exact && operandOf(builder, `${name}.residual`, rest.matrix, "f32", { unit: rest.unit });
    const floats = (as: string, data: Float32Array) =>
      builder.tensor(`${name}.${as}`, DataType.f32, [data.length], bytesOf(data));
    this.description = {
      windowBits,
      bands: bands.map(({ bits, cols }) => ({ bits, cols })),
      codes: codes === undefined ? [] : [codes],
      right: this.rights.map(({ rows: components, part }) => ({ components, part })),
      tables: bands.map(({ bits }) => this.table(bits)),
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

  /** Rows `ids`, in f32. */
  gathered(ids: string, as: string): string {
    const { description, code } = this;
    const rowsOf = (table: string) => this.node("Gather", [table, ids], `${as}/rows`);
    const rows = this.decoded(description.codes.map(rowsOf), rowsOf(description.scales), as);
    return code.exact ? this.node("Add", [rows, this.exactPart(ids, as)], `${as}/exact`) : rows;
  }

  /** All rows, in f32. */
  whole(): string {
    const { code, description } = this;
    const as = `${this.name}/numbers`;
    const rows = this.decoded(description.codes, description.scales, as);
    if (!code.exact) return rows;
    const exact = description.exact!.rows;
    const one = this.node("Gather", [rows, exact], `${as}/coded`);
    const whole = this.node("Add", [one, this.residuals()], `${as}/exact`);
    const at = this.column(this.cast(exact, "int64", `${as}/at`), `${as}/at`);
    return this.node("ScatterND", [rows, at, whole], `${as}/whole`);
  }

  /** From codes and scales of some rows to numbers; without what exact rows have on top. */
  private decoded(codes: readonly string[], scales: string, as: string): string {
    const { code, description } = this;
    const level = this.cast(scales, "int32", `${as}/level`);
    const scale = this.node("Gather", [description.scaleLevels, level], `${as}/scale`);
    const hasZeros = code.scaleLevels[0] === 0 && code.scales.includes(0);
    if (codes.length === 0) return this.node("Mul", [this.sign(scale, as), description.centre], `${as}/centre`);
    const left = this.node("Mul", [this.values(codes[0], as), scale], `${as}/left`);
    const product = this.node("MatMul", [left, this.right()], `${as}/product`);
    // A row of scale 0 is 0.
    const centre = hasZeros
      ? this.node("Mul", [this.sign(scale, as), description.centre], `${as}/centre`)
      : description.centre;
    return this.node("Add", [product, centre], `${as}/centred`);
  }

  private sign(scale: string, as: string): string {
    return this.node("Sign", [scale], `${as}/sign`);
  }

  /** What the windows in these bytes stand for. */
  private values(codes: string, as: string): string {
    const { windowBits, bands } = this.code;
    const bytes = this.cast(codes, "f32", `${as}/bytes`);
    const shifted = this.node("MatMul", [bytes, this.shifts()], `${as}/shifted`);
    const before = this.node("Floor", [shifted], `${as}/before`);
    const fraction = this.node("Sub", [shifted, before], `${as}/fraction`);
    const window = this.node("Mul", [fraction, this.number(2 ** windowBits)], `${as}/window`);
    const { offset } = this.layout;
    const place = bands.length > 1 ? this.node("Add", [window, this.vector("offset", offset)], `${as}/place`) : window;
    const index = this.cast(place, "int32", `${as}/index`);
    return this.node("Gather", [this.tables(), index], `${as}/looked`);
  }

  /** [bytes, components] */
  private shifts(): string {
    return this.once("shifts", (as) => {
      const { byteOf, unit, next, bytes } = this.layout;
      const numbers = this.builder.shared(`numbers 0 1`, "zero_one", () => ({
        ...{ dataType: DataType.f32, dims: [2], data: bytesOf(Float32Array.of(0, 1)) },
      }));
      const depth = this.builder.shared(`depth ${bytes}`, `depth_${bytes}`, () => ({
        ...{ dataType: DataType.int32, dims: [], data: bytesOf(Int32Array.of(bytes)) },
      }));
      const ends = this.node("OneHot", [this.vector("bytes", byteOf), depth, numbers], `${as}/ends`, { axis: 0 });
      const own = this.node("Mul", [ends, this.vector("units", unit)], `${as}/own`);
      // A byte counts for codes that end in it and, 256 times as much, for what the next byte counts for.
      const withNext = (matrix: string) => {
        const moved = this.node("Gather", [matrix, this.vector("next", next)], `${as}/next`);
        return this.node("Add", [own, this.node("Mul", [moved, this.number(256)], `${as}/times`)], `${as}/sum`);
      };
      return withNext(withNext(own));
    });
  }

  /** Whole tables of all bands, one behind the other. */
  private tables(): string {
    return this.once("tables", (as) => {
      const { description, builder } = this;
      const half = 2 ** (this.code.windowBits - 1);
      const halves =
        description.tables.length > 1
          ? this.node("Concat", description.tables, `${as}/halves`, { axis: 0 })
          : description.tables[0];
      const rows = this.node("Reshape", [this.cast(halves, "f32", `${as}/wide`), builder.vector([-1, half])], `${as}/rows`); // prettier-ignore
      // A window that begins with 1 stands for what its complement does, with the other sign.
      const backwards = [-1, -1 - half, 1, -1].map((each) => builder.vector([each]));
      const mirrored = this.node("Neg", [this.node("Slice", [rows, ...backwards], `${as}/mirrored`)], `${as}/negative`);
      const whole = this.node("Concat", [rows, mirrored], `${as}/whole`, { axis: 1 });
      return this.node("Reshape", [whole, builder.vector([-1])], `${as}/flat`);
    });
  }

  /** Half of the table for codes of so many bits. */
  private table(bits: TransformCode["bands"][number]["bits"]): string {
    const { windowBits } = this.code;
    return this.builder.shared(`trellis ${bits} ${windowBits}`, `trellis${bits}_${windowBits}`, () => ({
      ...{ dataType: DataType.f16, dims: [2 ** (windowBits - 1)], data: halfTable(bits, windowBits) },
    }));
  }

  /** [components, cols] */
  private right(): string {
    return this.once("right", (as) => {
      const parts = this.rights.map((operand) => this.cut(operand, as));
      return parts.length > 1 ? this.node("Concat", parts, `${as}/all`, { axis: 0 }) : parts[0];
    });
  }

  /** [exact rows, cols] */
  private residuals(): string {
    return this.once("residual", (as) => this.cut(this.residual!, as));
  }

  /** A whole matrix without the columns that are there to fill bytes. */
  private cut(operand: MatrixOperand, as: string): string {
    const whole = operand.whole();
    if (operand.cols === this.code.cols) return whole;
    const range = [0, this.code.cols, 1].map((each) => this.builder.vector([each]));
    return this.node("Slice", [whole, ...range], `${as}/columns`);
  }

  /** What exact rows among `ids` have on top, zeros for others: each is looked for in their list. */
  private exactPart(ids: string, as: string): string {
    const { builder, code, description } = this;
    const below = this.once("residual0", (name) => {
      const pads = builder.vector([1, 0, 0, 0]);
      return this.node("Pad", [this.residuals(), pads], `${name}/padded`);
    });
    const numbers = this.once("ranks", (name) => {
      const range = [1, code.exact!.rows.length + 1, 1].map((each) => builder.scalar(each));
      return this.column(this.cast(this.node("Range", range, `${name}/range`), "f32", name), `${name}/column`);
    });
    const count = builder.shared(`int32 ${code.rows}`, `rows_${code.rows}`, () => ({
      ...{ dataType: DataType.int32, dims: [], data: bytesOf(Int32Array.of(code.rows)) },
    }));
    // Numbers from -rows on count from the end.
    const row = this.node("Mod", [this.cast(ids, "int32", `${as}/ids`), count], `${as}/row`);
    const isIt = this.node("Equal", [this.column(row, `${as}/column`), description.exact!.rows], `${as}/isIt`);
    const rank = this.node("MatMul", [this.cast(isIt, "f32", `${as}/hits`), numbers], `${as}/rank`);
    const found = this.lastAxis("Squeeze", this.cast(rank, "int32", `${as}/found`), `${as}/found`);
    return this.node("Gather", [below, found], `${as}/residual`);
  }

  /** One more dimension at the end, of 1. */
  private column(value: string, as: string): string {
    return this.lastAxis("Unsqueeze", value, as);
  }

  private lastAxis(opType: "Squeeze" | "Unsqueeze", value: string, as: string): string {
    if (this.opset < 13) return this.node(opType, [value], as, { axes: [-1] });
    return this.node(opType, [value, this.builder.vector([-1])], as);
  }

  cast(value: string, to: keyof typeof DataType, name: string): string {
    return this.node("Cast", [value], name, { to: DataType[to] });
  }

  private node(
    opType: string,
    inputs: readonly string[],
    name: string,
    attributes?: Readonly<Record<string, Attribute>>,
  ): string {
    return this.builder.node(opType, inputs, { name, attributes });
  }

  /** A number of f32. */
  private number(value: number): string {
    return this.builder.shared(`f32 ${value}`, `f32_${value}`, () => ({
      ...{ dataType: DataType.f32, dims: [], data: encodeNumbers(Float32Array.of(value), "f32") },
    }));
  }

  /** Written once for all layers whose bands are alike. */
  private vector(what: string, values: Int32Array | Float32Array): string {
    const { bands, windowBits } = this.code;
    const key = `${what} ${windowBits} ${bands.map(({ bits, cols }) => `${bits}:${cols}`).join()}`;
    const dataType = values instanceof Int32Array ? DataType.int32 : DataType.f32;
    return this.builder.shared(key, what, () => ({ dataType, dims: [values.length], data: bytesOf(values) }));
  }

  private once(what: string, make: (name: string) => string): string {
    let made = this.made.get(what);
    if (made === undefined) this.made.set(what, (made = make(`${this.name}/${what}`)));
    return made;
  }
}
