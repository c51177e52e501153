// The graph with factors in place of a weight: A ~ L R (n x k times k x d), or, in few bits at full rank, L alone.
//
//   Gather(A, ids)      MatMul(Gather(L, ids), R)                    the few rows first
//   MatMul(x, A)        MatMul(MatMul(x, L), R)
//   MatMul(x, A')       MatMul(MatMul(x, R'), L'), both stored transposed; where L is gathered from too, so stored as it is:
//                       Gemm(Gemm(flat x, R, transB), L, transB), rows of x flattened to a matrix and put back after
//   MatMul(A, x)        MatMul(L, MatMul(R, x))
//   Gemm                two, the transposes on flags; alpha, beta and C go with the second
//
// With k < n d / (n + d) the factors always take less work than A, and this order less than any other.
import { onnxDtypeName } from "../../formats/index.js";
import type { OnnxEdits, OnnxModel, OnnxNode } from "../../formats/onnx/types.js";
import type { RowType } from "../../matrix.js";
import { describeLayer, type LayerDescription } from "../description.js";
import type { Operators } from "../model.js";
import type { StoredLayer } from "../stored.js";
import { Builder, type Attribute } from "./builder.js";
import { operandOf, type Operand } from "./decode.js";
import type { FoundWeight, Use } from "./uses.js";

export interface Replacement {
  readonly weight: FoundWeight;
  readonly layer: StoredLayer;
}

/** The edits that put the layers' factors in, and what the file should say of them. */
export function rewrite(
  model: OnnxModel,
  replacements: readonly Replacement[],
  operators: Operators = "standard",
): { edits: OnnxEdits; described: Map<string, LayerDescription> } {
  const builder = new Builder(model.graph);
  const dropNodes = new Set<OnnxNode>();
  const dropTensors = new Set<string>();
  const dropValueInfo = new Set<string>();
  const replaceNodes = new Map<OnnxNode, Uint8Array[]>();
  const ranks = rankFinder(model);
  const described = new Map<string, LayerDescription>();
  for (const { weight, layer } of replacements) {
    if (weight.constant) dropNodes.add(weight.constant);
    else dropTensors.add(weight.name);
    for (const node of weight.through) {
      dropNodes.add(node);
      node.outputs.forEach((name) => dropValueInfo.add(name));
    }
    dropValueInfo.add(weight.name);
    const one = new LayerRewriter(builder, weight, layer, operators, ranks);
    described.set(layer.name, describeLayer(layer, onnxDtypeName(weight.tensor.dataType), one.parts));
    for (const use of [...weight.uses].sort((a, b) => a.node.field.start - b.node.field.start)) {
      one.write(use);
      replaceNodes.set(use.node, builder.take());
    }
  }
  const addOpsets = new Map([...builder.domains].map((domain) => [domain, 1]));
  const edits = { dropNodes, dropTensors, dropValueInfo, replaceNodes, addTensors: builder.tensors, addOpsets };
  return { edits, described };
}

/** Number of dimensions of a value, where the file says it. */
function rankFinder({ graph }: OnnxModel): (name: string) => number | undefined {
  const values = new Map([...graph.inputs, ...graph.outputs].map((value) => [value.name, value]));
  return (name) =>
    (values.get(name) ?? graph.valueInfo.get(name))?.dims?.length ?? graph.initializers.get(name)?.dims.length;
}

class LayerRewriter {
  private readonly left: Operand;
  private readonly right: Operand | undefined;

  constructor(
    private readonly builder: Builder,
    { tensor, uses }: FoundWeight,
    private readonly layer: StoredLayer,
    private readonly operators: Operators,
    private readonly ranks: (name: string) => number | undefined,
  ) {
    const type = tensor.rowType as RowType;
    const transposed =
      !isCoded(layer) && uses.every((use) => use.op === "matmul" && use.transposed !== layer.transposed);
    const { name, left, right } = layer;
    // The tensor is `.left` times `.right` whichever of it and its transpose was fitted.
    const [first, second] = layer.transposed ? ["right", "left"] : ["left", "right"];
    this.left = operandOf(builder, right ? `${name}.${first}` : name, left, type, { transposed });
    this.right =
      right && operandOf(builder, `${name}.${second}`, right, type, { transposed, paddedRows: this.left.cols });
  }

  /** Where the factors lie. */
  get parts() {
    return { left: this.left.part, ...(this.right && { right: this.right.part }) };
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
    const [output] = node.outputs;
    const [, ids] = node.inputs;
    const rank = this.ranks(ids);
    const name = node.name || output;
    // Codes are unpacked by Reshape, which must know how many dimensions the indices have.
    const flat = isCoded(layer) && rank === undefined;
    const indices = flat ? builder.node("Reshape", [ids, builder.vector([-1])], { name: `${name}/flat` }) : ids;
    const looked = left.gather(indices, flat ? undefined : rank, name);
    if (right && !flat) {
      builder.node("MatMul", [looked, right.whole()], { name, output });
      return;
    }
    const rows = right
      ? builder.node("MatMul", [looked, right.whole()], { name: `${name}/product` })
      : left.cols > layer.cols
        ? this.firstColumns(looked, name)
        : looked;
    if (flat) this.unflatten(rows, ids, undefined, layer.cols, { name, output });
    else builder.node("Identity", [rows], { name, output });
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
    builder.node("Reshape", [value, whole], to);
  }

  /** A table without a right factor is stored with its columns padded. */
  private firstColumns(value: string, name: string): string {
    const { builder, layer } = this;
    return builder.node("Slice", [value, builder.vector([0]), builder.vector([layer.cols]), builder.vector([-1])], {
      name: `${name}/columns`,
    });
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
    const straight = steps.every((step) => !step.transposed);
    if (side === "right" && !straight && this.operators === "standard") {
      return this.flattened(x, steps, transposed ? this.layer.rows : this.layer.cols, { name, output });
    }
    let value = x;
    steps.forEach((step, i) => {
      const last = i === steps.length - 1;
      const to = { name: last ? name : `${name}/first`, ...(last && { output }) };
      const whole = this.exact(step.operand);
      if (side === "right" && step.transposed) {
        const attributes = { transB: 1 };
        value = builder.node("FusedMatMul", [value, whole], { ...to, attributes, domain: "com.microsoft" });
        return;
      }
      const matrix = step.transposed
        ? builder.node("Transpose", [whole], { name: `${name}/transposed`, attributes: { perm: [1, 0] } })
        : whole;
      value = builder.node("MatMul", side === "right" ? [value, matrix] : [matrix, value], to);
    });
  }

  /** The whole of a factor; a table in few bits without its padding. */
  private exact(operand: Operand): string {
    const whole = operand.whole();
    return this.right || operand.cols === this.layer.cols ? whole : this.firstColumns(whole, this.layer.name);
  }

  /** x of any rank times matrices of which some are read transposed: Gemm takes flags, and matrices only. */
  private flattened(
    x: string,
    steps: { operand: Operand; transposed: boolean }[],
    width: number,
    to: { name: string; output: string },
  ): void {
    const { builder } = this;
    const isMatrix = this.ranks(x) === 2;
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

function isCoded({ left }: StoredLayer): boolean {
  return left.kind === "codes";
}
