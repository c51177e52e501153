// Where the activations of a graph are that multiply its layers, and the numbers of the rows that its tables are read by.
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Use } from "../onnx/uses.js";
import { type Experts, indirectUses, type Product } from "../onnx/products.js";
import { Values } from "../onnx/values.js";
import { findWeights } from "../onnx/weights.js";

/** A value that a layer multiplies. "rows": its last axis runs over the layer's inputs; "columns": the last but one does. */
export interface Activation {
  readonly value: string;
  readonly samples: "rows" | "columns";
  /** "rows": its last axes, so many, run over the inputs together. Default 1. */
  readonly trailing?: number;
  /** They run over the inputs of one matrix of a stack. */
  readonly experts?: Experts;
}

/** What `value` and the numbers of experts in it are called. */
export const valuesIn = (activations: readonly Activation[]): string[] =>
  activations.flatMap(({ value, experts }) =>
    typeof experts?.chosen === "string" ? [value, experts.chosen] : [value],
  );

/** Activations that are summed up together, and every layer that they multiply. */
export interface Site {
  readonly activations: readonly Activation[];
  /** Inputs of each layer: rows and columns of the second moments. */
  readonly cols: number;
  /** Names of the layers, and which axis of the tensor, as the file has it, runs over the inputs. */
  readonly layers: readonly { readonly name: string; readonly axis: 0 | 1 }[];
}

/** A table, and the values that hold row numbers of it. */
export interface Lookup {
  readonly name: string;
  readonly rows: number;
  readonly indices: readonly string[];
}

export interface Sites {
  /** In the order of the file, by the first layer of each. */
  readonly sites: readonly Site[];
  readonly lookups: readonly Lookup[];
}

/**
 * Only what is read in the main graph is looked at: values of subgraphs cannot be put out.
 * @param chosen names of the layers that are asked for
 */
export async function findSites(model: OnnxModel, chosen: ReadonlySet<string>): Promise<Sites> {
  const constants = constantsOf(model);
  const values = new Values(model);
  const sites = new Map<string, { activations: Activation[]; cols: number; layers: Site["layers"][number][] }>();
  const lookups: Lookup[] = [];
  for (const weight of await findWeights(model, values)) {
    const { name, matrix } = weight;
    if (!chosen.has(name)) continue;
    const inMain = weight.uses.filter(({ scope }) => scope.parent === undefined);
    const indirect = await indirectUses(model, values, weight);
    const { axis, activations } = multiplied(inMain, indirect.products, constants);
    if (activations.length > 0) {
      const key = JSON.stringify(activations);
      const site = sites.get(key) ?? { activations, cols: matrix[axis], layers: [] };
      site.layers.push({ name, axis });
      sites.set(key, site);
    }
    const gathers = inMain.filter(({ op }) => op === "gather");
    const looked = indirect.lookups.filter(({ scope }) => scope.parent === undefined);
    const transposed = gathers[0]?.transposed ?? looked[0]?.axis === 1;
    const indices = unique([
      ...gathers.flatMap((use) => (use.transposed === transposed ? [use.node.inputs[1]] : [])),
      ...looked.flatMap((one) => ((one.axis === 1) === transposed ? (one.indices ?? []) : [])),
    ]);
    const read = indices.filter((value) => !constants.has(value));
    if (read.length > 0) lookups.push({ name, rows: matrix[transposed ? 1 : 0], indices: read });
  }
  return { sites: [...sites.values()], lookups };
}

/**
 * The activations that a weight is multiplied by, each once. A weight that one product takes as it is and another transposed has two
 * sets of inputs: those of the first one count.
 */
function multiplied(
  uses: readonly Use[],
  indirect: readonly Product[],
  constants: ReadonlySet<string>,
): { axis: 0 | 1; activations: Activation[] } {
  const direct = uses.flatMap((use) => {
    const product = productOf(use);
    return product && !constants.has(product.activation.value) ? [product] : [];
  });
  const others = indirect.flatMap(({ axis, scope, activation }) =>
    activation && scope.parent === undefined ? [{ axis, activation }] : [],
  );
  const found: { axis: 0 | 1; activation: Activation }[] = [...direct, ...others];
  const axis = found[0]?.axis ?? 0;
  const activations = found.filter((product) => product.axis === axis).map(({ activation }) => activation);
  const once = new Map(activations.map((activation) => [JSON.stringify(activation), activation]));
  return { axis, activations: [...once.values()] };
}

/** x W sums over the rows of W, W x over its columns. */
function productOf(use: Use): { axis: 0 | 1; activation: Activation } | undefined {
  if (use.op === "gather") return undefined;
  const { node, side, transposed } = use;
  const other = side === "right" ? 0 : 1;
  const flag = use.op === "gemm" && use.attributes.int.get(other === 0 ? "transA" : "transB") === 1;
  const rows = (side === "right") !== flag;
  const activation: Activation = { value: node.inputs[other], samples: rows ? "rows" : "columns" };
  return { axis: (side === "right") === transposed ? 1 : 0, activation };
}

/** Values that no input changes and that the file has as they are. */
function constantsOf({ graph }: OnnxModel): ReadonlySet<string> {
  const made = graph.nodes.filter(({ opType, domain }) => opType === "Constant" && domain === "");
  return new Set([...graph.initializers.keys(), ...graph.sparse, ...made.map(({ outputs }) => outputs[0])]);
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
