// What calls find out about a matrix before they do what they were asked for: its profile, its spectrum, its ellipsoid. Calls on
// rows that are held open share it.
import type { RowWeights } from "../types/index.js";

/** Where drivers ask. */
export interface Cache {
  /**
   * What `compute` gives, computed once for each `key`, which names all that it depends on beside the rows and their weights.
   * Whoever gets it must not change it, but for the signs of vectors, which `orient` sets the same way every time.
   */
  once<T>(key: string, compute: () => Promise<T>): Promise<T>;
}

/** Of a matrix that no other call will be about: nothing is kept longer than it is used. */
export const noCache: Cache = { once: (_, compute) => compute() };

export class MatrixCache implements Cache {
  private readonly found = new Map<string, unknown>();
  private weights: RowWeights | undefined;

  /** For a call with these row weights: what was found with others is dropped. */
  with(weights: RowWeights | undefined): this {
    if (!areEqual(this.weights, weights)) {
      this.found.clear();
      // The caller's array may change later.
      this.weights = weights && Float64Array.from(weights);
    }
    return this;
  }

  async once<T>(key: string, compute: () => Promise<T>): Promise<T> {
    if (!this.found.has(key)) this.found.set(key, await compute());
    return this.found.get(key) as T;
  }
}

function areEqual(a: RowWeights | undefined, b: RowWeights | undefined): boolean {
  if (!a || !b || a.length !== b.length) return a === b;
  for (let i = 0; i < a.length; ++i) if (a[i] !== b[i]) return false;
  return true;
}
