// A random choice of rows of a stream: reservoir sampling (Vitter 1985, algorithm R), the same in every engine.
import type { Matrix } from "../../matrix.js";
import { bitsOf } from "../onnx/input-numbers.js";
import type { Rows } from "./rows.js";

export class Reservoir {
  private readonly bits: (i: number) => number;
  private data: Rows["data"] = new Float32Array(0);
  private kept = 0;
  private seen = 0;

  /** @param name makes the choice of rows its own */
  constructor(
    private readonly cols: number,
    private readonly most: number,
    name: string,
  ) {
    this.bits = bitsOf(0, name);
  }

  add({ data, rows }: Rows): void {
    const { cols } = this;
    this.reserve(Math.min(this.most, this.seen + rows), data instanceof Float64Array);
    for (let i = 0; i < rows; ++i, ++this.seen) {
      const fits = this.kept < this.most;
      const at = fits ? this.kept++ : Math.floor((this.bits(this.seen) / 2 ** 32) * (this.seen + 1));
      if (at < this.most) this.data.set(data.subarray(i * cols, (i + 1) * cols), at * cols);
    }
  }

  get rows(): Matrix {
    const { cols, kept } = this;
    return { data: this.data.subarray(0, kept * cols), rows: kept, cols };
  }

  /** Room for so many rows, by doubling. */
  private reserve(rows: number, wide: boolean): void {
    if (rows * this.cols <= this.data.length) return;
    const length = Math.min(this.most, Math.max(rows, (2 * this.data.length) / this.cols)) * this.cols;
    const grown = wide ? new Float64Array(length) : new Float32Array(length);
    grown.set(this.data);
    this.data = grown;
  }
}
