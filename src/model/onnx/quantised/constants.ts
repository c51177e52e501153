// Constants of a model, whatever leads to them: initializers and Constant nodes, also behind operators that change their shape alone.
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../../formats/onnx/types.js";
import type { Reader, Scope, Value, Values } from "../values.js";

/** A constant, and the nodes that pass it on to whoever asked. */
export interface Constant {
  readonly tensor: OnnxTensor;
  readonly value: Value;
  /** The Constant that holds it. */
  readonly node?: OnnxNode;
  readonly through: readonly OnnxNode[];
}

/** Bytes and their order stay. */
const reshaping = new Set(["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

export class Constants {
  private readonly tensors = new Map<Value, { tensor: OnnxTensor; node?: OnnxNode }>();
  private readonly makers = new Map<Value, { node: OnnxNode; scope: Scope }>();

  constructor(
    model: OnnxModel,
    private readonly values: Values,
  ) {
    for (const scope of values.scopes) {
      const { graph } = scope;
      const inputs = new Set(graph.inputs.map(({ name }) => name));
      for (const tensor of graph.initializers.values()) {
        // A caller may replace it.
        if (model.irVersion >= 4 && inputs.has(tensor.name)) continue;
        this.tensors.set(values.find(scope, tensor.name)!, { tensor });
      }
      for (const node of graph.nodes) {
        const tensor = node.opType === "Constant" && node.domain === "" ? node.tensors.get("value") : undefined;
        for (const name of node.outputs) {
          const value = values.find(scope, name);
          if (value?.scope !== scope) continue;
          if (tensor) this.tensors.set(value, { tensor, node });
          else this.makers.set(value, { node, scope });
        }
      }
    }
  }

  find(scope: Scope, name: string | undefined): Constant | undefined {
    const value = name ? this.values.find(scope, name) : undefined;
    if (!value) return undefined;
    const held = this.tensors.get(value);
    if (held) return { ...held, value, through: [] };
    const maker = this.makers.get(value);
    if (!maker || maker.node.domain !== "" || !reshaping.has(maker.node.opType)) return undefined;
    const before = this.find(maker.scope, maker.node.inputs[0]);
    return before && { ...before, through: [...before.through, maker.node] };
  }

  /** The node that makes a value. */
  makerOf(scope: Scope, name: string | undefined): { node: OnnxNode; scope: Scope } | undefined {
    const value = name ? this.values.find(scope, name) : undefined;
    return value && this.makers.get(value);
  }

  /** What reads a node's only output, where it is one node alone. */
  onlyReader(scope: Scope, { outputs }: OnnxNode): Reader | undefined {
    const value = outputs.length === 1 ? this.values.find(scope, outputs[0]) : undefined;
    return value?.readers.length === 1 && value.outputOf.length === 0 ? value.readers[0] : undefined;
  }
}
