// Attributes of a node by name, decoded when they are asked for.
import { readNode } from "../../formats/index.js";
import type { OnnxModel, OnnxNode } from "../../formats/onnx/types.js";

export interface Attributes {
  readonly int: ReadonlyMap<string, number>;
  readonly float: ReadonlyMap<string, number>;
  readonly ints: ReadonlyMap<string, readonly number[]>;
}

const wanted = new Set([
  ...["Cast", "Gather", "Gemm", "GroupQueryAttention", "Transpose"],
  ...["DequantizeLinear", "GatherBlockQuantized", "MatMulNBits"],
]);
const none: Attributes = { int: new Map(), float: new Map(), ints: new Map() };

/** Of the operators that are rewritten; none for any other, which may hold large tensors. */
export async function attributesOf(model: OnnxModel, node: OnnxNode): Promise<Attributes> {
  if (!wanted.has(node.opType)) return none;
  const { attribute } = await readNode(model, node);
  const int = new Map<string, number>();
  const float = new Map<string, number>();
  const ints = new Map<string, readonly number[]>();
  for (const { name, i, f, ints: many } of attribute) {
    int.set(name, Number(i));
    float.set(name, f);
    ints.set(name, many.map(Number));
  }
  return { int, float, ints };
}
