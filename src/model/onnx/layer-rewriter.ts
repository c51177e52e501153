// The graph with factors in place of a weight: A ~ L R (n x k times k x d), or, in few bits at full rank, L alone.
//
//   Gather(A, ids)      MatMul(Gather(L, ids), R)                    the few rows first
//   MatMul(x, A)        MatMul(MatMul(x, L), R)
//   MatMul(x, A')       MatMul(MatMul(x, R'), L'), both stored transposed; where L is gathered from too, so stored as it is:
//                       Gemm(Gemm(flat x, R, transB), L, transB), rows of x flattened to a matrix and put back after
//   MatMul(A, x)        MatMul(L, MatMul(R, x))
//   Gemm                two, the transposes on flags; alpha, beta and C go with the second
//
// With onnxruntime's own operators: MatMul(x, A') multiplies by transposes where they lie (FusedMatMul), and tables in few bits are
// read by operators that unpack them (fused.ts).
//
// With k < n d / (n + d) the factors always take less work than A, and this order less than any other.
import type { OnnxNode } from "../../formats/onnx/types.js";
import type { RowType } from "../../matrix.js";
import type { ValueDescription } from "../kinds/index.js";
import type { StoredLayer } from "../stored.js";
import { DataType, type Attribute, type Builder } from "./builder.js";
import type { Operand, PlacedValue, Surroundings } from "./operand.js";
import { pairOperands } from "./pair-operands.js";
import { transformOperand } from "./transform-operand.js";
import { trellisOperand } from "./trellis-operand.js";
import type { FoundWeight, Use } from "./uses.js";

/** Writes the nodes that take the place of those which read one weight. */
export class LayerRewriter {
  /** What is computed with. */
  private readonly type: RowType;
  /** The layer's own type is another one, bf16: rows can be gathered in it everywhere, but MatMul takes it almost nowhere. */
  private readonly widened: boolean;
  private readonly left: Operand;
  private readonly right: Operand | undefined;
  /** Where the layer lies. */
  readonly description: ValueDescription;
  /** Without its padding: the factor with A's columns. */
  private cut: string | undefined;

  constructor(
    private readonly builder: Builder,
    { tensor, uses }: FoundWeight,
    private readonly layer: StoredLayer,
    private readonly graph: Surroundings,
  ) {
    this.widened = tensor.rowType === "bf16" && uses.every(({ op }) => op === "gather");
    this.type = this.widened ? "f32" : (tensor.rowType as RowType);
    const { left, right, description } = this.placed(uses);
    this.left = left;
    this.right = right;
    this.description = description;
  }

  private placed(uses: FoundWeight["uses"]): PlacedValue {
    const { builder, layer, type, graph } = this;
    const { value, name } = layer;
    if (value.kind === "pair") return pairOperands(builder, layer, value, uses, type, graph);
    if (value.kind === "trellis") return trellisOperand(builder, name, value, type);
    return transformOperand(builder, name, value, { type, opset: graph.opset });
  }

  write(use: Use): void {
    if (use.op === "gather") return this.gather(use.node);
    // Of A itself: A is the tensor, or its transpose.
    const transposed = use.transposed !== this.layer.transposed;
    if (use.op === "gemm") this.gemm(use, transposed);
    else this.matmul(use, transposed);
  }

  private gather(node: OnnxNode): void {
    const { builder, layer, left, right } = this;
    const [, ids] = node.inputs;
    const sizes = this.graph.shapes(ids);
    const name = node.name || node.outputs[0];
    const output = this.widened ? builder.fresh(`${name}/widened`) : node.outputs[0];
    const flat = left.needsRank && sizes === undefined;
    const indices = flat ? builder.node("Reshape", [ids, builder.vector([-1])], { name: `${name}/flat` }) : ids;
    const looked = left.gather(indices, flat ? [""] : sizes, name);
    const to = flat ? { name: `${name}/product` } : { name, output };
    // A table without a right factor is stored with its columns padded.
    const rows = right
      ? builder.node("MatMul", [looked, this.exact(right)], to)
      : left.cols > layer.cols
        ? this.firstColumns(looked, to)
        : builder.node("Identity", [looked], to);
    if (flat) this.unflatten(rows, ids, undefined, layer.cols, { name, output });
    if (this.widened)
      builder.node("Cast", [output], { name, output: node.outputs[0], attributes: { to: DataType.bf16 } });
  }

  /** Rows of a matrix back in the shape of `like` (without its last dimension, where `end` is -1) and a last dimension of `width`. */
  private unflatten(
    value: string,
    like: string,
    end: number | undefined,
    width: number,
    to: { name: string; output: string },
  ): void {
    const { builder } = this;
    const name = `${to.name}/shape`;
    const shape = builder.node("Shape", [like], { name });
    const front = end
      ? builder.node("Slice", [shape, builder.vector([0]), builder.vector([end]), builder.vector([0])], { name })
      : shape;
    const whole = builder.node("Concat", [front, builder.vector([width])], { name, attributes: { axis: 0 } });
    // A dimension of 0 is none to be copied; before opset 14 that cannot be said, and an empty batch fails.
    const attributes: Record<string, Attribute> = this.graph.opset >= 14 ? { allowzero: 1 } : {};
    builder.node("Reshape", [value, whole], { ...to, attributes });
  }

  private firstColumns(value: string, to: { name: string; output?: string }): string {
    const { builder, layer } = this;
    const [start, end, axis] = [0, layer.cols, -1].map((number) => builder.vector([number]));
    return builder.node("Slice", [value, start, end, axis], to);
  }

  /** Of L and R (or of L alone) as whole matrices: the one that is multiplied first, then the other, for a product with A or A'. */
  private factors(side: "left" | "right", transposed: boolean): { operand: Operand; transposed: boolean }[] {
    const { left, right } = this;
    const list = right ? [left, right] : [left];
    // x A = (x L) R; x A' = (x R') L'; A x = L (R x); A' x = R' (L' x).
    if ((side === "right") === transposed) list.reverse();
    return list.map((operand) => ({ operand, transposed: transposed !== operand.transposed }));
  }

  private matmul({ node, side }: Extract<Use, { op: "matmul" }>, transposed: boolean): void {
    const { builder } = this;
    const [output] = node.outputs;
    const name = node.name || output;
    const x = node.inputs[side === "left" ? 1 : 0];
    const steps = this.factors(side, transposed);
    if (side === "right" && steps.some((step) => step.transposed) && !this.fuses) {
      const width = transposed ? this.layer.rows : this.layer.cols;
      this.flattened(x, steps, width, { name, output });
      return this.noteProduct(output, x, width);
    }
    let value = x;
    steps.forEach((step, i) => {
      const last = i === steps.length - 1;
      const to = { name: last ? name : `${name}/first`, ...(last && { output }) };
      if (side === "right" && step.transposed) {
        value = this.timesTransposed(value, step.operand, to);
        this.noteProduct(value, x, step.operand.rows);
        return;
      }
      const whole = this.exact(step.operand);
      const matrix = step.transposed
        ? builder.node("Transpose", [whole], { name: `${name}/transposed`, attributes: { perm: [1, 0] } })
        : whole;
      value = builder.node("MatMul", side === "right" ? [value, matrix] : [matrix, value], to);
    });
  }

  /** Writes down the shape of x times a matrix where shape inference loses it: behind Reshape and operators that it does not know. */
  private noteProduct(product: string, x: string, width: number): void {
    const lead = this.graph.shapes(x)?.slice(0, -1);
    if (lead) this.builder.value(product, DataType[this.type], [...lead, width]);
  }

  /** onnxruntime multiplies numbers of this type by a transpose where it lies. */
  private get fuses(): boolean {
    return this.graph.operators === "onnxruntime" && (this.type === "f32" || this.type === "f16");
  }

  private timesTransposed(x: string, operand: Operand, to: { name: string; output?: string }): string {
    if (operand.timesTransposed) return operand.timesTransposed(x, to);
    const attributes = { transB: 1 };
    return this.builder.node("FusedMatMul", [x, this.exact(operand)], { ...to, attributes, domain: "com.microsoft" });
  }

  /** The whole of a factor. Of the one that has A's columns in few bits, those that are there to fill bytes are cut off. */
  private exact(operand: Operand): string {
    const whole = operand.whole();
    const padded = operand === (this.right ?? this.left) && operand.cols > this.layer.cols;
    return padded ? (this.cut ??= this.firstColumns(whole, { name: `${this.layer.name}/columns` })) : whole;
  }

  /** x of any rank times matrices of which some are read transposed: Gemm takes flags, and matrices only. */
  private flattened(
    x: string,
    steps: { operand: Operand; transposed: boolean }[],
    width: number,
    to: { name: string; output: string },
  ): void {
    const { builder } = this;
    const isMatrix = this.graph.shapes(x)?.length === 2;
    let value = isMatrix ? x : builder.node("Flatten", [x], { name: `${to.name}/flat`, attributes: { axis: -1 } });
    steps.forEach(({ operand, transposed }, i) => {
      const last = i === steps.length - 1 && isMatrix;
      const name = `${to.name}/${i ? "second" : "first"}`;
      const attributes = { transB: Number(transposed) };
      value = builder.node("Gemm", [value, this.exact(operand)], { name, attributes, ...(last && to) });
    });
    if (!isMatrix) this.unflatten(value, x, -1, width, to);
  }

  private gemm({ node, side, attributes }: Extract<Use, { op: "gemm" }>, transposed: boolean): void {
    const { builder } = this;
    const [output] = node.outputs;
    const name = node.name || output;
    const [a, b, c] = node.inputs;
    const x = side === "left" ? b : a;
    const xFlag = attributes.int.get(side === "left" ? "transB" : "transA") ?? 0;
    const steps = this.factors(side, transposed);
    const [alpha, beta] = ["alpha", "beta"].map((key) => attributes.float.get(key) ?? 1);
    const table = side === "right" && transposed && (!c || beta === 1) ? this.left.timesTransposed : undefined;
    if (table && this.right) {
      const first = { transA: xFlag, transB: Number(steps[0].transposed), alpha: { float: alpha } };
      const value = builder.node("Gemm", [x, this.exact(this.right)], { name: `${name}/first`, attributes: first });
      const product = table(value, c ? { name: `${name}/product` } : { name, output });
      if (c) builder.node("Add", [product, c], { name, output });
      return;
    }
    let value = x;
    steps.forEach((step, i) => {
      const [first, last] = [i === 0, i === steps.length - 1];
      const mine = Number(step.transposed);
      const other = first ? xFlag : 0;
      const flags: Record<string, Attribute> =
        side === "right" ? { transA: other, transB: mine } : { transA: mine, transB: other };
      if (last) {
        for (const key of ["alpha", "beta"]) {
          const given = attributes.float.get(key);
          if (given !== undefined) flags[key] = { float: given };
        }
      }
      const pair = side === "right" ? [value, this.exact(step.operand)] : [this.exact(step.operand), value];
      const inputs = last && c ? [...pair, c] : pair;
      value = builder.node("Gemm", inputs, {
        ...{ name: last ? name : `${name}/first`, attributes: flags },
        ...(last && { output }),
      });
    });
  }
}
