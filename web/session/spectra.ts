// Singular values, computed once a layer, and what they predict.
import { quantisationError, type Loewner, type MatrixLike, type RowSource, type WeightedOptions } from "loewner";
import { tailsOf } from "loewner/model/choices.js";
import { bitsOf, type Target } from "loewner/model/fit.js";
import { blockOf } from "loewner/model/sizes.js";

/** A library instance that remembers spectra by the name of their rows; all else it passes on. */
export class Spectra {
  private readonly known = new Map<string, Float64Array>();
  private readonly running = new Map<string, Promise<Float64Array>>();
  /** For the planner, which asks for spectra as it needs them. */
  readonly loewner: Loewner;

  constructor(private readonly inner: Loewner) {
    this.loewner = new Proxy(inner, {
      get: (target, key) => {
        if (key === "singularValues")
          return (a: RowSource, options?: WeightedOptions) => this.of(nameOf(a, options), a, options);
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** The first min(rows, cols): a wide layer's Gram matrix has more eigenvalues, which are rounding. */
  get({ name = "", rows, cols }: RowSource): Float64Array | undefined {
    return this.known.get(name)?.subarray(0, Math.min(rows, cols));
  }

  /** Of whoever asks first the signal counts; one that was stopped is asked for again by the next. */
  of(name: string, source: MatrixLike, options: WeightedOptions = {}): Promise<Float64Array> {
    const known = this.known.get(name);
    if (known) return Promise.resolve(known);
    let running = this.running.get(name);
    if (!running) {
      running = this.inner.singularValues(source, options).then((values) => {
        this.known.set(name, values);
        return values;
      });
      this.running.set(name, running);
      const forget = () => void this.running.delete(name);
      running.then(forget, forget);
    }
    return running;
  }
}

/** Relative squared error of a layer that is stored like this: what the rank loses, and what few bits lose of the rest. */
export function squaredError(values: Float64Array, { rank, type, dense }: Target): number {
  const bits = bitsOf(type);
  if (dense) return bits ? quantisationError(bits, blockOf(dense)) : 0;
  const tail = tailsOf(values)[rank];
  return tail + (1 - tail) * (bits ? quantisationError(bits, rank) : 0);
}

export const squareOf = (values: Float64Array) => values.reduce((sum, x) => sum + x * x, 0);
