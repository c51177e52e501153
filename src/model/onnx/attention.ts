// onnxruntime's Attention multiplies by one weight, d x (queries + keys + values), and attends. Where the product goes through factors,
// MultiHeadAttention does the rest, to the same numbers: it takes bias, masks and what is added to scores as Attention does; keys and
// values of before come apart for it, and go together after.
import type { OnnxModel, OnnxNode } from "../../formats/onnx/types.js";
import type { Attributes } from "./attributes.js";
import type { Attribute, Builder } from "./builder.js";
import { type Attending, opsetOf } from "./uses.js";
import { dimsOf, type Reader, type Scope, type Values } from "./values.js";

/** Split and Unsqueeze take sizes and axes as inputs from here on. */
const leastOpset = 13;
const domain = "com.microsoft";

/**
 * @param cols of the product
 * @returns undefined for all other nodes, and for Attention that must read the whole: with rotary embeddings, a buffer that keys of
 *   before and after share, queries and keys of different widths, a mask that may hold starts as well as ends, or an opset below 13
 */
export function attendingOf(
  model: OnnxModel,
  values: Values,
  { node, input, scope }: Reader,
  { int, float, ints }: Attributes,
  cols: number,
): Attending | undefined {
  const { inputs, outputs, opType } = node;
  if (opType !== "Attention" || node.domain !== domain || input !== 1 || opsetOf(model) < leastOpset) return undefined;
  if (int.get("do_rotary") || int.get("past_present_share_buffer") || inputs[6]) return undefined;
  if (!inputs[0] || !outputs[0] || outputs.length > 2) return undefined;
  const [queries, keys, own] = ints.get("qkv_hidden_sizes") ?? [cols / 3, cols / 3, cols / 3];
  if (queries !== keys || !Number.isInteger(queries) || queries + keys + own !== cols) return undefined;
  if (inputs[3] && !isEnds(values, scope, inputs[3], inputs[0])) return undefined;
  const given = (name: string, value: Attribute | undefined) => (value === undefined ? {} : { [name]: value });
  const asFloat = (name: string) => given(name, float.has(name) ? { float: float.get(name)! } : undefined);
  return {
    ...{ queries, keys, values: own },
    attributes: {
      ...{ ...given("num_heads", int.get("num_heads")), ...given("unidirectional", int.get("unidirectional")) },
      ...{ ...asFloat("scale"), ...asFloat("mask_filter_value") },
    },
  };
}

/** Nodes between a mask and what makes it, at most. */
const mostSteps = 8;

/** A mask of two dimensions or more, or of one number a text. */
function isEnds(values: Values, scope: Scope, mask: string, x: string): boolean {
  const at = values.find(scope, mask)?.scope ?? scope;
  const [texts] = dimsOf(values, scope, x) ?? [];
  let name = mask;
  for (let i = 0; i < mostSteps; ++i) {
    const dims = dimsOf(values, at, name);
    if (dims && dims.length !== 1) return true;
    if (dims && texts !== undefined && texts !== "" && dims[0] === texts) return true;
    const maker = at.graph.nodes.find(({ outputs }) => outputs.includes(name));
    // The ends are counted.
    if (maker?.opType === "ReduceSum" || maker?.opType === "EmbedLayerNormalization") return true;
    if (maker?.opType !== "Cast" && maker?.opType !== "Identity") return false;
    [name] = maker.inputs;
  }
  return false;
}

/** Attention over a product that is made already. */
export function writeAttending(
  builder: Builder,
  { inputs, outputs, name }: OnnxNode,
  product: string,
  { queries, keys, values, attributes }: Attending,
): void {
  const [, , bias = "", mask = "", past = "", added = ""] = inputs;
  const [output, present = ""] = outputs;
  const base = name || output;
  const part = (value: string, at: number) =>
    builder.node("Gather", [value, builder.scalar(at)], { name: `${base}/past`, attributes: { axis: 0 } });
  const [query, key, value] = ["query", "key", "value"].map((each) => builder.fresh(each));
  builder.node("Split", [product, builder.vector([queries, keys, values])], {
    ...{ name: `${base}/split`, output: query, further: [key, value], attributes: { axis: -1 } },
  });
  const before = past ? [part(past, 0), part(past, 1)] : [];
  const further = present ? [builder.fresh("present_key"), builder.fresh("present_value")] : [];
  const all = [query, key, value, bias, mask, added, ...before];
  builder.node("MultiHeadAttention", all, { name: base, output, further, attributes, domain });
  if (!present) return;
  const front = further.map((each) =>
    builder.node("Unsqueeze", [each, builder.vector([0])], { name: `${base}/present` }),
  );
  builder.node("Concat", front, { name: `${base}/presents`, output: present, attributes: { axis: 0 } });
}

/** The node as it was, reading another value in the weight's place. */
export function writeAttention(
  builder: Builder,
  { inputs, outputs, name }: OnnxNode,
  weight: string,
  { queries, keys, values, attributes }: Attending,
): void {
  const [x, , ...others] = inputs;
  const [output, ...further] = outputs;
  builder.node("Attention", [x, weight, ...others], {
    ...{ name: name || output, output, further, domain },
    attributes: { ...attributes, ...(values !== keys && { qkv_hidden_sizes: [queries, keys, values] }) },
  });
}
