// BERT, DistilBERT, RoBERTa and XLNet with a head of classes, in their published shapes scaled down: layers, tables and names as
// torch.onnx writes them, so that a command which is right for these is right for those on the hub.
import type { NodeProto, TensorProto } from "../../src/formats/onnx/onnx_pb.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "./onnx-models/random.js";

export type Architecture = "bert" | "distilbert" | "roberta" | "xlnet";

export interface GlueModel {
  readonly architecture: Architecture;
  /** Rows of the table of words: as many as the tokenizer has. */
  readonly words: number;
  /** Default 2. */
  readonly classes?: number;
  /** Changes every weight. Default 1. */
  readonly seed?: number;
  /** Texts have at most so many tokens. Default 64. */
  readonly positions?: number;
}

const INT64 = 7;
const FLOAT = 1;
const [width, heads, inner, layers] = [32, 4, 64, 2];
const perHead = width / heads;

/** The bytes of a model. */
export function glueModel({ architecture, words, classes = 2, seed = 1, positions = 64 }: GlueModel): Uint8Array {
  const graph = new Graph(seed, words);
  const logits = architecture === "xlnet" ? xlnet(graph, classes) : bertLike(graph, architecture, classes, positions);
  graph.add("Identity", [logits], "logits");
  const takes = ["input_ids", "attention_mask"];
  if (architecture === "bert" || architecture === "xlnet") takes.push("token_type_ids");
  return model({
    inputs: takes.map((name) => valueInfo(name, ["batch_size", "sequence_length"], INT64)),
    outputs: [valueInfo("logits", ["batch_size", classes])],
    initializers: graph.initializers,
    nodes: graph.nodes,
  });
}

class Graph {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  private made = 0;

  constructor(
    private readonly seed: number,
    readonly words: number,
  ) {}

  add(type: string, inputs: string[], output?: string, attributes: Parameters<typeof node>[3] = {}): string {
    const name = output ?? `/${type}_${++this.made}_output_0`;
    this.nodes.push(node(type, inputs, [name], attributes, { name: name.replace(/_output_0$/, "") }));
    return name;
  }

  /** Some rows of a table lie far from the others, as those of real ones do. */
  weight(name: string, dims: number[], { scale = 0.3, far = 0 } = {}): string {
    const at = this.initializers.length;
    const cols = dims.at(-1)!;
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => {
      const isFar = far > 0 && uniform(this.seed + 900, Math.floor(i / cols)) < far;
      return (isFar ? 8 : 1) * scale * (2 * uniform(100 * this.seed + at, i) - 1);
    });
    this.initializers.push(tensor(name, dims, data));
    return name;
  }

  int64(...values: number[]): string {
    const name = `/Constant_${++this.made}_output_0`;
    this.initializers.push(tensor(name, [values.length], BigInt64Array.from(values, BigInt)));
    return name;
  }

  whole(value: number): string {
    return this.add("Squeeze", [this.int64(value)]);
  }

  scalar(value: number): string {
    const name = `/Constant_${++this.made}_output_0`;
    this.initializers.push(tensor(name, [], [value]));
    return name;
  }

  /** Weights that are multiplied lose their names: onnx::MatMul_123. */
  linear(x: string, name: string, rows: number, cols: number): string {
    const weight = this.weight(`onnx::MatMul_${300 + ++this.made}`, [rows, cols]);
    return this.add("Add", [this.weight(`${name}.bias`, [cols], { scale: 0.01 }), this.add("MatMul", [x, weight])]);
  }

  /** Those of heads keep them. */
  gemm(x: string, name: string, rows: number, cols: number): string {
    const inputs = [x, this.weight(`${name}.weight`, [cols, rows]), this.weight(`${name}.bias`, [cols])];
    return this.add("Gemm", inputs, undefined, { transB: 1 });
  }

  norm(x: string, name: string): string {
    const [scale, bias] = [`${name}.weight`, `${name}.bias`];
    this.initializers.push(tensor(scale, [width], new Float32Array(width).fill(1)));
    return this.add("LayerNormalization", [x, scale, this.weight(bias, [width], { scale: 0.01 })]);
  }

  table(name: string, rows: number, ids: string, far = 0): string {
    return this.add("Gather", [this.weight(name, [rows, width], { far }), ids]);
  }

  /** Length of the sequence, in a list of one. */
  length(ids: string): string {
    return this.add("Slice", [this.add("Shape", [ids]), this.int64(1), this.int64(2)]);
  }

  /** 0 where a token counts, and a large negative number where there is padding: batch x 1 x 1 x sequence. */
  masked(): string {
    const mask = this.add("Cast", ["attention_mask"], undefined, { to: FLOAT });
    const off = this.add("Sub", [this.scalar(1), this.add("Unsqueeze", [mask, this.int64(1, 2)])]);
    return this.add("Mul", [off, this.scalar(-1e9)]);
  }
}

/** BERT, and those that differ from it in tables, names and heads. */
function bertLike(graph: Graph, architecture: Exclude<Architecture, "xlnet">, classes: number, positions: number) {
  const own = `${architecture}.embeddings`;
  const words = graph.table(`${own}.word_embeddings.weight`, graph.words, "input_ids", 0.03);
  const roberta = architecture === "roberta";
  const table = graph.weight(`${own}.position_embeddings.weight`, [positions + (roberta ? 2 : 0), width]);
  const placed = roberta
    ? graph.add("Gather", [table, robertaPositions(graph)])
    : graph.add("Slice", [table, graph.int64(0), graph.length("input_ids"), graph.int64(0)]);
  let x = graph.add("Add", [words, placed]);
  if (architecture === "bert")
    x = graph.add("Add", [x, graph.table(`${own}.token_type_embeddings.weight`, 2, "token_type_ids")]);
  if (roberta) x = graph.add("Add", [x, graph.weight(`${own}.token_type_embeddings.weight`, [1, width])]);
  x = graph.norm(x, `${own}.LayerNorm`);
  const mask = graph.masked();
  for (let layer = 0; layer < layers; ++layer) {
    const name = architecture === "distilbert" ? `distilbert.transformer.layer.${layer}` : `${architecture}.encoder.layer.${layer}`; // prettier-ignore
    x = graph.norm(graph.add("Add", [x, attention(graph, x, mask, `${name}.attention`)]), `${name}.attention.norm`);
    const up = graph.linear(x, `${name}.up`, width, inner);
    const gelu = graph.add("Mul", [up, graph.add("Sigmoid", [graph.add("Mul", [up, graph.scalar(1.702)])])]);
    x = graph.norm(graph.add("Add", [x, graph.linear(gelu, `${name}.down`, inner, width)]), `${name}.norm`);
  }
  const first = graph.add("Gather", [x, graph.whole(0)], undefined, { axis: 1 });
  if (architecture === "distilbert")
    return graph.gemm(graph.add("Relu", [graph.gemm(first, "pre_classifier", width, width)]), "classifier", width, classes); // prettier-ignore
  const [dense, out] = roberta ? ["classifier.dense", "classifier.out_proj"] : ["bert.pooler.dense", "classifier"];
  return graph.gemm(graph.add("Tanh", [graph.gemm(first, dense, width, width)]), out, width, classes);
}

/** From 2 on, and 1 for padding. */
function robertaPositions(graph: Graph): string {
  const isText = graph.add("Cast", [graph.add("Not", [graph.add("Equal", ["input_ids", graph.int64(1)])])], undefined, {
    to: INT64,
  });
  const counted = graph.add("CumSum", [isText, graph.whole(1)]);
  return graph.add("Add", [graph.add("Mul", [counted, isText]), graph.int64(1)]);
}

function attention(graph: Graph, x: string, mask: string, name: string): string {
  const [q, k, v] = ["query", "key", "value"].map((part) => {
    const split = graph.add("Reshape", [graph.linear(x, `${name}.self.${part}`, width, width), graph.int64(0, 0, heads, perHead)]); // prettier-ignore
    return graph.add("Transpose", [split], undefined, { perm: part === "key" ? [0, 2, 3, 1] : [0, 2, 1, 3] });
  });
  const scores = graph.add("Div", [graph.add("MatMul", [q, k]), graph.scalar(Math.sqrt(perHead))]);
  const shares = graph.add("Softmax", [graph.add("Add", [scores, mask])], undefined, { axis: -1 });
  const read = graph.add("Transpose", [graph.add("MatMul", [shares, v])], undefined, { perm: [0, 2, 1, 3] });
  return graph.linear(graph.add("Reshape", [read, graph.int64(0, 0, width)]), `${name}.output.dense`, width, width);
}

/** Sequence first, no table of positions, weights of three dimensions that Einsum reads; relative positions without their shift. */
function xlnet(graph: Graph, classes: number): string {
  const ids = graph.add("Transpose", ["input_ids"], undefined, { perm: [1, 0] });
  let x = graph.table("transformer.word_embedding.weight", graph.words, ids, 0.03);
  const place = sinusoids(graph);
  const mask = graph.masked();
  for (let layer = 0; layer < layers; ++layer) {
    const name = `transformer.layer.${layer}`;
    const part = (each: string, from: string, rule: string) =>
      graph.add("Einsum", [from, graph.weight(`${name}.rel_attn.${each}`, [width, heads, perHead])], undefined, { equation: rule }); // prettier-ignore
    const [q, k, v] = ["q", "k", "v"].map((each) => part(each, x, "ibh,hnd->ibnd"));
    const r = part("r", place, "ih,hnd->ind");
    const biased = (bias: string) => graph.add("Add", [q, graph.weight(`${name}.rel_attn.${bias}`, [heads, perHead])]);
    const content = graph.add("Einsum", [biased("r_w_bias"), k], undefined, { equation: "ibnd,jbnd->bnij" });
    const placed = graph.add("Einsum", [biased("r_r_bias"), r], undefined, { equation: "ibnd,jnd->bnij" });
    const scores = graph.add("Mul", [graph.add("Add", [content, placed]), graph.scalar(1 / Math.sqrt(perHead))]);
    const shares = graph.add("Softmax", [graph.add("Add", [scores, mask])], undefined, { axis: -1 });
    const read = graph.add("Einsum", [shares, v], undefined, { equation: "bnij,jbnd->ibnd" });
    const out = graph.add("Einsum", [read, graph.weight(`${name}.rel_attn.o`, [width, heads, perHead])], undefined, { equation: "ibnd,hnd->ibh" }); // prettier-ignore
    x = graph.norm(graph.add("Add", [x, out]), `${name}.rel_attn.layer_norm`);
    const up = graph.add("Relu", [graph.linear(x, `${name}.ff.layer_1`, width, inner)]);
    x = graph.norm(graph.add("Add", [x, graph.linear(up, `${name}.ff.layer_2`, inner, width)]), `${name}.ff.layer_norm`); // prettier-ignore
  }
  // The head reads the last token, which padding behind a text would be.
  const last = graph.add("Gather", [x, graph.whole(-1)], undefined, { axis: 0 });
  const types = graph.add("Cast", ["token_type_ids"], undefined, { to: FLOAT });
  const seen = graph.add("ReduceMean", [types], undefined, { axes: [1], keepdims: 1 });
  const summary = graph.gemm(graph.add("Add", [last, seen]), "sequence_summary.summary", width, width);
  return graph.gemm(graph.add("Tanh", [summary]), "logits_proj", width, classes);
}

/** Sines and cosines of the places of tokens, worked out as the model runs. */
function sinusoids(graph: Graph): string {
  const length = graph.add("Squeeze", [graph.length("input_ids")]);
  const places = graph.add("Range", [graph.whole(0), length, graph.whole(1)]);
  const turns = graph.weight("inverse_frequencies", [width / 2], { scale: 1 });
  const angles = graph.add("Einsum", [graph.add("Cast", [places], undefined, { to: FLOAT }), turns], undefined, {
    equation: "i,d->id",
  });
  return graph.add("Concat", [graph.add("Sin", [angles]), graph.add("Cos", [angles])], undefined, { axis: -1 });
}
