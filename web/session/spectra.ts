// Singular values, computed once a layer, and what they predict.
import type { Loewner, MatrixLike, RowSource, WeightedOptions } from "loewner";

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
          return (a: RowSource, options?: WeightedOptions) => this.of(a.name ?? "", a, options);
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

export const squareOf = (values: Float64Array) => values.reduce((sum, x) => sum + x * x, 0);
