// Attributes of a node by name, decoded when they are asked for.
import { readNode } from "../../formats/index.js";
import type { OnnxModel, OnnxNode } from "../../formats/onnx/types.js";

export interface Attributes {
  readonly int: ReadonlyMap<string, number>;
  readonly float: ReadonlyMap<string, number>;
  readonly ints: ReadonlyMap<string, readonly number[]>;
  readonly text: ReadonlyMap<string, string>;
}

const wanted = new Set([
  ...[
    "Attention",
    "Cast",
    "Conv",
    "Einsum",
    "Flatten",
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "Gather",
    "GatherElements",
    "Gemm",
  ],
  ...["GroupQueryAttention", "Reshape", "Split", "Squeeze", "Transpose", "TransposeMatMul", "Unsqueeze"],
  ...["DequantizeLinear", "GatherBlockQuantized", "MatMulNBits"],
]);
const none: Attributes = { int: new Map(), float: new Map(), ints: new Map(), text: new Map() };

/** Of the operators that are rewritten or followed; none for any other, which may hold large tensors. */
export async function attributesOf(model: OnnxModel, node: OnnxNode): Promise<Attributes> {
  if (!wanted.has(node.opType)) return none;
  const { attribute } = await readNode(model, node);
  const int = new Map<string, number>();
  const float = new Map<string, number>();
  const ints = new Map<string, readonly number[]>();
  const text = new Map<string, string>();
  for (const { name, i, f, s, ints: many } of attribute) {
    int.set(name, Number(i));
    float.set(name, f);
    if (many.length > 0) ints.set(name, many.map(Number));
    text.set(name, new TextDecoder().decode(s));
  }
  return { int, float, ints, text };
}
