// Operators that read a constant weight in codes, and what they are on floats:
//
//   DequantizeLinear(Q)                                       W itself
//   DequantizeLinear(Gather(Q, ids))                          Gather(W, ids)
//   MatMulInteger of DynamicQuantizeLinear(x), Cast, Mul      MatMul(x, W)
//   MatMulIntegerToFloat of DynamicQuantizeLinear(x)          MatMul(x, W), Add
//   DynamicQuantizeMatMul(x, Q)                               MatMul(x, W), Add
//   MatMulNBits(x, Q)                                         MatMul(x, W'), Add
//   GatherBlockQuantized(Q, ids)                              Gather(W, ids)
//
// What x loses by being quantised is not done again.
import type { OnnxModel, OnnxNode } from "../../../formats/onnx/types.js";
import { type Attributes, attributesOf } from "../attributes.js";
import type { Scope } from "../values.js";
import { alongAxis, type CodedWeight, type CodeParts, inBlocks } from "./codes-of.js";
import type { Constant, Constants } from "./constants.js";

/** What takes rows of the weight, or multiplies with it. */
export interface FloatUse {
  readonly op: "gather" | "matmul";
  /** Row numbers, or what is multiplied. */
  readonly input: string;
  /** It is multiplied by the weight's transpose. */
  readonly transposed: boolean;
  readonly bias?: string;
}

/** What an operator reads, as a float weight. */
export interface Match extends CodedWeight {
  readonly scope: Scope;
  /** The node in whose place float operators come; without a use, the node that puts the weight out. */
  readonly end: OnnxNode;
  /** Other nodes that may be there for this alone. */
  readonly others: readonly OnnxNode[];
  readonly use?: FloatUse;
}

/** Constants among the inputs of an operator, by name. */
interface Names {
  readonly scale?: string;
  readonly zero?: string;
}

const microsoft = "com.microsoft";

export class Patterns {
  constructor(
    private readonly model: OnnxModel,
    private readonly constants: Constants,
  ) {}

  /** Undefined for any other node, and for weights in forms that are not read. */
  async match(node: OnnxNode, scope: Scope): Promise<Match | undefined> {
    const { opType, domain } = node;
    if (opType === "DequantizeLinear" && (domain === "" || domain === microsoft))
      return this.dequantised(node, scope, await attributesOf(this.model, node));
    if (opType === "MatMulInteger" && domain === "") return this.integerProduct(node, scope);
    if (domain !== microsoft) return undefined;
    switch (opType) {
      case "MatMulIntegerToFloat":
        return this.integerToFloat(node, scope);
      case "DynamicQuantizeMatMul": {
        const [input, , scale, zero, bias] = node.inputs;
        return this.product(node, scope, { scale, zero, input, bias, end: node, others: [] });
      }
      case "MatMulNBits":
        return this.blockProduct(node, scope, await attributesOf(this.model, node));
      case "GatherBlockQuantized":
        return this.blockRows(node, scope, await attributesOf(this.model, node));
      default:
        return undefined;
    }
  }

  private async dequantised(node: OnnxNode, scope: Scope, { int }: Attributes): Promise<Match | undefined> {
    const [data, scale, zero] = node.inputs;
    const layout = { axis: int.get("axis") ?? 1, block: int.get("block_size") ?? 0, to: int.get("output_dtype") };
    const codes = this.unshaped(scope, data);
    if (codes) {
      const whole = alongAxis(this.parts(codes, scope, { scale, zero }), layout);
      return whole && found(whole, { scope, end: node, others: [] });
    }
    // Rows of it, looked up before.
    const made = this.constants.makerOf(scope, data);
    if (made?.node.opType !== "Gather" || made.node.domain !== "" || made.scope !== scope) return undefined;
    const gather = made.node;
    const table = this.unshaped(scope, gather.inputs[0]);
    const axis = (await attributesOf(this.model, gather)).int.get("axis") ?? 0;
    const isOnly = this.constants.onlyReader(scope, gather)?.node === node;
    if (table?.tensor.dims.length !== 2 || !isOnly || axis !== 0) return undefined;
    const whole = alongAxis(this.parts(table, scope, { scale, zero }), { ...layout, block: 0 });
    // Scales along rows or columns would be those of what was looked up.
    if (!whole || whole.weight.scaling) return undefined;
    const use: FloatUse = { op: "gather", input: gather.inputs[1], transposed: false };
    return found(whole, { scope, end: node, others: [gather], use });
  }

  private integerProduct(node: OnnxNode, scope: Scope): Match | undefined {
    const { constants } = this;
    const [a, , aZero, zero] = node.inputs;
    const quantise = this.quantiserOf(scope, a, aZero);
    const cast = constants.onlyReader(scope, node);
    const scaled = cast?.node.opType === "Cast" ? constants.onlyReader(cast.scope, cast.node) : undefined;
    if (!quantise || scaled?.node.opType !== "Mul" || scaled.scope !== scope) return undefined;
    // Scale of x times scale of W.
    const scales = constants.makerOf(scope, scaled.node.inputs[1 - scaled.input])?.node;
    if (scales?.opType !== "Mul" || !scales.inputs.includes(quantise.outputs[1])) return undefined;
    const scale = scales.inputs.find((name) => name !== quantise.outputs[1]);
    const others = [quantise, node, cast!.node, scales];
    return this.product(node, scope, { scale, zero, input: quantise.inputs[0], end: scaled.node, others });
  }

  private integerToFloat(node: OnnxNode, scope: Scope): Match | undefined {
    const [a, , aScale, scale, aZero, zero, bias] = node.inputs;
    const quantise = this.quantiserOf(scope, a, aZero);
    if (!quantise || quantise.outputs[1] !== aScale) return undefined;
    return this.product(node, scope, { scale, zero, input: quantise.inputs[0], bias, end: node, others: [quantise] });
  }

  /** The DynamicQuantizeLinear whose codes and zero point these are. */
  private quantiserOf(scope: Scope, codes: string, zero: string | undefined): OnnxNode | undefined {
    const node = this.constants.makerOf(scope, codes)?.node;
    if (node?.opType !== "DynamicQuantizeLinear" || node.domain !== "") return undefined;
    return node.outputs[0] === codes && node.outputs[2] === zero ? node : undefined;
  }

  /** The weight is the second input of `node`, inputs x outputs. */
  private product(
    node: OnnxNode,
    scope: Scope,
    {
      scale,
      zero,
      input,
      bias,
      end,
      others,
    }: Names & Pick<Match, "end" | "others"> & Omit<FloatUse, "op" | "transposed">,
  ): Match | undefined {
    const codes = this.unshaped(scope, node.inputs[1]);
    if (codes?.tensor.dims.length !== 2) return undefined;
    const whole = alongAxis(this.parts(codes, scope, { scale, zero }), { axis: 1, block: 0 });
    const use: FloatUse = { op: "matmul", input, transposed: false, ...(bias && { bias }) };
    return whole && found(whole, { scope, end, others, use });
  }

  private blockProduct(node: OnnxNode, scope: Scope, { int }: Attributes): Match | undefined {
    const [input, data, scale, zero, order, bias] = node.inputs;
    const [rows = 0, cols = 0, bits = 4, block = 0] = ["N", "K", "bits", "block_size"].map((name) => int.get(name));
    const codes = this.constants.find(scope, data);
    if (!codes || order) return undefined;
    const layout = { rows, cols, bits, block, zeroCode: 2 ** (bits - 1) };
    const whole = inBlocks(this.parts(codes, scope, { scale, zero }), layout);
    const use: FloatUse = { op: "matmul", input, transposed: true, ...(bias && { bias }) };
    return whole && found(whole, { scope, end: node, others: [], use });
  }

  private blockRows(node: OnnxNode, scope: Scope, { int }: Attributes): Match | undefined {
    const [data, input, scale, zero] = node.inputs;
    const codes = this.constants.find(scope, data);
    const axis = int.get("quantize_axis") ?? 1;
    if (!codes || (int.get("gather_axis") ?? 0) !== 0 || (axis !== 1 && axis !== -1)) return undefined;
    const { dims, dataType, byteLength } = codes.tensor;
    // Behind Reshape, of a weight that MatMulNBits multiplies by too, rows are what they were.
    if (dims.length !== 2 && codes.through.length === 0) return undefined;
    const bits = dataType === 2 ? (int.get("bits") ?? 4) : 4;
    const block = int.get("block_size") ?? 128;
    const layout = { rows: dims[0], cols: (byteLength * 8) / bits / dims[0], bits, block };
    const parts = this.parts(codes, scope, { scale, zero });
    const whole = inBlocks(parts, { ...layout, zeroCode: dataType === 2 ? 2 ** (bits - 1) : 0 });
    return whole && found(whole, { scope, end: node, others: [], use: { op: "gather", input, transposed: false } });
  }

  /** A constant in its own shape. */
  private unshaped(scope: Scope, name: string | undefined): Constant | undefined {
    const constant = this.constants.find(scope, name);
    return constant?.through.every(({ opType }) => opType === "Identity") ? constant : undefined;
  }

  private parts(codes: Constant, scope: Scope, { scale, zero }: Names): CodeParts {
    const { constants } = this;
    return {
      codes,
      scale: constants.find(scope, scale),
      zero: zero ? (constants.find(scope, zero) ?? null) : undefined,
    };
  }
}

function found(whole: CodedWeight, rest: Pick<Match, "scope" | "end" | "others" | "use">): Match {
  const through = whole.stored.flatMap((constant) => constant.through);
  return { ...whole, ...rest, others: [...rest.others, ...through] };
}
