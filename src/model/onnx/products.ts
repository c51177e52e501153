// What multiplies a weight that is not multiplied as it lies: behind operators that pass it on, by Einsum, Conv and fused ones, and where
// rows of such a one are looked up. These read the whole; what is known here tells inputs from outputs, and where activations are.
import type { OnnxModel } from "../../formats/onnx/types.js";
import { type Attributes, attributesOf } from "./attributes.js";
import { contractionOf } from "./einsum.js";
import type { FoundWeight } from "./found-weight.js";
import { Passing } from "./passing.js";
import type { Reader, Scope, Values } from "./values.js";
import { View } from "./view.js";

/** Which axis of a weight's matrix runs over what it is multiplied by. */
export interface Product {
  readonly axis: 0 | 1;
  readonly scope: Scope;
  /** Absent where no value holds rows of just these. `trailing`: its last dimensions that make a row, one unless given. */
  readonly activation?: {
    readonly value: string;
    readonly samples: "rows" | "columns";
    readonly trailing?: number;
    readonly experts?: Experts;
  };
}

/** Matrices of a stack, one below the other on the axis of the inputs: each is multiplied by rows of its own, or all by the same. */
export interface Experts {
  readonly count: number;
  /** Which of the value's dimensions, from the end, runs over them; of size 1, or absent: rows are for all of them. */
  readonly along?: number;
  /** The numbers by which they were taken out of the stack, or the value with these. */
  readonly chosen?: string | readonly number[];
}

/** A stack of matrices of which some are taken. */
interface Taken {
  readonly stack: View;
  readonly chosen: string | readonly number[];
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
const recurrent = new Set(["LSTM", "GRU", "RNN"]);
/** Inputs of all experts together, whose second moments are kept in blocks of one matrix. */
const mostInputs = 4096;
const products = new Set(["MatMul", "Gemm", "FusedMatMul", "FusedGemm", "TransposeMatMul"]);

class Walk implements Indirect {
  readonly products: Product[] = [];
  readonly lookups: IndirectLookup[] = [];
  private readonly passing: Passing;
  private steps = 0;

  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
    private readonly matrix: readonly [number, number],
  ) {
    this.passing = new Passing(model, values);
  }

  /** @param taken the stack that the view is taken out of, and by which numbers */
  async read(view: View, reader: Reader, taken?: Taken): Promise<void> {
    const { node, input, scope } = reader;
    if (++this.steps > mostSteps || input < 0) return;
    const attributes = await attributesOf(this.model, node);
    this.multiply(view, reader, attributes, taken);
    this.lookUp(view, reader, attributes);
    const next = await this.passing.on(view, reader, attributes);
    const out = await this.takenBy(view, reader, attributes);
    for (const [at, each] of next.entries()) {
      const value = each && this.values.find(scope, node.outputs[at] ?? "");
      for (const further of value?.readers ?? []) await this.read(each!, further, out);
    }
  }

  private async takenBy(view: View, { node, scope }: Reader, { int }: Attributes): Promise<Taken | undefined> {
    const { opType, inputs } = node;
    if (opType !== "Gather" || view.dims.length !== 3 || int.get("axis")) return undefined;
    const isFixed = this.values.isConstant(scope, inputs[1]);
    const chosen = isFixed ? await this.passing.numbers(scope, inputs[1]) : inputs[1];
    return chosen === undefined ? undefined : { stack: view, chosen };
  }

  private multiply(view: View, { node, input, scope }: Reader, attributes: Attributes, taken: Taken | undefined): void {
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
    /** A stack of matrices, each summed over `inner`, one of its last two dimensions. */
    const addExperts = (stack: View, inner: number, other: number, along: number | undefined) => {
      const [count, ...each] = stack.dims;
      const part = each.length === 2 && count > 1 ? stack.part([0, inner], this.matrix) : undefined;
      const value = inputs[other] ?? "";
      const isKnown = part?.isWhole && this.matrix[part.axis] <= mostInputs && value !== "";
      if (!isKnown || this.values.isConstant(scope, value)) return false;
      const experts = { count, ...(along !== undefined && { along }), ...(taken && { chosen: taken.chosen }) };
      this.products.push({ axis: part.axis, scope, activation: { value, samples: "rows", experts } });
      return true;
    };
    const isMicrosoft = domain === "com.microsoft";
    if (!isMicrosoft && domain !== "") return;
    if (products.has(opType) && input < 2 && rank >= 2) {
      const flag = (side: number) => attributes.int.get(side === 0 ? "transA" : "transB") === 1;
      const isRight = input === 1;
      const inner = isRight !== flag(input) ? -2 : -1;
      const isRows = isRight !== flag(1 - input);
      if (isRows && addExperts(taken?.stack ?? view, inner, 1 - input, -3)) return;
      // Matrices of a stack whose outputs lie on one axis: the inputs of all of them, together.
      add([inner], 1 - input, isRows ? "rows" : "columns");
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
      const { summed, shared, last, along } = found;
      const isStack = summed.length === 1 && summed[0] > 0 && last === 1 && shared.every((at) => at === 0);
      if (isStack && !taken && addExperts(view, summed[0] - 3, 1 - input, along)) return;
      const samples = last === undefined ? undefined : last === 0 ? "columns" : "rows";
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
}
