// The graph with what is stored in place of a weight: A ~ L R (n x k times k x d), or, in few bits at full rank, L alone.
//
//   Gather(A, ids)      MatMul(Gather(L, ids), R)                    the few rows first
//   MatMul(x, A)        MatMul(MatMul(x, L), R)
//   MatMul(x, A')       MatMul(MatMul(x, R'), L'), both stored transposed; where L is gathered from too, so stored as it is:
//                       Gemm(Gemm(flat x, R, transB), L, transB), rows of x flattened to a matrix and put back after
//   MatMul(A, x)        MatMul(L, MatMul(R, x))
//   Attention(x, A)     MultiHeadAttention of x A, made as by MatMul and taken apart (attention.ts)
//   Gemm                two, the transposes on flags; alpha, beta and C go with the second
//   all others          they read L R, which is multiplied once, as the model loads
//
// With onnxruntime's own operators: MatMul(x, A') multiplies by transposes where they lie (FusedMatMul), and tables in few bits are
// read by operators that unpack them (fused.ts).
//
// With k < n d / (n + d) the factors always take less work than A, and this order less than any other.
import type { RowType } from "../../matrix.js";
import type { ValueDescription } from "../kinds/index.js";
import type { StoredLayer } from "../stored.js";
import { writeAttending, writeAttention } from "./attention.js";
import { DataType, type Attribute, type Builder, type Dims } from "./builder.js";
import type { Operand, PlacedValue, Surroundings } from "./operand.js";
import { clustersOperand } from "./clusters-operand.js";
import { pairOperands } from "./pair-operands.js";
import { PlacedLayer, type Step } from "./placed-layer.js";
import { transformOperand } from "./transform-operand.js";
import { trellisOperand } from "./trellis-operand.js";
import type { Attending, Scale, Use } from "./uses.js";
import type { Scope } from "./values.js";
import type { FoundWeight, Place } from "./found-weight.js";

/** Writes the nodes that take the place of those which read one weight. */
export class LayerRewriter {
  private readonly placed: PlacedLayer;
  /** Where the layer lies. */
  readonly description: ValueDescription;

  constructor(
    private readonly builder: Builder,
    weight: FoundWeight,
    private readonly layer: StoredLayer,
    private readonly graph: Surroundings,
  ) {
    const type = typeOf(weight);
    const value = this.place(weight, type);
    this.placed = new PlacedLayer(builder, layer, value, type);
    this.description = value.description;
  }

  private place(weight: FoundWeight, type: RowType): PlacedValue {
    const { builder, layer, graph } = this;
    const { value, name } = layer;
    if (value.kind === "pair") return pairOperands(builder, layer, value, weight, type, graph);
    if (value.kind === "clusters") return clustersOperand(builder, layer, value, { type, opset: graph.opset });
    if (value.kind === "trellis") return trellisOperand(builder, name, value, type);
    return transformOperand(builder, name, value, { type, opset: graph.opset });
  }

  /** What a place holds as a value of that name. */
  whole({ tensor, transposed }: Place, output: string): void {
    const { builder, layer } = this;
    const { dims, dataType, rowType } = tensor;
    const matrix = this.placed.matrix(layer.transposed !== transposed, rowType!);
    builder.value(output, dataType, dims);
    if (dims.length === 2) builder.node("Identity", [matrix], { name: output, output });
    else builder.node("Reshape", [matrix, builder.vector(dims)], { name: output, output });
  }

  write(use: Use): void {
    const { scales = [] } = use;
    if (scales.length > 0) return this.writeScaled(use, scales);
    // Of A itself: A is the tensor, or its transpose.
    const transposed = use.transposed !== this.layer.transposed;
    if (use.op === "gather") this.gather(use, transposed);
    else if (use.op === "gemm") this.gemm(use, transposed);
    else this.matmul(use, transposed);
  }

  /** Numbers come out of a product, or in rows, and are scaled there: s W x = s (W x). */
  private writeScaled(use: Use, scales: readonly Scale[]): void {
    const { builder } = this;
    const { node } = use;
    const [output] = node.outputs;
    const name = node.name || output;
    let value = builder.fresh(`${name}/unscaled`);
    this.write({ ...use, node: { ...node, outputs: [value] }, scales: [] });
    scales.forEach(({ op, number }, i) => {
      const to = { name: `${name}/scaled`, ...(i === scales.length - 1 && { output }) };
      value = builder.node(op, [value, number], to);
    });
  }

  private gather({ node, scope, type }: Use, transposed: boolean): void {
    const { builder, layer, placed } = this;
    const { left, right } = placed;
    const [, ids] = node.inputs;
    const name = node.name || node.outputs[0];
    if (transposed) {
      builder.node("Gather", [placed.matrix(true, type), ids], { name, output: node.outputs[0] });
      return;
    }
    const sizes = this.graph.shapes(ids, scope);
    const isCast = type !== placed.type;
    const output = isCast ? builder.fresh(`${name}/uncast`) : node.outputs[0];
    const flat = left.needsRank && sizes === undefined;
    const indices = flat ? builder.node("Reshape", [ids, builder.vector([-1])], { name: `${name}/flat` }) : ids;
    const looked = left.gather(indices, flat ? [""] : sizes, name);
    const to = flat ? { name: `${name}/product` } : { name, output };
    // A table without a right factor is stored with its columns padded.
    const rows = right
      ? builder.node("MatMul", [looked, placed.exact(right)], to)
      : left.cols > layer.cols
        ? placed.firstColumns(looked, to)
        : builder.node("Identity", [looked], to);
    if (flat) this.unflatten(rows, ids, undefined, layer.cols, { name, output });
    if (isCast) builder.node("Cast", [output], { name, output: node.outputs[0], attributes: { to: DataType[type] } });
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

  private matmul(use: Extract<Use, { op: "matmul" }>, transposed: boolean): void {
    const { builder, placed } = this;
    const { node, side, scope, type, attending } = use;
    const [output] = node.outputs;
    const name = node.name || output;
    const x = node.inputs[side === "left" ? 1 : 0];
    const steps = placed.steps(side, transposed);
    if (attending) return this.attention(use, attending, transposed);
    const note = (product: string, width: number) => this.noteProduct(product, this.graph.shapes(x, scope), width, use);
    if (side === "right" && steps.some((step) => step.transposed) && !this.fuses(type)) {
      const width = transposed ? this.layer.rows : this.layer.cols;
      this.flattened(x, steps, width, use, { name, output });
      return note(output, width);
    }
    let value = x;
    steps.forEach((step, i) => {
      const last = i === steps.length - 1;
      const to = { name: last ? name : `${name}/first`, ...(last && { output }) };
      if (side === "right" && step.transposed) {
        value = this.timesTransposed(value, step.operand, type, to);
        note(value, step.operand.rows);
        return;
      }
      const whole = placed.exact(step.operand, type);
      const matrix = step.transposed
        ? builder.node("Transpose", [whole], { name: `${name}/transposed`, attributes: { perm: [1, 0] } })
        : whole;
      value = builder.node("MatMul", side === "right" ? [value, matrix] : [matrix, value], to);
    });
  }

  /** Factors, and what is read where it lies, are multiplied with first; of all else the node reads the whole, as before. */
  private attention(use: Extract<Use, { op: "matmul" }>, attending: Attending, transposed: boolean): void {
    const { builder, placed } = this;
    const { node, type } = use;
    const [{ operand, transposed: isTurned }] = placed.steps("right", transposed);
    if (!placed.right && !(isTurned && this.reader(operand, type)))
      return writeAttention(builder, node, placed.matrix(transposed, type), attending);
    const product = builder.fresh(`${node.name || node.outputs[0]}/product`);
    this.matmul({ ...use, node: { ...node, outputs: [product] }, attending: undefined }, transposed);
    writeAttending(builder, node, product, attending);
  }

  /** Writes down the shape of x times a matrix where shape inference loses it: behind Reshape and operators that it does not know. */
  private noteProduct(product: string, ofX: Dims | undefined, width: number, { scope, type }: Use): void {
    if (ofX && !scope.parent) this.builder.value(product, DataType[type], [...ofX.slice(0, -1), width]);
  }

  /** onnxruntime multiplies numbers of this type by a transpose where it lies. */
  private fuses(type: RowType): boolean {
    return this.graph.operators === "onnxruntime" && (type === "f32" || type === "f16");
  }

  /** What multiplies by the transpose of an operand where it lies. */
  private reader(operand: Operand, type: RowType): Operand["timesTransposed"] {
    return type === this.placed.type ? operand.timesTransposed : undefined;
  }

  private timesTransposed(x: string, operand: Operand, type: RowType, to: { name: string; output?: string }): string {
    const read = this.reader(operand, type);
    if (read) return read(x, to);
    const attributes = { transB: 1 };
    return this.builder.node("FusedMatMul", [x, this.placed.exact(operand, type)], {
      ...to,
      attributes,
      domain: "com.microsoft",
    });
  }

  /** x of any rank times matrices of which some are read transposed: Gemm takes flags, and matrices only. */
  private flattened(
    x: string,
    steps: readonly Step[],
    width: number,
    { scope, type }: { scope: Scope; type: RowType },
    to: { name: string; output: string },
  ): void {
    const { builder } = this;
    const isMatrix = this.graph.shapes(x, scope)?.length === 2;
    let value = isMatrix ? x : builder.node("Flatten", [x], { name: `${to.name}/flat`, attributes: { axis: -1 } });
    steps.forEach(({ operand, transposed }, i) => {
      const last = i === steps.length - 1 && isMatrix;
      const name = `${to.name}/${i ? "second" : "first"}`;
      const attributes = { transB: Number(transposed) };
      value = builder.node("Gemm", [value, this.placed.exact(operand, type)], { name, attributes, ...(last && to) });
    });
    if (!isMatrix) this.unflatten(value, x, -1, width, to);
  }

  private gemm({ node, side, attributes, type }: Extract<Use, { op: "gemm" }>, transposed: boolean): void {
    const { builder, placed } = this;
    const [output] = node.outputs;
    const name = node.name || output;
    const [a, b, c] = node.inputs;
    const x = side === "left" ? b : a;
    const xFlag = attributes.int.get(side === "left" ? "transB" : "transA") ?? 0;
    const steps = placed.steps(side, transposed);
    const [alpha, beta] = ["alpha", "beta"].map((key) => attributes.float.get(key) ?? 1);
    const table = side === "right" && transposed && (!c || beta === 1) ? this.reader(placed.left, type) : undefined;
    if (table && (placed.right || (!xFlag && alpha === 1))) {
      const first = { transA: xFlag, transB: Number(steps[0].transposed), alpha: { float: alpha } };
      const value = placed.right
        ? builder.node("Gemm", [x, placed.exact(placed.right, type)], { name: `${name}/first`, attributes: first })
        : x;
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
      const pair =
        side === "right" ? [value, placed.exact(step.operand, type)] : [placed.exact(step.operand, type), value];
      const inputs = last && c ? [...pair, c] : pair;
      value = builder.node("Gemm", inputs, {
        ...{ name: last ? name : `${name}/first`, attributes: flags },
        ...(last && { output }),
      });
    });
  }
}

/**
 * What is computed with. Rows of bf16 can be gathered everywhere, but MatMul takes it almost nowhere; and what is read as a whole is made
 * once.
 */
function typeOf({ tensor, uses }: FoundWeight): RowType {
  const types = new Set(uses.map(({ type }) => type));
  if (types.size === 1 && (!types.has("bf16") || uses.some(({ op }) => op !== "gather"))) return uses[0].type;
  return types.has("f64") || tensor.rowType === "f64" ? "f64" : "f32";
}
