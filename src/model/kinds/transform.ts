// A layer in transform codes.
import { transformBytes, transformRows } from "../../transform-codes.js";
import type { CodeBand, CodedMatrix, ExactRows, TransformCode, TrellisBits } from "../../types/index.js";
import { CodeParts } from "./code-parts.js";
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

/** The parts of one layer, read and looked at: shapes are right. */
class Opening {
  private readonly parts: CodeParts;

  constructor(
    private readonly model: Tensors,
    private readonly described: TransformDescription["code"],
    private readonly rows: number,
    private readonly cols: number,
  ) {
    this.parts = new CodeParts(model);
  }

  async code(): Promise<TransformCode> {
    const { described, rows, cols, parts } = this;
    const { windowBits, tables } = described;
    for (const [b, name] of tables.entries()) await parts.checkTable(name, described.bands[b].bits, windowBits);
    const bands = await this.bands();
    const centre = await parts.numbers(described.centre, cols);
    const scales = await parts.scales(described, rows);
    const exact = described.exact && (await this.exact(described.exact));
    const code: TransformCode = { kind: "transform", rows, cols, windowBits, centre, bands, ...scales };
    return exact ? { ...code, exact } : code;
  }

  private async bands(): Promise<CodeBand[]> {
    const { described, cols, rows } = this;
    const { bands } = described;
    const tensors: Uint8Array[] = [];
    for (const [i, [, bytes]] of codesOf(bands, described.codes.length).entries())
      tensors.push(await this.parts.bytes(described.codes[i], rows * bytes));
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
    const bytes = await this.parts.bytes(name);
    if (bytes.byteLength % 4 !== 0)
      throw this.parts.broken(name, `has ${bytes.byteLength} bytes, which are no numbers of rows`);
    const numbers = new Uint32Array(bytes.slice().buffer);
    const wrong = numbers.findIndex((row, i) => row >= this.rows || (i > 0 && row <= numbers[i - 1]));
    if (wrong >= 0)
      throw this.parts.broken(
        name,
        `has ${numbers[wrong]} as exact row ${wrong}; they ascend, and are below ${this.rows}`,
      );
    return {
      rows: numbers,
      residual: (await openPart(this.model, residual, numbers.length, this.cols)) as CodedMatrix,
    };
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
