// A stored layer A ~ left right in the graph, or left alone, as matrices to compute with.
import type { RowType } from "../../matrix.js";
import type { StoredLayer } from "../stored.js";
import { DataType, type Builder } from "./builder.js";
import type { Operand, PlacedValue } from "./operand.js";

/** One of the matrices that a product is made with. */
export interface Step {
  readonly operand: Operand;
  /** It is multiplied by the transpose of what lies there. */
  readonly transposed: boolean;
}

export class PlacedLayer {
  readonly left: Operand;
  readonly right: Operand | undefined;
  private readonly made = new Map<string, string>();

  constructor(
    private readonly builder: Builder,
    readonly layer: StoredLayer,
    { left, right }: PlacedValue,
    /** Of what operands give. */
    readonly type: RowType,
  ) {
    this.left = left;
    this.right = right;
  }

  /** Of left and right (or of left alone) as whole matrices: the one that is multiplied first, then the other, for a product with A or A'. */
  steps(side: "left" | "right", transposed: boolean): Step[] {
    const { left, right } = this;
    const list = right ? [left, right] : [left];
    // x A = (x L) R; x A' = (x R') L'; A x = L (R x); A' x = R' (L' x).
    if ((side === "right") === transposed) list.reverse();
    return list.map((operand) => ({ operand, transposed: transposed !== operand.transposed }));
  }

  /** The whole of an operand, as it lies. Of the one that has A's columns in few bits, those that are there to fill bytes are cut off. */
  exact(operand: Operand, type: RowType = this.type): string {
    const { layer } = this;
    const which = operand === this.right ? "right" : "left";
    const isLast = operand === (this.right ?? this.left);
    const whole =
      isLast && operand.cols > layer.cols ? this.once(`${which} cut`, () => this.cut(operand)) : operand.whole();
    if (type === this.type) return whole;
    return this.once(`${which} ${type}`, () => this.cast(whole, type));
  }

  /** The first columns of a value, as many as A has. */
  firstColumns(value: string, to: { name: string; output?: string }): string {
    const { builder, layer } = this;
    const [start, end, axis] = [0, layer.cols, -1].map((number) => builder.vector([number]));
    return builder.node("Slice", [value, start, end, axis], to);
  }

  /** All of A, or of A'. */
  matrix(transposed: boolean, type: RowType): string {
    const name = `${this.layer.name}/whole`;
    const turned = (value: string) => this.builder.node("Transpose", [value], { name, attributes: { perm: [1, 0] } });
    const whole = this.once("whole", () => {
      const [first, second] = this.steps("right", false).map(({ operand, transposed: lies }) => {
        const matrix = this.exact(operand);
        return lies ? turned(matrix) : matrix;
      });
      return second === undefined ? first : this.builder.node("MatMul", [first, second], { name });
    });
    const typed = type === this.type ? whole : this.once(`whole ${type}`, () => this.cast(whole, type));
    return transposed ? this.once(`turned ${type}`, () => turned(typed)) : typed;
  }

  private cut(operand: Operand): string {
    return this.firstColumns(operand.whole(), { name: `${this.layer.name}/columns` });
  }

  private cast(value: string, type: RowType): string {
    return this.builder.node("Cast", [value], {
      name: `${this.layer.name}/${type}`,
      attributes: { to: DataType[type] },
    });
  }

  private once(key: string, make: () => string): string {
    let value = this.made.get(key);
    if (value === undefined) this.made.set(key, (value = make()));
    return value;
  }
}
