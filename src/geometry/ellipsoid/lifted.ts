// Rows (s, c o a_i - shift): with a coordinate that is s everywhere, an ellipsoid with a free centre becomes one about 0.
import { widenRows, type RowSource } from "../../matrix.js";

/**
 * Reads rows of `source` as f64, rows x (1 + cols). The shift is taken off before anything is squared: a cloud far from 0
 * keeps its digits.
 * @param scale cols powers of two
 * @param shift cols of them, in the scaled units
 */
export function lifted(source: RowSource, scale: Float64Array, shift: Float64Array, s: number): RowSource {
  const { rows, cols, name } = source;
  const p = cols + 1;
  let narrow = new Float64Array();
  let wide = new Float64Array();
  return {
    rows,
    cols: p,
    dtype: "f64",
    name,
    async read(start, count) {
      if (narrow.length < count * cols) {
        narrow = new Float64Array(count * cols);
        wide = new Float64Array(count * p);
      }
      await widenRows(source, start, count, narrow);
      for (let i = 0; i < count; ++i) {
        wide[i * p] = s;
        for (let j = 0; j < cols; ++j) wide[i * p + 1 + j] = narrow[i * cols + j] * scale[j] - shift[j];
      }
      return new Uint8Array(wide.buffer, 0, count * p * 8);
    },
  };
}
