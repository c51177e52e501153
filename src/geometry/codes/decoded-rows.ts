// Rows in transform codes as a product that the kernel computes: [values, 1] times [right; centre], and what exact rows have on top.
import { decodeRows } from "../../codes.js";
import { isRowSource, type Matrix, type MatrixLike, type RowSource } from "../../matrix.js";
import { codeBehind, TransformDecoder } from "../../transform-codes.js";

export interface RowFactors {
  left: RowSource;
  right: Matrix;
  /** What is left to add to rows start ... of the product. */
  complete(start: number, product: Float32Array | Float64Array): void;
}

/** Of a pair whose left factor is `transformRows` and whose right one is the identity; undefined of any other. */
export function rowFactors(left: MatrixLike, right: Matrix): RowFactors | undefined {
  const code = codeBehind(left);
  if (!code || !isRowSource(left) || !isIdentity(right)) return undefined;
  const { rows, cols, centre, exact, scales, scaleLevels } = code;
  const decoder = new TransformDecoder(code);
  const inner = decoder.components + 1;
  const data = new Float64Array(inner * cols);
  data.set(decoder.right);
  data.set(centre, (inner - 1) * cols);
  const exactAt = new Map(Array.from(exact?.rows ?? [], (row, at) => [row, at]));
  return {
    right: { data, rows: inner, cols },
    left: {
      ...{ rows, cols: inner, dtype: "f32", name: left.name },
      read(start, count) {
        const values = decoder.left(start, count);
        const all = new Float32Array(count * inner);
        for (let i = 0; i < count; ++i) {
          all.set(values.subarray(i * (inner - 1), (i + 1) * (inner - 1)), i * inner);
          all[(i + 1) * inner - 1] = scaleLevels[scales[start + i]] === 0 ? 0 : 1;
        }
        return new Uint8Array(all.buffer);
      },
    },
    complete(start, product) {
      for (let i = 0; i < product.length / cols; ++i) {
        const at = exactAt.get(start + i);
        if (at !== undefined) decodeRows(exact!.residual, at, 1).forEach((x, j) => (product[i * cols + j] += x));
      }
    },
  };
}

function isIdentity({ data, rows, cols }: Matrix): boolean {
  return rows === cols && data.every((x: number, at: number) => x === (at % (cols + 1) === 0 ? 1 : 0));
}
