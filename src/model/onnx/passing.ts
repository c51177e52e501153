// Operators that pass a weight on: its numbers, or some of them, cast, scaled, in other dimensions.
import { onnxTensorChunks } from "../../formats/index.js";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import type { Attributes } from "./attributes.js";
import { opsetOf } from "./uses.js";
import type { Reader, Scope, Values } from "./values.js";
import type { View } from "./view.js";

const unary = new Set(["Identity", "Cast", "CastLike", "Neg"]);

export class Passing {
  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
  ) {}

  /** What an operator puts out, output by output; undefined for what is no longer the weight's. */
  async on(view: View, reader: Reader, { int, ints }: Attributes): Promise<(View | undefined)[]> {
    const { node, input, scope } = reader;
    const { opType, domain, inputs } = node;
    if (domain !== "") return [];
    if (opType === "Mul" || (opType === "Div" && input === 0))
      return this.number(scope, inputs[1 - input]) ? [view] : [];
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

  /** A constant of one number. */
  number(scope: Scope, name: string | undefined): OnnxTensor | undefined {
    const tensor = this.tensor(scope, name);
    return tensor?.dims.every((size) => size === 1) ? tensor : undefined;
  }

  private tensor(scope: Scope, name: string | undefined): OnnxTensor | undefined {
    return name ? this.values.tensor(scope, name) : undefined;
  }

  private declared(scope: Scope, name: string | undefined): readonly unknown[] | undefined {
    const graph = name ? this.values.find(scope, name)?.scope.graph : undefined;
    return (graph?.inputs.find((each) => each.name === name) ?? graph?.valueInfo.get(name!))?.dims;
  }

  /** A few int64 that the file has. */
  async numbers(scope: Scope, name: string | undefined): Promise<number[] | undefined> {
    const tensor = this.tensor(scope, name);
    if (tensor?.dataType !== 7 || tensor.byteLength > 256 || tensor.byteLength === 0) return undefined;
    const bytes: Uint8Array[] = [];
    for await (const chunk of onnxTensorChunks(this.model, tensor)) bytes.push(chunk.slice());
    const { buffer } = Uint8Array.from(bytes.flatMap((each) => [...each]));
    return Array.from(new BigInt64Array(buffer), Number);
  }
}

const clamp = (at: number, size: number) => Math.min(size, Math.max(0, at));
