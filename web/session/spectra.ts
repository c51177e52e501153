// Singular values, computed once a layer, and what they predict.
import type { Loewner, MatrixLike, RowSource, SingularValuesOptions } from "loewner";

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
          return (a: RowSource, options?: SingularValuesOptions) =>
            options?.rowWeights ? inner.singularValues(a, options) : this.of(a.name ?? "", a, options);
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** The first min(rows, cols): a wide layer's Gram matrix has more eigenvalues, which are rounding. */
  get({ name = "", rows, cols }: RowSource, centred = false): Float64Array | undefined {
    return this.known.get(keyOf(name, centred))?.subarray(0, Math.min(rows, cols));
  }

  /** Of whoever asks first the signal counts; when that one is stopped, the next of those who wait for it takes its place. */
  async of(name: string, source: MatrixLike, options: SingularValuesOptions = {}): Promise<Float64Array> {
    const key = keyOf(name, options.centred);
    const { signal } = options;
    for (;;) {
      const known = this.known.get(key);
      if (known) return known;
      const running = this.running.get(key);
      if (!running) return this.compute(key, source, options);
      try {
        return await untilStopped(running, signal);
      } catch (error) {
        if ((error as { code?: string }).code !== "ABORTED" || signal?.aborted) throw error;
      }
    }
  }

  private compute(key: string, source: MatrixLike, options: SingularValuesOptions): Promise<Float64Array> {
    const running = this.inner.singularValues(source, options).then((values) => {
      this.known.set(key, values);
      return values;
    });
    this.running.set(key, running);
    const forget = () => void this.running.delete(key);
    running.then(forget, forget);
    return running;
  }
}

/** What another computes, as long as nobody stops whoever waits for it. */
function untilStopped<T>(running: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return running;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop);
    const done = () => signal.removeEventListener("abort", stop);
    running.then(resolve, reject).finally(done);
  });
}

const keyOf = (name: string, centred = false) => (centred ? `centred rows of ${name}` : name);

export const squareOf = (values: Float64Array) => values.reduce((sum, x) => sum + x * x, 0);
