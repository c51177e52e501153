// How far the outputs of two models are apart, summed up over as many runs as there are.
import { f16ToF32 } from "../../formats/index.js";
import type { RuntimeTensor } from "./runtime.js";

/** One output of both models. The measures are absent where there are no finite numbers to compare, or the shapes differ. */
export interface ComparedOutput {
  readonly name: string;
  /** As onnxruntime names it: float32, int64, ... */
  readonly dtype: string;
  /** Numbers compared, over all runs. */
  readonly elements: number;
  /** <a, b> / (|a| |b|) over all finite elements; 1 where both are zero. */
  readonly cosine?: number;
  /** max |a - b| */
  readonly maxDifference?: number;
  /** |a - b|_2 / |a|_2 */
  readonly relativeDifference?: number;
  /** Floats whose last axis has more than one element: share of the vectors along it whose largest element is at the same place. */
  readonly top1Agreement?: number;
  /** How many vectors these were. */
  readonly top1Vectors?: number;
  /** Share of the elements that are the same. */
  readonly equal: number;
  /** Elements that are NaN or infinite and were not so, or not with that sign, in the original. */
  readonly newNonFinite: number;
  /** Set when a run gave the two models outputs of different shapes: the first of them. */
  readonly shapes?: { readonly original: readonly number[]; readonly compressed: readonly number[] };
}

type Values = ArrayLike<number>;

export class OutputDifference {
  private dtype = "";
  private elements = 0;
  private numeric = true;
  private equal = 0;
  private finite = 0;
  private newNonFinite = 0;
  private dot = 0;
  private squareA = 0;
  private squareB = 0;
  private squareDifference = 0;
  private maxDifference = 0;
  private vectors = 0;
  private sameTop = 0;
  private shapes: ComparedOutput["shapes"];

  constructor(private readonly name: string) {}

  /** Adds one run's output of the original, `a`, and of the compressed model. */
  add(a: RuntimeTensor, b: RuntimeTensor): void {
    this.dtype ||= a.type;
    if (a.dims.length !== b.dims.length || a.dims.some((n, i) => n !== b.dims[i])) {
      this.shapes ??= { original: [...a.dims], compressed: [...b.dims] };
      return;
    }
    if (a.type === "string") return this.addStrings(a.data as string[], b.data as string[]);
    const [x, y] = [numbers(a), numbers(b)];
    this.addNumbers(x, y);
    const width = a.dims[a.dims.length - 1] ?? 1;
    if (a.type.startsWith("float") && width > 1) this.addTop(x, y, width);
  }

  result(): ComparedOutput {
    const { name, dtype, elements, newNonFinite, shapes, squareA, squareB } = this;
    const base = { name, dtype, elements, equal: elements ? this.equal / elements : 1, newNonFinite };
    if (shapes) return { ...base, shapes };
    // NaN throughout has no cosine.
    if (!this.numeric || (this.finite === 0 && this.equal < elements)) return base;
    const difference = Math.sqrt(this.squareDifference);
    return {
      ...base,
      cosine:
        squareA && squareB ? clamp(this.dot / Math.sqrt(squareA) / Math.sqrt(squareB)) : Number(squareA === squareB),
      maxDifference: this.maxDifference,
      relativeDifference: difference === 0 ? 0 : difference / Math.sqrt(squareA),
      ...(this.vectors ? { top1Agreement: this.sameTop / this.vectors, top1Vectors: this.vectors } : {}),
    };
  }

  private addStrings(a: readonly string[], b: readonly string[]): void {
    this.numeric = false;
    this.elements += a.length;
    this.equal += a.filter((text, i) => text === b[i]).length;
  }

  private addNumbers(a: Values, b: Values): void {
    for (let i = 0; i < a.length; ++i) {
      const [x, y] = [a[i], b[i]];
      if (Object.is(x, y) || x === y) this.equal++;
      else if (!Number.isFinite(y)) this.newNonFinite++;
      // Masked scores are infinite in both, which is no difference.
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      this.finite++;
      const difference = Math.abs(x - y);
      this.dot += x * y;
      this.squareA += x * x;
      this.squareB += y * y;
      this.squareDifference += difference * difference;
      if (difference > this.maxDifference) this.maxDifference = difference;
    }
    this.elements += a.length;
  }

  private addTop(a: Values, b: Values, width: number): void {
    for (let start = 0; start < a.length; start += width) {
      this.vectors++;
      if (top(a, start, width) === top(b, start, width)) this.sameTop++;
    }
  }
}

/** Rounding takes the cosine of equal vectors just past 1. */
const clamp = (cosine: number) => Math.max(-1, Math.min(1, cosine));

/** Place of the largest element, the first of equals; NaN is never the largest. */
function top(a: Values, start: number, width: number): number {
  let best = start;
  for (let i = start + 1; i < start + width; ++i) if (a[i] > a[best] || Number.isNaN(a[best])) best = i;
  return best;
}

/** 64-bit integers beyond 2^53 lose their last bits. */
function numbers({ type, data }: RuntimeTensor): Values {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  // Engines that have Float16Array hand out one of those.
  return type === "float16" && data instanceof Uint16Array ? f16ToF32(data) : (data as Values);
}
