// An open ONNX model as the pipeline sees it.
import { onnxDtypeName, onnxTensorChunks, writeOnnx } from "../../formats/index.js";
import type { OnnxModel, OnnxTensor, StreamedBytes } from "../../formats/onnx/types.js";
import { descriptionText, metadataKey, readDescription } from "../description.js";
import { allTensorsOf } from "../kinds/index.js";
import { isTable, kindOf } from "../layer-names.js";
import { leastShare, type Layer, type LayerKind, type LayOutOptions, type Model, type OutputFile } from "../model.js";
import type { StoredLayer } from "../stored.js";
import { roleOf } from "../safetensors/architectures.js";
import { isHelper } from "./builder.js";
import { bytesOfTensors, isDequantised, layOutChanged, weightRows } from "./float-view.js";
import type { EqualTensor } from "./equal-tensors.js";
import { inlinedModel } from "./functions/inlined.js";
import { rewrite } from "./rewrite.js";
import { copiesIn, type FoundWeight, type Place } from "./found-weight.js";
import { type Indirect, indirectUses } from "./products.js";
import { type Role, Roles } from "./roles.js";
import { Values } from "./values.js";
import { operatorsOf, untouchedTensors } from "./untouched.js";
import { findWeights } from "./weights.js";

/** Files of more have names that are little of them. */
const mostNamed = 2 ** 20;
/** Of a file, what short names have to save. */
const worthRenaming = 0.05;

/** Finds the layers of an open model. */
export async function onnxModel(given: OnnxModel): Promise<Model> {
  const model = await inlinedModel(given);
  const { initializers } = model.graph;
  const shape = (name: string) => initializers.get(name)?.dims;
  const text = model.metadata.get(metadataKey);
  const described = readDescription(text, model.source.name, shape);
  const factors = new Set([...described.values()].flatMap(allTensorsOf));
  const weights = new Map<string, FoundWeight>();
  const layers: Layer[] = [];
  const values = new Values(model);
  const roles = new Roles(model, values);
  for (const weight of await findWeights(model, values)) {
    if (factors.has(weight.name) || isHelper(weight.name)) continue;
    weights.set(weight.name, weight);
    const indirect = weight.blocked === undefined ? await indirectUses(model, values, weight) : none;
    layers.push(layerOf(weight, indirect, roles.of(weight), copiesIn(weight, values)));
  }
  for (const { name, tensor, reason, readers } of untouchedTensors(model, values, leastShare * model.byteLength)) {
    if (factors.has(name) || weights.has(name) || isHelper(name)) continue;
    const { dims, dataType, byteLength: bytes } = tensor;
    const layer = { name, kind: "other" as const, shape: dims, dtype: onnxDtypeName(dataType), bytes };
    layers.push({ ...layer, byDefault: false, transposed: false, blocked: reason, readers });
  }
  const tensor = (name: string) => weights.get(name)?.tensor ?? initializers.get(name)!;

  /** Initializers of the main graph that nobody may set from outside. */
  function halvable(): OnnxTensor[] {
    const inputs = new Set(model.graph.inputs.map(({ name }) => name));
    const isSmallTable = ({ kind, copies }: Layer) => kind === "position" && copies === undefined;
    // What holds the numbers of a layer goes with it.
    const kept = new Set(
      layers.flatMap((layer) =>
        isSmallTable(layer) ? [] : (weights.get(layer.name)?.places.map(({ tensor }) => tensor) ?? []),
      ),
    );
    return [...initializers.values()].filter((tensor) => {
      const { name, rowType, byteLength } = tensor;
      return rowType === "f32" && byteLength > 0 && !inputs.has(name) && !kept.has(tensor) && !factors.has(name);
    });
  }

  let equal: Promise<EqualTensor[]> | undefined;
  /** Read once, when something is written. */
  const equalOnes = () =>
    (equal ??= import("./equal-tensors.js").then(({ equalTensors }) =>
      equalTensors(model, values, ({ name }) => factors.has(name) || isHelper(name)),
    ));

  async function layOut(stored: readonly StoredLayer[], options: LayOutOptions = {}): Promise<OutputFile[]> {
    const replacements = stored.map((layer) => ({ weight: weights.get(layer.name)!, layer }));
    const names = new Set(stored.map(({ name }) => name));
    const { operators, halves: asked } = options;
    // Plans are laid out again and again, mostly without any.
    const joined = await equalOnes();
    const gone = new Set(joined.map(({ tensor }) => tensor));
    const isAsked = (tensor: OnnxTensor) => asked!.has(tensor.name) && !names.has(tensor.name) && !gone.has(tensor);
    const halves = asked ? halvable().filter(isAsked) : [];
    // Where nothing is stored anew, bodies of functions in place of their calls only take more.
    const isKept = model !== given && stored.length + halves.length === 0;
    const { edits, described: added } = isKept
      ? { edits: {}, described: [] }
      : rewrite(model, values, weights.values(), replacements, operators, halves, joined);
    const all = new Map([...described, ...added]);
    const setMetadata = new Map(all.size ? [[metadataKey, descriptionText(all)]] : []);
    const externalName = options.mainName && `${options.mainName}_data`;
    const { main, external } = layOutChanged(isKept ? given : model, { ...edits, setMetadata }, { externalName });
    const fileOf = (name: string, bytes: StreamedBytes): OutputFile => ({
      name,
      byteLength: bytes.byteLength,
      write: (sink, writing) => writeOnnx(sink, bytes, writing),
    });
    const others = external.map(({ name, bytes }) => fileOf(name, bytes));
    const short = options.shortNames && main.byteLength <= mostNamed ? await shortened(main) : undefined;
    const saved = short ? main.byteLength - short.byteLength : 0;
    if (!short || saved < worthRenaming * main.byteLength) return [...others, fileOf("", main)];
    return [...others, { ...fileOf("", { byteLength: short.byteLength, chunks: () => [short] }), saved }];
  }

  return {
    format: "onnx",
    name: model.source.name,
    byteLength: model.byteLength,
    layers,
    described,
    tensorBytes: (name) => tensor(name).byteLength,
    isTaken: () => false, // new names are fresh ones
    rows: (name) => weightRows(model, tensor(name), weights.get(name)?.matrix),
    floats: () => halvable().map((tensor) => weightRows(model, tensor, [tensor.byteLength / 4, 1])),
    async bytes(name) {
      const { byteLength } = tensor(name);
      const all = new Uint8Array(byteLength);
      let at = 0;
      for await (const chunk of onnxTensorChunks(model, tensor(name))) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      return all;
    },
    shape,
    equalConstants: async () =>
      (await equalOnes()).map(({ tensor: { name, byteLength: bytes }, first }) => ({ name, of: first.name, bytes })),
    layOut,
  };
}

async function shortened(bytes: StreamedBytes): Promise<Uint8Array> {
  const { withShortNames } = await import("./short-names.js");
  const all = new Uint8Array(bytes.byteLength);
  let at = 0;
  const write = async (chunk: Uint8Array) => {
    all.set(chunk, at);
    at += chunk.byteLength;
  };
  await writeOnnx({ write }, bytes);
  return withShortNames(all);
}

const none: Indirect = { products: [], lookups: [] };

function layerOf(
  { name, tensor, matrix: shape, uses, places, blocked }: FoundWeight,
  { products, lookups }: Indirect,
  roles: ReadonlySet<Role>,
  copies: readonly Place[],
): Layer {
  const { dataType, byteLength } = tensor;
  const isCoded = isDequantised(tensor);
  const bytes = isCoded ? bytesOfTensors(places.map((place) => place.tensor)) : byteLength;
  const inputAxis = inputAxisOf(uses) ?? products[0]?.axis;
  // Rows that are read one by one are rows of what is fitted.
  const isTurned = lookups.length > 0 ? lookups[0].axis === 1 : undefined;
  const transposed = uses.find(({ op }) => op === "gather")?.transposed ?? isTurned ?? shape[0] < shape[1];
  const kind = kindIn(name, uses, roles, shape);
  // Of what is only multiplied as a whole, nothing tells inputs from outputs.
  const isKnown = uses.length > 0 || roles.has("rows") || roles.has("function");
  const sizes = uses.length === 0 && isTurned ? [shape[1], shape[0]] : outputsFirst(uses, shape);
  const byDefault = blocked === undefined && isKnown && (kind === "tied" || isTable(name, sizes));
  const isMinor = blocked === undefined && roles.size === 0;
  return {
    ...{ name, kind, shape, dtype: onnxDtypeName(dataType), bytes, transposed, byDefault },
    ...((blocked !== undefined || isMinor) && { readers: operatorsOf(places[0].value.readers) }),
    ...(inputAxis !== undefined && { inputAxis }),
    ...(isMinor && { minor: "is neither looked into nor multiplied with" }),
    ...(blocked && { blocked }),
    ...(isCoded && { storedAs: onnxDtypeName(tensor.stored[0].dataType) }),
    ...(shape.join() !== tensor.dims.join() && { dims: tensor.dims }),
    ...(copies.length > 0 && {
      copies: copies.map(({ value, transposed: turned, tensor: { byteLength } }) => ({
        ...{ name: value.name, transposed: turned, bytes: byteLength },
      })),
    }),
  };
}

/** By what reads it; the name tells tables of positions from tables of tokens. */
function kindIn(
  name: string,
  uses: FoundWeight["uses"],
  roles: ReadonlySet<Role>,
  shape: readonly number[],
): LayerKind {
  if (roles.has("rows") && roles.has("multiplied")) return "tied";
  const named = kindOf(name, shape);
  if (roles.has("rows")) return named === "position" ? "position" : "embedding";
  if (uses.length === 0) return roles.has("multiplied") ? "linear" : named;
  const [outputs, inputs] = outputsFirst(uses, shape);
  // Names of operators say nothing: "model.layers.0.mamba.dt_proj.MatMul.weight".
  const module = name.replace(/[./](MatMul|Gemm)(?=\.weight$)/, "");
  return outputs >= 8 * inputs && roleOf(module, [outputs, inputs]) !== "linear" ? "head" : "linear";
}

/** Of a weight that is multiplied; where uses differ that of the first. */
function inputAxisOf(uses: FoundWeight["uses"]): 0 | 1 | undefined {
  const use = uses.find(({ op }) => op !== "gather");
  if (!use || use.op === "gather") return undefined;
  return (use.side === "left") !== use.transposed ? 1 : 0;
}

/** Rows of a table, or outputs of a product, then the width: x W has W's columns as outputs, x W' its rows. */
function outputsFirst(uses: FoundWeight["uses"], [rows, cols]: readonly number[]): [number, number] {
  const [use] = uses;
  if (!use) return [rows, cols];
  const asIs = use.op === "gather" ? !use.transposed : (use.side === "left") !== use.transposed;
  return asIs ? [rows, cols] : [cols, rows];
}
