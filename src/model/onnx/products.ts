// What multiplies a weight that is not multiplied as it lies: behind operators that pass it on, by Einsum, Conv and fused ones, and where
// rows of such a one are looked up. These read the whole; what is known here tells inputs from outputs, and where activations are.
import { onnxTensorChunks } from "../../formats/index.js";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { type Attributes, attributesOf } from "./attributes.js";
import { contractionOf } from "./einsum.js";
import type { FoundWeight } from "./found-weight.js";
import { opsetOf } from "./uses.js";
import type { Reader, Scope, Values } from "./values.js";
import { View } from "./view.js";

/** Which axis of a weight's matrix runs over what it is multiplied by. */
export interface Product {
  readonly axis: 0 | 1;
  readonly scope: Scope;
  /** Absent where no value holds rows of just these. `trailing`: its last dimensions that make a row, one unless given. */
  readonly activation?: { readonly value: string; readonly samples: "rows" | "columns"; readonly trailing?: number };
}

/** Which axis of a weight's matrix is looked up by numbers. */
export interface IndirectLookup {
  readonly axis: 0 | 1;
  readonly scope: Scope;
  /** The numbers; absent where an operator takes others beside them. */
  readonly indices?: string;
}

export interface Indirect {
  readonly products: readonly Product[];
  readonly lookups: readonly IndirectLookup[];
}

/** Cost: what is read of the weight, and the few numbers that say how it is passed on. */
export async function indirectUses(model: OnnxModel, values: Values, weight: FoundWeight): Promise<Indirect> {
  const walk = new Walk(model, values, weight.matrix);
  for (const { tensor, transposed, wholes } of weight.places) {
    const view = View.of(tensor.dims, transposed);
    for (const reader of wholes) await walk.read(view, reader);
  }
  return walk;
}

/** Passing on has an end: names in a graph form no circle, but files may say what they like. */
const mostSteps = 1000;
const unary = new Set(["Identity", "Cast", "CastLike", "Neg"]);
const scaling = new Set(["Mul", "Div"]);
const recurrent = new Set(["LSTM", "GRU", "RNN"]);
const products = new Set(["MatMul", "Gemm", "FusedMatMul", "FusedGemm", "TransposeMatMul"]);

class Walk implements Indirect {
  readonly products: Product[] = [];
  readonly lookups: IndirectLookup[] = [];
  private steps = 0;

  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
    private readonly matrix: readonly [number, number],
  ) {}

  async read(view: View, reader: Reader): Promise<void> {
    const { node, input, scope } = reader;
    if (++this.steps > mostSteps || input < 0) return;
    const attributes = await attributesOf(this.model, node);
    this.multiply(view, reader, attributes);
    this.lookUp(view, reader, attributes);
    const next = await this.passed(view, reader, attributes);
    for (const [at, each] of next.entries()) {
      const value = each && this.values.find(scope, node.outputs[at] ?? "");
      for (const further of value?.readers ?? []) await this.read(each!, further);
    }
  }

  private multiply(view: View, { node, input, scope }: Reader, attributes: Attributes): void {
    const { opType, domain, inputs } = node;
    const rank = view.dims.length;
    const add = (summed: readonly number[], other: number, samples: "rows" | "columns" | undefined, trailing = 1) => {
      const part = view.part(summed, this.matrix);
      if (!part) return;
      const value = inputs[other] ?? "";
      const isKnown = samples && part.isWhole && value !== "" && !this.values.isConstant(scope, value);
      const more = trailing > 1 ? { trailing } : {};
      this.products.push({ axis: part.axis, scope, ...(isKnown && { activation: { value, samples, ...more } }) });
    };
    const isMicrosoft = domain === "com.microsoft";
    if (!isMicrosoft && domain !== "") return;
    if (products.has(opType) && input < 2 && rank >= 2) {
      const flag = (side: number) => attributes.int.get(side === 0 ? "transA" : "transB") === 1;
      const isRight = input === 1;
      // Of a stack of matrices each has rows of its own.
      const samples = rank === 2 || view.dims.slice(0, -2).every((size) => size === 1);
      const inner = isRight !== flag(input) ? -2 : -1;
      add([inner], 1 - input, samples ? (isRight !== flag(1 - input) ? "rows" : "columns") : undefined);
    } else if (opType === "Attention" && isMicrosoft && input === 1) add([0], 0, "rows");
    else if (recurrent.has(opType) && (input === 1 || input === 2))
      // Of two directions each has rows of its own; what comes back is no value of the graph.
      add([2], 0, input === 1 && view.dims[0] === 1 ? "rows" : undefined);
    else if ((opType === "Conv" || opType === "FusedConv") && input === 1) {
      const isPointwise = rank === 3 && view.dims[2] === 1 && (attributes.int.get("group") ?? 1) === 1;
      add(view.dims.slice(1).map((_, i) => i + 1), 0, isPointwise ? "columns" : undefined); // prettier-ignore
    } else if (opType === "Einsum" && input < 2) {
      const found = contractionOf(attributes.text.get("equation") ?? "", input === 0 ? 0 : 1);
      if (!found) return;
      const { summed, shared, last } = found;
      const samples = shared.length > 0 || last === undefined ? undefined : last === 0 ? "columns" : "rows";
      add(summed, 1 - input, samples, last || 1);
    }
  }

  private lookUp(view: View, { node, input, scope }: Reader, { int }: Attributes): void {
    const { opType, domain, inputs } = node;
    const add = (axis: number, indices?: string) => {
      const part = view.part([axis], this.matrix);
      if (part?.isWhole) this.lookups.push({ axis: part.axis, scope, ...(indices && { indices }) });
    };
    if (domain === "" && input === 0 && opType === "Gather") add(int.get("axis") ?? 0, inputs[1]);
    if (domain === "" && input === 0 && opType === "GatherElements") add(int.get("axis") ?? 0, inputs[1]);
    if (domain === "" && input === 0 && opType === "GatherND") add(0);
    if (domain === "com.microsoft" && opType === "EmbedLayerNormalization" && input >= 2 && input <= 4)
      add(0, inputs[[0, 7, 1][input - 2]]);
  }

  /** What an operator puts out, output by output; undefined for what is no longer the weight's. */
  private async passed(view: View, reader: Reader, { int, ints }: Attributes): Promise<(View | undefined)[]> {
    const { node, input, scope } = reader;
    const { opType, domain, inputs } = node;
    if (domain !== "") return [];
    if (scaling.has(opType)) return (await this.isNumber(scope, inputs[1 - input])) ? [view] : [];
    if (input !== 0) return [];
    if (unary.has(opType)) return [view];
    const axes = async () => ints.get("axes") ?? (await this.numbers(scope, inputs[1]));
    const axis = int.get("axis") ?? 0;
    switch (opType) {
      case "Transpose":
        return [view.transposed(ints.get("perm") ?? [...view.dims.keys()].reverse())];
      case "Reshape": {
        const shape = await this.numbers(scope, inputs[1]);
        return [shape && int.get("allowzero") !== 1 ? view.reshaped(shape) : undefined];
      }
      case "Flatten": {
        const at = int.get("axis") ?? 1;
        const front = view.dims.slice(0, at).reduce((a, b) => a * b, 1);
        return [view.reshaped([front, -1])];
      }
      case "Squeeze": {
        const gone = await axes();
        return [gone || !inputs[1] ? view.squeezed(gone) : undefined];
      }
      case "Unsqueeze": {
        const added = await axes();
        return [added && view.unsqueezed(added)];
      }
      case "Gather":
        // Whole matrices of a stack, or one of them.
        return [view.dims.length > 2 ? await this.taken(view, axis, scope, inputs[1]) : undefined];
      case "Slice":
        return [await this.sliced(view, reader)];
      case "Split":
        return this.split(view, axis, node, ints.get("split") ?? (await this.numbers(scope, inputs[1])));
      default:
        return [];
    }
  }

  private async taken(view: View, axis: number, scope: Scope, indices: string | undefined): Promise<View | undefined> {
    const shape = this.tensor(scope, indices)?.dims ?? this.declared(scope, indices);
    if (shape?.length === 0) return view.without(axis);
    return shape?.length === 1 ? view.cut(axis, NaN) : undefined;
  }

  /** Of the sizes that Slice leaves: nothing but that they are others. */
  private async sliced(view: View, { node: { inputs }, scope }: Reader): Promise<View | undefined> {
    if (opsetOf(this.model) < 10) return undefined;
    const [starts, ends, given, steps] = await Promise.all([1, 2, 3, 4].map((at) => this.numbers(scope, inputs[at])));
    if (!starts || !ends || (inputs[3] && !given) || (inputs[4] && !steps)) return undefined;
    let cut: View | undefined = view;
    for (const [i, first] of starts.entries()) {
      const axis = given ? given[i] : i;
      const size = view.dims.at(axis);
      const step = steps?.[i] ?? 1;
      if (size === undefined || step < 1) return undefined;
      const from = clamp(first < 0 ? first + size : first, size);
      const to = clamp(ends[i] < 0 ? ends[i] + size : ends[i], size);
      cut = cut?.cut(axis, Math.max(0, Math.ceil((to - from) / step)));
    }
    return cut;
  }

  private split(
    view: View,
    axis: number,
    { outputs }: OnnxNode,
    given: readonly number[] | undefined,
  ): (View | undefined)[] {
    const size = view.dims.at(axis) ?? 0;
    const each = Math.ceil(size / outputs.length);
    return outputs.map((_, i) => view.cut(axis, given?.[i] ?? Math.min(each, size - i * each)));
  }

  private async isNumber(scope: Scope, name: string | undefined): Promise<boolean> {
    const tensor = this.tensor(scope, name);
    return tensor !== undefined && tensor.dims.every((size) => size === 1);
  }

  private tensor(scope: Scope, name: string | undefined): OnnxTensor | undefined {
    return name ? this.values.tensor(scope, name) : undefined;
  }

  private declared(scope: Scope, name: string | undefined): readonly unknown[] | undefined {
    const graph = name ? this.values.find(scope, name)?.scope.graph : undefined;
    return (graph?.inputs.find((each) => each.name === name) ?? graph?.valueInfo.get(name!))?.dims;
  }

  /** A few int64 that the file has. */
  private async numbers(scope: Scope, name: string | undefined): Promise<number[] | undefined> {
    const tensor = this.tensor(scope, name);
    if (tensor?.dataType !== 7 || tensor.byteLength > 256 || tensor.byteLength === 0) return undefined;
    const bytes: Uint8Array[] = [];
    for await (const chunk of onnxTensorChunks(this.model, tensor)) bytes.push(chunk.slice());
    const { buffer } = Uint8Array.from(bytes.flatMap((each) => [...each]));
    return Array.from(new BigInt64Array(buffer), Number);
  }
}

const clamp = (at: number, size: number) => Math.min(size, Math.max(0, at));
