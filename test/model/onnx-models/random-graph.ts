// Random chains of layers: weights shared by several, read through Transposes and Identities, on either side, in Constants.
import fc from "fast-check";
import type { NodeProto, TensorProto, ValueInfoProto } from "../../../src/formats/onnx/onnx_pb.js";
import { type BuiltModel, ids, type InputTensor, plain, randomFloats, weight } from "./cases.js";
import { floats, model, node, Type, value } from "./graph.js";

export interface RandomGraph extends BuiltModel {
  readonly inputs: Record<string, InputTensor>;
  /** One line, for the report of a failure. */
  [fc.toStringMethod](): string;
}

interface Step {
  op: "MatMul" | "MatMul left" | "Gemm" | "Tanh";
  size: number;
  /** What lies between a weight and its use: each letter a Transpose or an Identity. */
  between: ("T" | "I")[];
  constant: boolean;
  transB: boolean;
  bias: boolean;
  alpha: number;
  /** Take an earlier weight of fitting shape, if there is one. */
  reuse: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom("MatMul", "MatMul", "MatMul left", "Gemm", "Tanh"),
  size: fc.constantFrom(12, 16, 21, 24, 40),
  between: fc.array(fc.constantFrom("T", "I"), { maxLength: 3 }),
  constant: fc.boolean(),
  transB: fc.boolean(),
  bias: fc.boolean(),
  alpha: fc.constantFrom(1, 0.5, -2),
  reuse: fc.boolean(),
});

export const randomGraph: fc.Arbitrary<RandomGraph> = fc
  .record({
    start: fc.constantFrom("ids", "numbers"),
    lead: fc.array(fc.constantFrom(1, 3, 12), { minLength: 1, maxLength: 2 }),
    size: fc.constantFrom(12, 16, 21, 24),
    steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    declared: fc.boolean(),
    opset: fc.constantFrom(11, 13, 17, 21),
  })
  .map(({ start, lead, size, steps, ...options }) => {
    const chain = new Chain(start, lead, size);
    steps.forEach((each) => chain.add(each));
    return chain.build(options);
  });

class Chain {
  private readonly nodes: NodeProto[] = [];
  private readonly tensors: TensorProto[] = [];
  private readonly weights: { name: string; rows: number; cols: number }[] = [];
  private readonly told: string[] = [];
  private readonly given: Record<string, InputTensor>;
  private current = "x";
  private count = 0;
  private dims: number[];

  constructor(start: "ids" | "numbers", lead: number[], size: number) {
    this.dims = [...lead, size];
    this.told.push(`${start} [${this.dims.join(", ")}]`);
    if (start === "numbers") {
      this.given = { x: randomFloats(this.dims) };
      return;
    }
    this.given = { ids: ids(lead, 60) };
    const table = this.weight(60, size, { constant: false, reuse: false });
    this.nodes.push(node("Gather", [table, "ids"], ["x"]));
  }

  add(each: Step): void {
    const { op, size } = each;
    const width = this.dims.at(-1)!;
    const inner = this.dims.at(-2)!;
    const isMatrix = this.dims.length === 2;
    if (op === "MatMul")
      this.write(each, [this.current, this.factor(each, width, size)], [...this.dims.slice(0, -1), size]);
    else if (op === "MatMul left" && inner > 1)
      this.write(each, [this.factor(each, size, inner), this.current], [...this.dims.slice(0, -2), size, width]);
    else if (op === "Gemm" && isMatrix) {
      const w = each.transB ? this.factor(each, size, width) : this.factor(each, width, size);
      const bias = each.bias
        ? [this.tensor(floats(`b${this.count}`, [size], randomFloats([size], 5).data as Float32Array))]
        : [];
      this.write(each, [this.current, w, ...bias], [inner, size], {
        transB: Number(each.transB),
        alpha: { float: each.alpha },
      });
    } else this.write({ ...each, op: "Tanh" }, [this.current], this.dims);
  }

  private write(
    { op }: Step,
    inputs: string[],
    dims: number[],
    attributes?: Record<string, number | { float: number }>,
  ): void {
    const output = `h${this.count++}`;
    this.told.push(`${op}(${inputs.join(", ")})`);
    this.nodes.push(node(op.split(" ")[0], inputs, [output], { attributes }));
    [this.current, this.dims] = [output, dims];
  }

  /** The name of a value rows x cols, made from a weight by what lies between. */
  private factor(each: Step, rows: number, cols: number): string {
    const swapped = each.between.filter((letter) => letter === "T").length % 2 === 1;
    let name = swapped ? this.weight(cols, rows, each) : this.weight(rows, cols, each);
    for (const letter of each.between) {
      const next = `t${this.count++}`;
      this.nodes.push(node(letter === "T" ? "Transpose" : "Identity", [name], [next]));
      name = next;
    }
    return name;
  }

  private weight(rows: number, cols: number, { constant, reuse }: Pick<Step, "constant" | "reuse">): string {
    const earlier = reuse && this.weights.find((one) => one.rows === rows && one.cols === cols);
    if (earlier) return earlier.name;
    const name = `W${this.weights.length}`;
    const { data } = weight(name, rows, cols, 20 + this.weights.length);
    this.weights.push({ name, rows, cols });
    if (constant) {
      this.nodes.push(node("Constant", [], [name], { attributes: { value: floats("", [rows, cols], data) } }));
    } else this.tensor(floats(name, [rows, cols], data));
    this.told.push(`${name} [${rows}, ${cols}]${constant ? " constant" : ""}`);
    return name;
  }

  private tensor(made: TensorProto): string {
    this.tensors.push(made);
    return made.name;
  }

  build({ declared, opset }: { declared: boolean; opset: number }): RandomGraph {
    const shaped = (name: string, type: number, dims: readonly number[]): ValueInfoProto =>
      value(name, type, declared ? [...dims] : dims.map((_, i) => `${name}${i}`));
    const [[name, { dims, type }]] = Object.entries(this.given);
    const bytes = model({
      nodes: this.nodes,
      initializers: this.tensors,
      inputs: [shaped(name, type === "int64" ? Type.int64 : Type.float, dims)],
      outputs: [shaped(this.current, Type.float, this.dims)],
      opset,
    });
    const told = `opset ${opset}: ${this.told.join("; ")}`;
    return { ...plain(bytes), inputs: this.given, [fc.toStringMethod]: () => told };
  }
}
