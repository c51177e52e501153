// A stored pair, A ~ left right, or left alone.
import { codedRows } from "../../codes.js";
import { matrixIn, storedBytes, type StoredMatrix, type StoredPair } from "../stored.js";
import type { StoredKind } from "./kind.js";
import { matrixFrom, partsOf, textOf, type MatrixText } from "./matrix-journal.js";
import { isPart, isRoomy, openPart, tensorsOfPart, unknownInPart, type PartDescription } from "./pair-description.js";

export interface PairDescription {
  left: PartDescription;
  /** Absent for a table in few bits of full rank. */
  right?: PartDescription;
}

interface PairText {
  left: MatrixText;
  right?: MatrixText;
}

export const pairKind: StoredKind<StoredPair, PairDescription, PairText> = {
  bytesOf: ({ left, right }) => storedBytes(left) + (right ? storedBytes(right) : 0),
  /** Right lies in 8 bits beside a left in few. */
  typeOf({ left, right }) {
    if (left.kind === "float") {
      const { dtype } = left.rows;
      return right === undefined || (right.kind === "float" && right.rows.dtype === dtype) ? dtype : undefined;
    }
    return right === undefined || (right.kind === "codes" && right.bits === 8) ? `int${left.bits}` : undefined;
  },
  async factors({ left, right }) {
    return { left: rowsOf(left), ...(right && { right: await matrixIn(right) }) };
  },

  fields: ["left", "right"],
  claims: (layer) => "left" in layer && layer.left !== null,
  isDescribed(layer): layer is PairDescription {
    const { left, right } = layer as { left?: unknown; right?: unknown };
    return isPart(left) && (right === undefined || isPart(right));
  },
  tensors: ({ left, right }) => [...tensorsOfPart(left), ...tensorsOfPart(right)],
  shared: () => [],
  unknownIn: ({ left, right }) => unknownInPart(left) ?? (right && unknownInPart(right)),
  faultIn({ left, right }, { rows, cols, rank }, shapeOf) {
    const isWhole =
      rank >= 1 && isRoomy(left, rows, rank, shapeOf) && (right ? isRoomy(right, rank, cols, shapeOf) : rank === cols);
    return isWhole ? undefined : `is ${rows} x ${cols} of rank ${rank}, which its factors are not`;
  },
  async open(model, { left, right }, { rows, cols, rank }) {
    const opened = await openPart(model, left, rows, rank);
    return { kind: "pair", left: opened, ...(right && { right: await openPart(model, right, rank, cols) }) };
  },

  async pack({ left, right }) {
    const parts = [...(await partsOf(left)), ...(right ? await partsOf(right) : [])];
    return { text: { left: textOf(left), ...(right && { right: textOf(right) }) }, parts };
  },
  async unpack({ left, right }, parts, name) {
    const first = await matrixFrom(left, parts, name);
    return { kind: "pair", left: first, ...(right && { right: await matrixFrom(right, parts, name) }) };
  },
};

export const rowsOf = (matrix: StoredMatrix) => (matrix.kind === "codes" ? codedRows(matrix) : matrix.rows);
