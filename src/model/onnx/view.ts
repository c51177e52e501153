// A weight as something reads it: which of its dimensions run over the rows of its matrix, and which over the columns.
import { matrixShape } from "../matrix-shape.js";

interface Dim {
  readonly size: number;
  /** 0: rows of the weight's matrix, 1: its columns. Of a dimension of 1 nothing follows. */
  readonly axis: 0 | 1;
  /** Those of one axis make it in this order. NaN: indices are missing. */
  readonly place: number;
}

/** Dimensions of one axis that are read together. */
export interface Part {
  readonly axis: 0 | 1;
  /** They are all of the axis, in its order. */
  readonly isWhole: boolean;
}

export class View {
  private constructor(private readonly list: readonly Dim[]) {}

  /** @param transposed the tensor holds the weight's transpose */
  static of(dims: readonly number[], transposed: boolean): View {
    const [rows] = matrixShape(dims);
    let count = 1;
    const list = dims.map((size, place): Dim => {
      const isRow = count < rows;
      count *= size;
      return { size, axis: isRow === transposed ? 1 : 0, place };
    });
    return new View(list);
  }

  get dims(): readonly number[] {
    return this.list.map(({ size }) => size);
  }

  transposed(order: readonly number[]): View | undefined {
    const { list } = this;
    const isOrder =
      order.length === list.length && new Set(order).size === list.length && order.every((at) => list[at]);
    return isOrder ? new View(order.map((at) => list[at])) : undefined;
  }

  /** The same numbers in other dimensions; undefined where one of these would hold some of rows and of columns. -1 and 0 as in Reshape. */
  reshaped(asked: readonly number[]): View | undefined {
    const { dims } = this;
    const product = (list: readonly number[]) => list.reduce((a, b) => a * b, 1);
    const known = asked.map((size, at) => (size === 0 ? (dims[at] ?? 0) : size));
    const open = known.indexOf(-1);
    if (open >= 0) known[open] = product(dims) / product(known.filter((_, at) => at !== open));
    if (product(known) !== product(dims) || !known.every((size) => Number.isSafeInteger(size) && size >= 1))
      return undefined;
    const left = this.list.filter(({ size }) => size > 1);
    const made: Dim[] = [];
    let rest = 1;
    let at = 0;
    for (const [i, size] of known.entries()) {
      if (size === 1) {
        made.push({ size, axis: 0, place: 0 });
        continue;
      }
      // What is left of the dimension before, then whole ones, as many as it takes; the last may be split.
      const { axis, place } = left[rest > 1 ? at - 1 : at];
      while (rest < size && left[at]?.axis === axis && (rest === 1 || left[at].place > left[at - 1].place))
        rest *= left[at++].size;
      if (rest % size !== 0) return undefined;
      rest /= size;
      // Parts of one dimension come in their order.
      made.push({ size, axis, place: place + i / 1024 });
    }
    return new View(made);
  }

  /** Without dimensions of 1: those that are named, or all. */
  squeezed(axes: readonly number[] | undefined): View | undefined {
    const { list } = this;
    const gone = new Set(axes?.map((axis) => (axis < 0 ? axis + list.length : axis)));
    const isGone = ({ size }: Dim, at: number) => (axes ? gone.has(at) : size === 1);
    return list.some((dim, at) => isGone(dim, at) && dim.size !== 1)
      ? undefined
      : new View(list.filter((dim, at) => !isGone(dim, at)));
  }

  unsqueezed(axes: readonly number[]): View | undefined {
    const rank = this.list.length + axes.length;
    const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
    if (added.size !== axes.length || [...added].some((axis) => axis < 0 || axis >= rank)) return undefined;
    const old = this.list.values();
    return new View(
      Array.from({ length: rank }, (_, at): Dim =>
        added.has(at) ? { size: 1, axis: 0, place: 0 } : old.next().value!,
      ),
    );
  }

  /** With another size of a dimension, of which some indices are left. */
  cut(axis: number, size: number): View | undefined {
    const at = axis < 0 ? axis + this.list.length : axis;
    if (!this.list[at]) return undefined;
    return size === this.list[at].size
      ? this
      : new View(this.list.map((dim, i) => (i === at ? { ...dim, size, place: NaN } : dim)));
  }

  /** Without a dimension, of which one index is taken. */
  without(axis: number): View | undefined {
    const at = axis < 0 ? axis + this.list.length : axis;
    return this.list[at] && new View(this.list.filter((_, i) => i !== at));
  }

  /** It is the weight's matrix as it is (false), or its transpose (true); undefined for anything else. */
  orientation(matrix: readonly [number, number]): boolean | undefined {
    if (this.list.length !== 2) return undefined;
    const [first, second] = [0, 1].map((axis) => this.part([axis], matrix));
    return first?.isWhole && second?.isWhole ? first.axis === 1 : undefined;
  }

  /** What dimensions hold that are read together, in that order; undefined where that is some of rows and of columns, or nothing. */
  part(axes: readonly number[], matrix: readonly [number, number]): Part | undefined {
    const { list } = this;
    const read = axes.map((axis) => list[axis < 0 ? axis + list.length : axis]);
    const wide = read.filter((dim) => dim !== undefined && dim.size > 1);
    const [first] = wide;
    if (first === undefined || wide.some(({ axis }) => axis !== first.axis)) return undefined;
    const { axis } = first;
    const isInOrder = wide.every(({ place }, i) => i === 0 || place > wide[i - 1].place);
    const size = wide.reduce((product, dim) => product * dim.size, 1);
    return { axis, isWhole: isInOrder && size === matrix[axis] && !wide.some(({ place }) => Number.isNaN(place)) };
  }
}
