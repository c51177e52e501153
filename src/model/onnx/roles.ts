// What a weight is for, by the operators that read it, also those that read it as a whole or through others.
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Reader, Value, Values } from "./values.js";
import type { FoundWeight } from "./found-weight.js";

/** "rows" of it are looked up, it is "multiplied" with, or a "function" of the model's own has it. Nothing of all that: it is no weight of a layer. */
export type Role = "rows" | "multiplied" | "function";

/** Inputs that hold a table or a matrix, by operator; the standard domain has no prefix. */
const roles: Readonly<Record<string, readonly [Role, readonly number[]]>> = {
  Gather: ["rows", [0]],
  GatherND: ["rows", [0]],
  GatherElements: ["rows", [0]],
  "com.microsoft.EmbedLayerNormalization": ["rows", [2, 3, 4]],
  MatMul: ["multiplied", [0, 1]],
  Gemm: ["multiplied", [0, 1]],
  Conv: ["multiplied", [1]],
  ConvTranspose: ["multiplied", [1]],
  LSTM: ["multiplied", [1, 2]],
  GRU: ["multiplied", [1, 2]],
  RNN: ["multiplied", [1, 2]],
  "com.microsoft.FusedMatMul": ["multiplied", [0, 1]],
  "com.microsoft.TransposeMatMul": ["multiplied", [0, 1]],
  "com.microsoft.FusedGemm": ["multiplied", [0, 1]],
  "com.microsoft.FusedConv": ["multiplied", [1]],
  "com.microsoft.Attention": ["multiplied", [1]],
  "com.microsoft.PackedAttention": ["multiplied", [1]],
  "com.microsoft.DecoderMaskedSelfAttention": ["multiplied", [1]],
  "com.microsoft.LongformerAttention": ["multiplied", [1, 4]],
  "com.microsoft.DecoderAttention": ["multiplied", [2, 3]],
  "com.microsoft.MoE": ["multiplied", [2, 4, 6]],
};

/** Operators whose outputs hold nothing but numbers of their first input. */
const carriers = new Set([
  "Cast",
  "CastLike",
  "Expand",
  "Flatten",
  "Identity",
  "Reshape",
  "Slice",
  "Split",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);
/** Operators that look at sizes, not at numbers. */
const measuring = new Set(["Shape", "Size"]);

export class Roles {
  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
  ) {}

  of({ uses, places, tensor, matrix }: FoundWeight): ReadonlySet<Role> {
    const found = new Set<Role>(uses.map(({ op }) => (op === "gather" ? "rows" : "multiplied")));
    const seen = new Set<Value>();
    const isMatrix = !isStack(tensor.dims, matrix);
    for (const reader of places.flatMap(({ wholes }) => wholes)) this.add(reader, isMatrix, found, seen);
    return found;
  }

  private add({ node, input, scope }: Reader, isMatrix: boolean, found: Set<Role>, seen: Set<Value>): void {
    const { opType, domain, outputs } = node;
    if (this.model.functions.has(`${domain}:${opType}`)) found.add("function");
    if (domain === "" && opType === "Einsum") found.add("multiplied");
    const [role, at] = roles[domain ? `${domain}.${opType}` : opType] ?? [];
    // Of a stack, whole matrices are looked up: experts.
    if (role && at!.includes(input) && (isMatrix || opType !== "Gather")) found.add(role);
    const isCarried = domain === "" && input === 0 && (carriers.has(opType) || (opType === "Gather" && !isMatrix));
    const isFixed =
      !measuring.has(opType) && outputs.some((name) => name !== "" && this.values.isConstant(scope, name));
    if (!isCarried && !isFixed) return;
    for (const name of outputs) {
      const value = this.values.find(scope, name);
      if (!value || seen.has(value)) continue;
      seen.add(value);
      for (const reader of value.readers) this.add(reader, isMatrix, found, seen);
    }
  }
}

/** Its first dimension counts matrices, not rows. */
function isStack(dims: readonly number[], [rows]: readonly number[]): boolean {
  const [count] = dims.filter((n) => n > 1);
  return dims.filter((n) => n > 1).length > 2 && rows !== count;
}
