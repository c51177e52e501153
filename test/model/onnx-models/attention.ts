// A weight that onnxruntime's Attention multiplies by: queries, keys and values side by side.
import { floats, type ModelParts, model, node, tensor, Type, value } from "./graph.js";
import { type InputTensor, type OnnxCase, plain, randomFloats, weight } from "./cases.js";

const W = weight("W", 16, 48, 14);
const h = randomFloats([2, 5, 16]);
const mask = (dims: readonly number[], data: readonly number[]): InputTensor => ({
  ...{ type: "int32", dims, data: Int32Array.from(data) },
});
const whole = mask([2, 5], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);

interface Form {
  /** By the place of the input: those after the bias. */
  readonly inputs?: Readonly<Record<number, InputTensor>>;
  readonly attributes?: Record<string, number | { float: number } | number[]>;
  readonly outputs?: ModelParts["outputs"];
  readonly weight?: typeof W;
  readonly width?: number;
  /** The mask is counted in the graph. */
  readonly counted?: true;
  readonly opset?: number;
  /** Texts, in the shapes that the file has. */
  readonly texts?: string;
}

const names = ["", "", "", "mask", "past", "added"];

function attention(name: string, form: Form = {}): OnnxCase {
  const { inputs = {}, attributes, outputs = [], weight: w = W, width = 16, counted, opset, texts } = form;
  const given = Object.entries(inputs).map(([at, each]) => [names[Number(at)], each] as const);
  const read = names.slice(3).map((each) => (given.some(([own]) => own === each) ? each : ""));
  if (counted) read[0] = "ends";
  return {
    ...{ name: `Attention ${name}`, weight: w, inputs: { h, ...Object.fromEntries(given) }, expect: "compressed" },
    build: (data) =>
      plain(
        model({
          nodes: [
            ...(counted
              ? [
                  opset && opset < 13
                    ? node("ReduceSum", ["mask"], ["sums"], { attributes: { axes: [1], keepdims: 0 } })
                    : node("ReduceSum", ["mask", "last"], ["sums"], { attributes: { keepdims: 0 } }),
                  node("Cast", ["sums"], ["ends"], { attributes: { to: Type.int32 } }),
                ]
              : []),
            node("Attention", ["h", "W", "b", ...read], ["y", ...outputs.map((each) => each.name)], {
              ...{ name: "attend", domain: "com.microsoft", attributes: { num_heads: 2, ...attributes } },
            }),
          ],
          initializers: [
            floats("W", [w.rows, w.cols], data),
            floats("b", [w.cols], weight("b", 2, w.cols / 2, 15).data),
            ...(counted ? [tensor("last", Type.int64, [1], BigInt64Array.of(1n))] : []),
          ],
          inputs: [
            value("h", Type.float, texts === undefined ? [2, 5, 16] : [texts, 5, 16]),
            ...given.map(([own, { type, dims }]) =>
              value(own, type === "int32" ? Type.int32 : Type.float, [texts ?? dims[0], ...dims.slice(1)]),
            ),
          ],
          outputs: [value("y", Type.float, [2, 5, width]), ...outputs],
          domains: { "com.microsoft": 1 },
          ...(opset && { opset }),
        }),
      ),
  };
}

const past = randomFloats([2, 2, 2, 3, 8]);
const present = [value("present", Type.float, [2, 2, 2, 8, 8])];
const longer = mask([2, 8], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]);

/** MultiHeadAttention answers for these. */
export const openedAttention: readonly OnnxCase[] = [
  attention("alone"),
  attention("of each text alone, scaled", { attributes: { unidirectional: 1, scale: { float: 0.2 } } }),
  attention("with a mask", { inputs: { 3: whole } }),
  attention("with a mask of another number", {
    ...{ inputs: { 3: whole }, attributes: { mask_filter_value: { float: -1 }, unidirectional: 1 } },
  }),
  attention("with the ends of texts", { inputs: { 3: mask([2], [5, 3]) }, texts: "texts" }),
  attention("with ends that are counted", { inputs: { 3: whole }, counted: true }),
  attention("with a mask for each token", {
    inputs: { 3: mask([2, 5, 5], [...Array(50).keys()].map((i) => Number(i % 5 <= Math.floor(i / 5) % 5))) }, // prettier-ignore
  }),
  attention("with what comes before, and what comes after", {
    ...{ inputs: { 3: longer, 4: past }, outputs: present, attributes: { unidirectional: 1 } },
  }),
  attention("with what comes after alone", { outputs: [value("present", Type.float, [2, 2, 2, 5, 8])] }),
  attention("with scores that are added to", { inputs: { 5: randomFloats([2, 2, 5, 5]) } }),
  attention("with values of a width of their own", {
    ...{ weight: weight("W", 16, 64, 16), width: 32, attributes: { qkv_hidden_sizes: [16, 16, 32] } },
  }),
];

/** Of these the node reads the whole. */
export const wholeAttention: readonly OnnxCase[] = [
  attention("with ends and starts of texts", { inputs: { 3: mask([4], [5, 4, 0, 1]) } }),
  attention("of an early opset", { inputs: { 3: whole }, counted: true, opset: 12 }),
];
