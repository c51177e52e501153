// The fixed binary tree over block numbers, as a binary counter: slot l holds the sum of a finished subtree of 2^l blocks.
// The kernel does the same for Gram matrices (assembly/gram.ts); this serves the small partial results.

export class SumTree {
  private readonly slots: (Float64Array | undefined)[] = [];

  /** Adds the next block's partial result (copied). */
  add(partial: Float64Array): void {
    this.addSubtree(partial.slice(), 0);
  }

  /** Adds the sum of the next 2^level blocks, whose first number is a multiple of that. It is kept and changed. */
  addSubtree(sum: Float64Array, level: number): void {
    for (; this.slots[level]; ++level) {
      sum = addInto(sum, this.slots[level]!);
      this.slots[level] = undefined;
    }
    this.slots[level] = sum;
  }

  /** What slots still hold, from the last subtree to the first. `last`: the sum of the blocks after them, if any; it is changed. */
  finish(last?: Float64Array): Float64Array {
    let sum = last;
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

/** The [value, row] pairs with the largest values; blocks come in row order, so the lowest row of equals stays. */
export class Worst {
  private pairs: Float64Array | undefined;

  add(partial: Float64Array): void {
    if (!this.pairs) this.pairs = partial.slice();
    for (let i = 0; i < partial.length; i += 2) {
      if (partial[i] > this.pairs[i]) this.pairs.set(partial.subarray(i, i + 2), i);
    }
  }

  finish(): Float64Array {
    return this.pairs ?? new Float64Array([-1, 0]);
  }
}
