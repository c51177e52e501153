// The fixed binary tree over block numbers, as a binary counter: slot l holds the sum of a finished subtree of 2^l blocks.
// The kernel does the same for Gram matrices (assembly/gram.ts); this serves the small partial results.

export class SumTree {
  private readonly slots: (Float64Array | undefined)[] = [];

  /** Adds the next block's partial result (copied). */
  add(partial: Float64Array): void {
    let sum: Float64Array = partial.slice();
    let level = 0;
    for (; this.slots[level]; ++level) {
      sum = addInto(sum, this.slots[level]!);
      this.slots[level] = undefined;
    }
    this.slots[level] = sum;
  }

  /** What slots still hold, from the last subtree to the first. */
  finish(): Float64Array {
    let sum: Float64Array | undefined;
    for (const slot of this.slots) {
      if (slot) sum = sum ? addInto(sum, slot) : slot;
    }
    return sum ?? new Float64Array();
  }
}

/** later = earlier + later, elementwise. */
function addInto(later: Float64Array, earlier: Float64Array): Float64Array {
  for (let i = 0; i < later.length; ++i) later[i] = earlier[i] + later[i];
  return later;
}

/** Elementwise maximum. */
export class Maximum {
  private top: Float64Array | undefined;

  add(partial: Float64Array): void {
    if (!this.top) this.top = partial.slice();
    else for (let i = 0; i < partial.length; ++i) if (partial[i] > this.top[i]) this.top[i] = partial[i];
  }

  finish(): Float64Array {
    return this.top ?? new Float64Array();
  }
}

/** The [value, row] pair with the largest value; blocks come in row order, so the lowest row of equals stays. */
export class Worst {
  private pair: Float64Array | undefined;

  add(partial: Float64Array): void {
    if (!this.pair || partial[0] > this.pair[0]) this.pair = partial.slice();
  }

  finish(): Float64Array {
    return this.pair ?? new Float64Array([-1, 0]);
  }
}
