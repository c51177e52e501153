// A layer in transform codes.
import { trellisTable } from "../../code-trellis.js";
import { InvalidFormatError } from "../../errors.js";
import { f32ToF16 } from "../../formats/index.js";
import { quote } from "../../formats/json.js";
import { transformBytes, transformRows } from "../../transform-codes.js";
import type { CodeBand, CodedMatrix, ExactRows, TransformCode, TrellisBits, WindowBits } from "../../types/index.js";
import type { StoredKind, Tensors } from "./kind.js";
import { bytesOf, codesFrom, nextBytes, partsOfCodes, textOfCodes, type CodesText } from "./matrix-journal.js";
import { openPart } from "./pair-description.js";
import {
  bytesOfRow,
  codesOf,
  endsOf,
  faultInTransform,
  isTransform,
  ownTensors,
  unknownInTransform,
  type TransformDescription,
} from "./transform-description.js";

interface TransformText {
  code: Pick<TransformCode, "rows" | "cols" | "windowBits"> & {
    bands: { bits: TrellisBits; cols: number; right: CodesText }[];
    exact?: CodesText;
  };
}

export const transformKind: StoredKind<TransformCode, TransformDescription, TransformText> = {
  bytesOf: transformBytes,
  typeOf: () => "transform",
  factors: (code) => Promise.resolve({ left: transformRows(code) }),

  fields: ["code"],
  claims: (layer) => "code" in layer,
  isDescribed: isTransform,
  tensors: ({ code }) => ownTensors(code),
  shared: ({ code }) => [...code.tables],
  unknownIn: ({ code }) => unknownInTransform(code),
  faultIn: ({ code }, sizes, shapeOf) => faultInTransform(code, sizes, shapeOf),
  open: (model, { code }, { rows, cols }) => new Opening(model, code, rows, cols).code(),

  pack({ rows, cols, windowBits, bands, centre, scales, scaleLevels, exact }) {
    const text: TransformText = {
      code: {
        ...{ rows, cols, windowBits },
        bands: bands.map(({ bits, cols: width, right }) => ({ bits, cols: width, right: textOfCodes(right) })),
        ...(exact && { exact: textOfCodes(exact.residual) }),
      },
    };
    const parts = [
      ...bands.flatMap(({ codes, right }) => [codes, ...partsOfCodes(right)]),
      ...[bytesOf(centre), scales, bytesOf(scaleLevels)],
      ...(exact ? [bytesOf(exact.rows), ...partsOfCodes(exact.residual)] : []),
    ];
    return Promise.resolve({ text, parts });
  },
  async unpack({ code: { bands: texts, exact, ...sizes } }, parts) {
    const bands: CodeBand[] = [];
    for (const { right, ...band } of texts)
      bands.push({ ...band, codes: await nextBytes(parts), right: await codesFrom(right, parts) });
    const centre = new Float32Array((await nextBytes(parts)).buffer);
    const scales = await nextBytes(parts);
    const scaleLevels = new Float32Array((await nextBytes(parts)).buffer);
    const code: TransformCode = { kind: "transform", ...sizes, centre, bands, scales, scaleLevels };
    if (!exact) return code;
    const rows = new Uint32Array((await nextBytes(parts)).buffer);
    return { ...code, exact: { rows, residual: await codesFrom(exact, parts) } };
  },
};

/** Values of the windows that begin with 0: the first half of a table, which the other mirrors with its sign changed. */
export function halfTable(bits: TrellisBits, windowBits: WindowBits): Uint8Array {
  return bytesOf(f32ToF16(trellisTable(bits, windowBits).subarray(0, 2 ** (windowBits - 1))));
}

/** The parts of one layer, read and looked at: shapes are right. */
class Opening {
  constructor(
    private readonly model: Tensors,
    private readonly described: TransformDescription["code"],
    private readonly rows: number,
    private readonly cols: number,
  ) {}

  async code(): Promise<TransformCode> {
    const { described, rows, cols } = this;
    const { windowBits } = described;
    await this.checkTables();
    const bands = await this.bands();
    const centre = await this.numbers(described.centre, cols);
    const wild = centre.findIndex((x) => !Number.isFinite(x));
    if (wild >= 0) throw this.broken(described.centre, `has ${centre[wild]} in column ${wild}`);
    const scaleLevels = await this.numbers(described.scaleLevels);
    const unordered = scaleLevels.findIndex((x, i) => !(x < Infinity && x >= (i ? scaleLevels[i - 1] : 0)));
    if (unordered >= 0)
      throw this.broken(
        described.scaleLevels,
        `has ${scaleLevels[unordered]} as level ${unordered}; they ascend, from 0 at least`,
      );
    const scales = await this.bytes(described.scales, rows);
    const beyond = scales.findIndex((level) => level >= scaleLevels.length);
    if (beyond >= 0)
      throw this.broken(
        described.scales,
        `gives row ${beyond} the level ${scales[beyond]}; there are ${scaleLevels.length}`,
      );
    const exact = described.exact && (await this.exact(described.exact));
    const code: TransformCode = { kind: "transform", rows, cols, windowBits, centre, bands, scales, scaleLevels };
    return exact ? { ...code, exact } : code;
  }

  /** What a graph looks up is what everything else decodes by. */
  private async checkTables(): Promise<void> {
    const { bands, tables, windowBits } = this.described;
    for (const [b, name] of tables.entries()) {
      const wanted = halfTable(bands[b].bits, windowBits);
      const found = await this.bytes(name, wanted.byteLength);
      if (found.some((byte, i) => byte !== wanted[i]))
        throw this.broken(name, `is not the table of ${bands[b].bits} bits in windows of ${windowBits}`);
    }
  }

  private async bands(): Promise<CodeBand[]> {
    const { described, cols, rows } = this;
    const { bands } = described;
    const tensors: Uint8Array[] = [];
    for (const [i, [, bytes]] of codesOf(bands, described.codes.length).entries())
      tensors.push(await this.bytes(described.codes[i], rows * bytes));
    const right: CodedMatrix[] = [];
    const widths = bands.map((band) => band.cols);
    for (const { components, part } of described.right) {
      const whole = (await openPart(this.model, part, components, cols)) as CodedMatrix;
      const rest = widths.slice(right.length);
      right.push(...rowsApart(whole, rest.slice(0, 1 + endsOf(rest).indexOf(components))));
    }
    const codes = tensors.length === bands.length ? tensors : bandsApart(tensors[0], bands.map(bytesOfRow), rows);
    return bands.map((band, b) => ({ ...band, codes: codes[b], right: right[b] }));
  }

  private async exact({
    rows: name,
    residual,
  }: NonNullable<TransformDescription["code"]["exact"]>): Promise<ExactRows> {
    const bytes = await this.bytes(name);
    if (bytes.byteLength % 4 !== 0)
      throw this.broken(name, `has ${bytes.byteLength} bytes, which are no numbers of rows`);
    const numbers = new Uint32Array(bytes.slice().buffer);
    const wrong = numbers.findIndex((row, i) => row >= this.rows || (i > 0 && row <= numbers[i - 1]));
    if (wrong >= 0)
      throw this.broken(name, `has ${numbers[wrong]} as exact row ${wrong}; they ascend, and are below ${this.rows}`);
    return {
      rows: numbers,
      residual: (await openPart(this.model, residual, numbers.length, this.cols)) as CodedMatrix,
    };
  }

  /** f32 */
  private async numbers(name: string, count?: number): Promise<Float32Array> {
    const bytes = await this.bytes(name, count === undefined ? undefined : 4 * count);
    if (bytes.byteLength % 4 !== 0) throw this.broken(name, `has ${bytes.byteLength} bytes, which are no f32`);
    return new Float32Array(bytes.slice().buffer);
  }

  private async bytes(name: string, count?: number): Promise<Uint8Array> {
    const bytes = await this.model.bytes(name);
    if (count !== undefined && bytes.byteLength !== count)
      throw this.broken(name, `has ${bytes.byteLength} bytes, not ${count}`);
    return bytes;
  }

  private broken(tensor: string, what: string): InvalidFormatError {
    const file = this.model.name;
    return new InvalidFormatError(
      `${file}: tensor ${quote(tensor)} ${what}; the file was damaged, or not written by loewner.`,
      { file, tensor },
    );
  }
}

/** Codes of bands that lie side by side in rows. */
function bandsApart(all: Uint8Array, widths: readonly number[], rows: number): Uint8Array[] {
  const whole = widths.reduce((sum, width) => sum + width, 0);
  let first = 0;
  return widths.map((width) => {
    const codes = new Uint8Array(rows * width);
    for (let i = 0; i < rows; ++i) codes.set(all.subarray(i * whole + first, i * whole + first + width), i * width);
    first += width;
    return codes;
  });
}

/** A coded matrix as several, below each other; they share its bytes. */
function rowsApart(coded: CodedMatrix, counts: readonly number[]): CodedMatrix[] {
  const blocks = coded.paddedCols / coded.block;
  let first = 0;
  return counts.map((rows) => {
    const [from, to] = [first, (first += rows)];
    return {
      ...coded,
      rows,
      planes: coded.planes.map((plane) => ({
        ...plane,
        bytes: plane.bytes.subarray(from * plane.bytesPerRow, to * plane.bytesPerRow),
      })),
      scales: coded.scales.subarray(from * blocks, to * blocks),
    };
  });
}
