// One vector a text, kept in f32 and of length 1.
import type { Answer } from "./task.js";

export class Vectors {
  private data = new Float32Array(0);
  private cols = 0;

  constructor(readonly count: number) {}

  /** A vector of zeros stays one. */
  set(at: number, { data, cols }: Answer): void {
    if (this.cols === 0) {
      this.cols = cols;
      this.data = new Float32Array(this.count * cols);
    }
    let square = 0;
    for (let j = 0; j < cols; ++j) square += data[j] * data[j];
    const length = Math.sqrt(square) || 1;
    for (let j = 0; j < cols; ++j) this.data[at * cols + j] = data[j] / length;
  }

  row(at: number): Float32Array {
    return this.data.subarray(at * this.cols, (at + 1) * this.cols);
  }
}

/** Of vectors of length 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  for (let j = 0; j < a.length; ++j) dot += a[j] * b[j];
  return dot;
}
