// Codes of a trellis in the graph, and the numbers that their windows stand for. Of each row
//
//   v = bytes of its codes, as numbers, times a matrix     for each component: its code and what stands before it, as one number
//   w = floor(v) mod 2^windowBits                          the last windowBits bits of that
//   tables[w]
//
// The matrix has three powers of two in each column: of the byte in which a code ends and of the two before it, cyclically. The sums
// hold 24 bits at most and are exact in f32, in any order. It is made as the model loads, from the bits of each component, and so are
// whole tables, once for all layers whose bands are alike.
import type { CodeBand, TrellisBits, WindowBits } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { halfTable } from "../kinds/code-parts.js";
import { DataType, helperPrefix, type Attribute, type Builder } from "./builder.js";
import { componentBits, nextBytes } from "./transform-layout.js";

type Bands = readonly Pick<CodeBand, "bits" | "cols">[];
type Vector = Uint8Array | Int32Array | Float32Array | Int8Array;

export class TrellisWindows {
  /** Of the bands: tables halved, in f16. */
  readonly tables: readonly string[];
  private readonly key: string;

  constructor(
    private readonly builder: Builder,
    private readonly windowBits: WindowBits,
    readonly bands: Bands,
  ) {
    this.key = `${windowBits} ${bands.map(({ bits, cols }) => `${bits}:${cols}`).join()}`;
    this.tables = bands.map(({ bits }) => this.table(bits));
  }

  /**
   * What the windows in these rows of bytes stand for: f32.
   * @param base begins the names of nodes
   */
  values(codes: string, base: string): string {
    const { builder, windowBits, bands } = this;
    const node = (
      opType: string,
      inputs: readonly string[],
      name: string,
      attributes?: Readonly<Record<string, Attribute>>,
    ) => builder.node(opType, inputs, { name: `${base}/${name}`, attributes });
    const bytes = node("Cast", [codes], "f32", { to: DataType.f32 });
    const shifted = node("MatMul", [bytes, this.shifts()], "shifted");
    const whole = node("Cast", [shifted], "int32", { to: DataType.int32 });
    const window = node("Mod", [whole, this.number(2 ** windowBits, "int32")], "window");
    const place = bands.length > 1 ? node("Add", [window, this.offset()], "place") : window;
    return node("Gather", [this.whole(), place], "values");
  }

  /** Bits of each component, summed up to it and with it, less one: the place of its code's last bit. */
  private last(): string {
    return this.once("last", () => {
      const [{ bits, cols }, ...more] = this.bands;
      if (more.length === 0) return this.range(bits - 1, bits * cols, bits);
      const ends = this.node("CumSum", [this.bits(), this.number(0, "int32")], "ends");
      return this.node("Sub", [ends, this.number(1, "int32")], "last");
    });
  }

  private bits(): string {
    return this.once("bits", () => this.cast(this.vector("bits", "uint8", componentBits(this)), "int32"));
  }

  /** Of each component: where the table of its bits begins. */
  private offset(): string {
    const { bands, windowBits } = this;
    return this.once("offset", () => {
      const offsets = new Int32Array(9);
      bands.forEach((band, b) => (offsets[band.bits] = b * 2 ** windowBits));
      return this.node("Gather", [this.vector("offsets", "int32", offsets), this.bits()], "offset");
    });
  }

  /** [bytes, components] */
  private shifts(): string {
    return this.once("shifts", () => {
      const next = nextBytes(this);
      const eight = this.number(8, "int32");
      const byte = this.node("Div", [this.last(), eight], "byte");
      const units = Float32Array.from({ length: 8 }, (_, bit) => 2 ** (bit - 7));
      const bit = this.node("Mod", [this.last(), eight], "bit");
      // What a byte counts for, for the last bit of a code to count 1.
      const unit = this.node("Gather", [this.common("units", units), bit], "unit");
      const zeroOne = this.common("zero_one", Float32Array.of(0, 1));
      const ends = this.node("OneHot", [byte, this.number(next.length, "int32"), zeroOne], "ends", { axis: 0 });
      const own = this.node("Mul", [ends, unit], "own");
      // A byte counts for codes that end in it and, 256 times as much, for what the next byte counts for.
      const following =
        this.bands.length > 1
          ? this.vector("next", "int32", next)
          : this.node("Mod", [this.range(1, next.length + 1, 1), this.number(next.length, "int32")], "next");
      const withNext = (matrix: string) => {
        const moved = this.node("Gather", [matrix, following], "next");
        return this.node("Add", [own, this.node("Mul", [moved, this.number(256, "f32")], "before")], "shifts");
      };
      return withNext(withNext(own));
    });
  }

  /** Whole tables of all bands, one behind the other. */
  private whole(): string {
    const { tables, builder } = this;
    const half = 2 ** (this.windowBits - 1);
    return builder.once(`tables ${this.windowBits} ${this.bands.map(({ bits }) => bits).join()}`, () => {
      const [first, ...more] = tables;
      const halves = more.length ? this.node("Concat", tables, "halves", { axis: 0 }) : first;
      const rows = this.node("Reshape", [this.cast(halves, "f32"), builder.vector([-1, half])], "rows");
      // A window that begins with 1 stands for what its complement does, with the other sign.
      const backwards = [-1, -1 - half, 1, -1].map((each) => builder.vector([each]));
      const mirrored = this.node("Neg", [this.node("Slice", [rows, ...backwards], "mirrored")], "negative");
      const both = this.node("Concat", [rows, mirrored], "tables", { axis: 1 });
      return this.node("Reshape", [both, builder.vector([-1])], "flat");
    });
  }

  /** Half of the table for codes of so many bits. */
  private table(bits: TrellisBits): string {
    const { windowBits } = this;
    return this.builder.shared(`trellis ${bits} ${windowBits}`, `trellis${bits}_${windowBits}`, () => ({
      ...{ dataType: DataType.f16, dims: [2 ** (windowBits - 1)], data: halfTable(bits, windowBits) },
    }));
  }

  /** Written once for all layers whose bands are alike. */
  private once(what: string, write: () => string): string {
    return this.builder.once(`${what} ${this.key}`, write);
  }

  /** From `first` up to below `limit`. */
  private range(first: number, limit: number, step: number): string {
    const numbers = [first, limit, step].map((value) => this.number(value, "int32"));
    return this.node("Range", numbers, "range");
  }

  private cast(value: string, to: keyof typeof DataType): string {
    return this.node("Cast", [value], to, { to: DataType[to] });
  }

  private node(
    opType: string,
    inputs: readonly string[],
    name: string,
    attributes?: Readonly<Record<string, Attribute>>,
  ): string {
    return this.builder.node(opType, inputs, { name: `${helperPrefix}${name}`, attributes });
  }

  private number(value: number, type: "f32" | "int32"): string {
    return this.builder.number(value, type);
  }

  private common(what: string, values: Float32Array): string {
    return this.builder.shared(what, what, () => ({
      dataType: DataType.f32,
      dims: [values.length],
      data: bytesOf(values),
    }));
  }

  private vector(what: string, type: keyof typeof DataType, values: Vector): string {
    return this.builder.shared(`${what} ${this.key}`, what, () => ({
      ...{ dataType: DataType[type], dims: [values.length], data: bytesOf(values) },
    }));
  }
}
