// Weights that are multiplied, or looked into, behind other operators: which axis runs over the inputs, and where these are.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import { bytesSource } from "../../src/formats/index.js";
import { openOnnx } from "../../src/formats/onnx/open.js";
import type { NodeProto } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { calibrate } from "../../src/model/calibrate/calibrate.js";
import { findSites } from "../../src/model/calibrate/sites.js";
import { onnxModel } from "../../src/model/index.js";
import { contractionOf } from "../../src/model/onnx/einsum.js";
import { View } from "../../src/model/onnx/view.js";
import { type InstalledRuntime, loadRuntime } from "../../src/node/onnxruntime.js";
import { randomFloats, weight } from "./onnx-models/cases.js";
import { floats, model, node, tensor, Type, value } from "./onnx-models/graph.js";

let loewner: Loewner;
let runtime: InstalledRuntime;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  runtime = await loadRuntime("web");
});
afterAll(() => loewner.dispose());

const ints = (name: string, ...of: number[]) => tensor(name, Type.int64, [of.length], BigInt64Array.from(of, BigInt));

interface Case {
  /** Of the weight, and of x. */
  dims: number[];
  x: number[];
  nodes: NodeProto[];
  axis: 0 | 1;
  /** How x is made of rows of inputs; absent where no value is. */
  samples?: "rows" | "columns";
}

type Attributes = NonNullable<NonNullable<Parameters<typeof node>[3]>["attributes"]>;

const to = (op: string, from: string[], as: string, attributes: Attributes = {}) =>
  node(op, from, [as], { attributes });
const einsum = (equation: string, inputs = ["x", "W"]) => node("Einsum", inputs, ["y"], { attributes: { equation } });
const product = (w: string) => node("MatMul", ["x", w], ["y"]);
const microsoft = (op: string, inputs: string[], attributes: Attributes = {}) =>
  node(op, inputs, ["y"], { domain: "com.microsoft", attributes });

const cases: Record<string, Case> = {
  "behind Reshape": { dims: [1, 24, 40], x: [2, 3, 24], nodes: [to("Reshape", ["W", "matrix"], "v"), product("v")], axis: 0, samples: "rows" }, // prettier-ignore
  "scaled, by a number on the left": { dims: [24, 40], x: [2, 3, 24], nodes: [to("Mul", ["two", "W"], "v"), product("v")], axis: 0, samples: "rows" }, // prettier-ignore
  "divided and turned": { dims: [40, 24], x: [2, 3, 24], nodes: [to("Div", ["W", "two"], "v"), to("Transpose", ["v"], "t", { perm: [1, 0] }), product("t")], axis: 1, samples: "rows" }, // prettier-ignore
  "one of several outputs of Split": { dims: [24, 40], x: [2, 3, 24], nodes: [node("Split", ["W", "sizes"], ["a", "b"], { attributes: { axis: 1 } }), product("b")], axis: 0, samples: "rows" }, // prettier-ignore
  "every other column": { dims: [24, 40], x: [2, 3, 24], nodes: [to("Slice", ["W", "one", "far", "one", "step"], "v"), product("v")], axis: 0, samples: "rows" }, // prettier-ignore
  "some of its inputs": { dims: [40, 24], x: [2, 3, 20], nodes: [to("Slice", ["W", "zero", "twenty", "zero"], "v"), product("v")], axis: 0 }, // prettier-ignore
  "heads, out of one axis": { dims: [24, 5, 8], x: [2, 3, 24], nodes: [einsum("bsd,dhk->bshk")], axis: 0, samples: "rows" }, // prettier-ignore
  "heads, into one axis": { dims: [4, 6, 40], x: [2, 3, 4, 6], nodes: [einsum("bshk,hkd->bsd")], axis: 0, samples: "rows" }, // prettier-ignore
  "heads of the last axes": { dims: [40, 4, 6], x: [2, 3, 4, 6], nodes: [einsum("ibnd,hnd->ibh")], axis: 1, samples: "rows" }, // prettier-ignore
  "heads in another order": { dims: [4, 6, 40], x: [2, 3, 6, 4], nodes: [einsum("bskh,hkd->bsd")], axis: 0 },
  "Einsum with the weight on the left": { dims: [40, 24], x: [2, 24, 3], nodes: [einsum("fd,bds->bfs", ["W", "x"])], axis: 1, samples: "columns" }, // prettier-ignore
  "Einsum with an ellipsis": { dims: [24, 40], x: [2, 3, 24], nodes: [einsum("...d,df->...f")], axis: 0, samples: "rows" }, // prettier-ignore
  "experts side by side, outputs first": { dims: [4, 40, 24], x: [4, 3, 24], nodes: [to("Transpose", ["W"], "t", { perm: [0, 2, 1] }), product("t")], axis: 1, samples: "rows" }, // prettier-ignore
  "Einsum of experts, outputs first": { dims: [4, 40, 24], x: [4, 3, 24], nodes: [einsum("ebd,efd->ebf")], axis: 1, samples: "rows" }, // prettier-ignore
  "one expert of a stack, outputs first": { dims: [4, 40, 24], x: [2, 3, 24], nodes: [to("Gather", ["W", "which"], "v"), to("Transpose", ["v"], "t", { perm: [1, 0] }), product("t")], axis: 1, samples: "rows" }, // prettier-ignore
  "a convolution of one step": { dims: [40, 24, 1], x: [2, 24, 7], nodes: [to("Conv", ["x", "W"], "y")], axis: 1, samples: "columns" }, // prettier-ignore
  "a convolution of three steps": { dims: [40, 8, 3], x: [2, 8, 7], nodes: [to("Conv", ["x", "W"], "y")], axis: 1 }, // prettier-ignore
  "FusedMatMul, turned": { dims: [40, 24], x: [2, 3, 24], nodes: [microsoft("FusedMatMul", ["x", "W"], { transB: 1 })], axis: 1, samples: "rows" }, // prettier-ignore
  "FusedMatMul with the weight on the left": { dims: [24, 40], x: [2, 24, 3], nodes: [microsoft("FusedMatMul", ["W", "x"], { transA: 1 })], axis: 0, samples: "columns" }, // prettier-ignore
  "FusedGemm": { dims: [40, 24], x: [3, 24], nodes: [microsoft("FusedGemm", ["x", "W"], { transB: 1, activation: "Relu" })], axis: 1, samples: "rows" }, // prettier-ignore
  "queries, keys and values at once": { dims: [24, 72], x: [2, 3, 24], nodes: [microsoft("Attention", ["x", "W", "bias"], { num_heads: 4 })], axis: 0, samples: "rows" }, // prettier-ignore
  "an LSTM": { dims: [1, 32, 24], x: [5, 2, 24], nodes: [node("LSTM", ["x", "W", "back"], ["y"], { attributes: { hidden_size: 8 } })], axis: 1, samples: "rows" }, // prettier-ignore
};

async function openCase({ dims, x, nodes }: Case, extra?: ReturnType<typeof value>) {
  const size = dims.reduce((a, b) => a * b, 1);
  const used = new Set(nodes.flatMap(({ input }) => input));
  const constants = [
    ...[floats("two", [], Float32Array.of(2)), floats("bias", [72], new Float32Array(72))],
    ...[floats("back", [1, 32, 8], weight("b", 32, 8, 3).data), ints("matrix", -1, 40), ints("sizes", 16, 24)],
    ...[ints("zero", 0), ints("one", 1), ints("step", 2), ints("far", 1e9), ints("twenty", 20)],
    tensor("first", Type.int64, [], BigInt64Array.of(0n)),
    tensor("which", Type.int64, [], BigInt64Array.of(2n)),
  ];
  const bytes = model({
    nodes,
    initializers: [floats("W", dims, weight("W", size, 1, 2).data), ...constants.filter(({ name }) => used.has(name))],
    inputs: [value("x", Type.float, x), ...(extra ? [extra] : [])],
    outputs: [value("y", Type.float)],
    domains: { "com.microsoft": 1 },
  });
  return openOnnx(bytesSource(bytes, "model.onnx"));
}

const layerIn = async (each: Case) => (await onnxModel(await openCase(each))).layers.find(({ name }) => name === "W")!;

describe.each(Object.entries(cases))("%s", (_, each) => {
  test("has its input axis", async () => {
    expect(await layerIn(each)).toMatchObject({ inputAxis: each.axis, kind: "linear" });
  });

  test(
    each.samples ? "is calibrated on what multiplies it" : "has no moments: no value holds its inputs alone",
    async () => {
      const open = await openCase(each);
      const x = randomFloats(each.x, 7);
      const feed = { x: { dtype: "float32" as const, shape: each.x, data: x.data as Float32Array } };
      const found = await calibrate(loewner, open, { feeds: [feed], runtime });
      const moments = found.moments.get("W");
      if (!each.samples) return expect(moments).toBeUndefined();
      expect(found.axes.get("W")).toBe(each.axis);
      const { shape } = await layerIn(each);
      const cols = shape[each.axis];
      const data = feed.x.data;
      const rows = data.length / cols;
      const inner = each.x.at(-1)!;
      // Of "columns" each matrix cols x inner lies transposed.
      const at = (row: number, i: number) =>
        each.samples === "rows"
          ? data[row * cols + i]
          : data[Math.floor(row / inner) * cols * inner + i * inner + (row % inner)];
      expect(moments).toMatchObject({ cols, rows });
      for (let i = 0; i < cols; ++i) {
        for (let j = 0; j < cols; ++j) {
          let sum = 0;
          for (let row = 0; row < rows; ++row) sum += at(row, i) * at(row, j);
          expect(moments!.h[i * cols + j]).toBeCloseTo(sum, 4);
        }
      }
    },
  );
});

/** Experts: [4, 24, 40] as a matrix of 96 rows, the inputs of all of them. `of`: those that a row of x comes to. */
describe("experts, whose inputs lie on one axis, have moments each, in blocks", () => {
  const [count, inner] = [4, 24];
  const stack = [count, inner, 40];
  const ask = (x: number[], nodes: NodeProto[], which?: number[]): { case_: Case; chosen?: number[] } => ({
    ...{ case_: { dims: stack, x, nodes, axis: 0 } },
    ...(which && { chosen: which }),
  });
  const taken = [to("Gather", ["W", "k"], "v"), product("v")];
  const everyone = [0, 1, 2, 3];

  test.each<[string, ReturnType<typeof ask>, (row: number) => number[], number[]?]>([
    ["side by side, rows for each", ask([4, 3, 24], [product("W")]), (row) => [Math.floor(row / 3)]],
    ["side by side, the same rows for all", ask([1, 5, 24], [product("W")]), () => everyone],
    ["side by side, rows of two dimensions", ask([5, 24], [product("W")]), () => everyone],
    ["turned", ask([4, 3, 24], [to("Transpose", ["W"], "t", { perm: [0, 2, 1] }), to("Transpose", ["t"], "u", { perm: [0, 2, 1] }), product("u")]), (row) => [Math.floor(row / 3)]], // prettier-ignore
    ["by Einsum", ask([4, 3, 24], [einsum("ebd,edf->ebf")]), (row) => [Math.floor(row / 3)]],
    ["by Einsum, after the batch", ask([3, 4, 24], [einsum("bed,edf->bef")]), (row) => [row % 4]],
    ["by Einsum, the same rows for all", ask([3, 24], [einsum("bd,edf->bef")]), () => everyone],
    ["one taken as the model runs", ask([2, 3, 24], taken, [2]), () => [2]],
    ["one counted from the end", ask([2, 3, 24], taken, [-1]), () => [3]],
    ["one after the other, each with rows of its own", ask([2, 3, 24], [
      ...[to("Gather", ["W", "which"], "v"), to("MatMul", ["x", "v"], "a"), to("Gather", ["W", "first"], "w")],
      ...[to("Neg", ["x"], "z"), to("MatMul", ["z", "w"], "b"), to("Add", ["a", "b"], "y")],
    ]), () => [2, 0]], // prettier-ignore
    ["one taken for each row", ask([3, 1, 24], taken, [2, 0, 2]), (row) => [[2, 0, 2][row]]],
  ])("%s", async (_, { case_, chosen }, of) => {
    const isOne = chosen?.length === 1;
    const extra = chosen && value("k", Type.int64, isOne ? [] : [chosen.length]);
    const open = await openCase(case_, extra);
    const x = randomFloats(case_.x, 7).data as Float32Array;
    const k = chosen && { dtype: "int64" as const, shape: isOne ? [] : [chosen.length], data: BigInt64Array.from(chosen, BigInt) }; // prettier-ignore
    const feed = { x: { dtype: "float32" as const, shape: case_.x, data: x }, ...(k && { k }) };
    const found = await calibrate(loewner, open, { feeds: [feed], runtime });
    expect(found.axes.get("W")).toBe(0);
    const { h, cols } = found.moments.get("W")!;
    expect(cols).toBe(count * inner);
    const wanted = new Float64Array(cols * cols);
    for (let row = 0; row < x.length / inner; ++row)
      for (const expert of of(row))
        for (let i = 0; i < inner; ++i)
          for (let j = 0; j < inner; ++j)
            wanted[(expert * inner + i) * cols + expert * inner + j] += x[row * inner + i] * x[row * inner + j];
    const isSeen = (expert: number) => wanted[expert * inner * (cols + 1)] > 0;
    const seen = everyone.filter(isSeen);
    for (let i = 0; i < cols; ++i) {
      for (let j = 0; j < cols; ++j) {
        const [a, b] = [i, j].map((at) => Math.floor(at / inner));
        // What none of the rows came to has the mean of the others.
        const mean = () => seen.reduce((sum, each) => sum + wanted[(each * inner + (i % inner)) * cols + each * inner + (j % inner)], 0) / seen.length; // prettier-ignore
        const value_ = a !== b ? 0 : isSeen(a) ? wanted[i * cols + j] : mean();
        expect(h[i * cols + j]).toBeCloseTo(value_, 4);
      }
    }
  });

  test("have none where they are too many for one matrix", async () => {
    const wide = { ...ask([64, 1, 80], [product("W")]).case_, dims: [64, 80, 4] };
    const open = await openCase(wide);
    const x = randomFloats(wide.x, 7).data as Float32Array;
    const feed = { x: { dtype: "float32" as const, shape: wide.x, data: x } };
    expect((await calibrate(loewner, open, { feeds: [feed], runtime })).moments.get("W")).toBeUndefined();
  });
});

describe("tables that are looked into behind other operators", () => {
  const look = async (dims: number[], nodes: NodeProto[]) => {
    const size = dims.reduce((a, b) => a * b, 1);
    const bytes = model({
      nodes,
      initializers: [floats("W", dims, weight("W", size, 1, 2).data), floats("two", [], Float32Array.of(2))],
      inputs: [value("ids", Type.int64, ["n"])],
      outputs: [value("y", Type.float)],
    });
    const open = await openOnnx(bytesSource(bytes, "model.onnx"));
    const { lookups } = await findSites(open, new Set(["W"]));
    return { lookups, layer: (await onnxModel(open)).layers.find(({ name }) => name === "W")! };
  };

  test.each<[string, number[], NodeProto[], number, boolean]>([
    ["scaled", [512, 16], [to("Mul", ["W", "two"], "v"), to("Gather", ["v", "ids"], "y")], 512, false],
    ["a dimension of one", [1, 512, 16], [to("Squeeze", ["W"], "v"), to("Gather", ["v", "ids"], "y")], 512, false],
    ["rows that are matrices", [512, 4, 4], [to("Gather", ["W", "ids"], "y")], 512, false],
    ["by its columns", [16, 512], [to("Gather", ["W", "ids"], "y", { axis: 1 })], 512, true],
    ["fewer rows than columns", [32, 64], [to("Mul", ["W", "two"], "v"), to("Gather", ["v", "ids"], "y")], 32, false],
  ])("%s", async (_, dims, nodes, rows, transposed) => {
    const { lookups, layer } = await look(dims, nodes);
    expect(lookups).toEqual([{ name: "W", rows, indices: ["ids"] }]);
    expect(layer.transposed).toBe(transposed);
    if (rows > 100) expect(layer).toMatchObject({ kind: "embedding", byDefault: true });
  });
});

describe("equations", () => {
  test.each([
    ["ij,jk", 1, { summed: [0], shared: [], last: 1 }],
    [" b s d , d f -> b s f ", 1, { summed: [0], shared: [], last: 1 }],
    ["bds,df->bfs", 1, { summed: [0], shared: [], last: 0 }],
    ["dbs,df->bfs", 1, { summed: [0], shared: [] }],
    ["ebd,edf->ebf", 1, { summed: [1], shared: [0], last: 1, along: -3 }],
    ["bd,df,fg->bg", 1, undefined],
    ["bd,dd->b", 1, undefined],
    ["bd,bd->bd", 1, undefined],
    ["bd,...d->b", 1, undefined],
    ["", 1, undefined],
  ] as const)("%j", (equation, side, expected) => {
    expect(contractionOf(equation, side)).toEqual(expected);
  });
});

/** Numbers 0, 1, ... of a weight, moved as a runtime moves them; the view must know what of it is whole, and in order. */
describe("views", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom("turn", "shape", "squeeze", "wrap"), fc.nat(1000)), { maxLength: 6 });
  const dimensions = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 });

  test("say that dimensions are all of an axis only where their indices run over it in order", () => {
    fc.assert(
      fc.property(dimensions, steps, (dims, moves) => {
        const size = dims.reduce((a, b) => a * b, 1);
        const matrix = matrixOf(dims);
        let view = View.of(dims, false);
        let now = dims;
        let order = Array.from({ length: size }, (_, i) => i);
        for (const [move, seed] of moves) {
          const next = moved(view, now, order, move, seed);
          if (next) [view, now, order] = next;
        }
        for (let from = 0; from < now.length; ++from) {
          for (let to = from + 1; to <= now.length; ++to) {
            const axes = Array.from({ length: to - from }, (_, i) => from + i);
            const part = view.part(axes, matrix);
            if (!part?.isWhole) continue;
            // Walking over these dimensions alone walks over the axis alone, from 0 on.
            const inner = now.slice(to).reduce((a, b) => a * b, 1);
            for (let i = 0; i < matrix[part.axis]; ++i) {
              const number = order[i * inner];
              expect(part.axis === 0 ? Math.floor(number / matrix[1]) : number % matrix[1]).toBe(i);
            }
          }
        }
      }),
      { numRuns: 500, seed: 11 },
    );
  });
});

function matrixOf(dims: readonly number[]): [number, number] {
  const size = (part: readonly number[]) => part.reduce((a, b) => a * b, 1);
  const splits = Array.from({ length: dims.length - 1 }, (_, i): [number, number] => [
    size(dims.slice(0, i + 1)),
    size(dims.slice(i + 1)),
  ]);
  return splits.reduce((a, b) => (Math.min(...b) > Math.min(...a) ? b : a));
}

type Moved = [View, number[], number[]];

function moved(view: View, dims: number[], order: number[], move: string, seed: number): Moved | undefined {
  if (move === "turn") {
    const perm = [...dims.keys()];
    for (let i = perm.length - 1, s = seed; i > 0; --i, s = Math.floor(s / 2)) {
      const j = s % (i + 1);
      [perm[i], perm[j]] = [perm[j], perm[i]];
    }
    const next = view.transposed(perm);
    return next && [next, perm.map((axis) => dims[axis]), turned(dims, order, perm)];
  }
  if (move === "squeeze") {
    const next = view.squeezed(undefined);
    return next && [next, dims.filter((n) => n > 1), order];
  }
  if (move === "wrap") {
    const at = seed % (dims.length + 1);
    const next = view.unsqueezed([at]);
    return next && [next, dims.toSpliced(at, 0, 1), order];
  }
  // Two neighbours as one, or one in two.
  const at = seed % Math.max(1, dims.length);
  const factor = [2, 3].find((n) => dims[at] % n === 0 && dims[at] > n);
  const shape =
    seed % 2 && factor
      ? dims.toSpliced(at, 1, factor, dims[at] / factor)
      : at + 1 < dims.length
        ? dims.toSpliced(at, 2, dims[at] * dims[at + 1])
        : dims;
  const next = view.reshaped(shape);
  return next && [next, shape, order];
}

function turned(dims: readonly number[], order: readonly number[], perm: readonly number[]): number[] {
  const strides = dims.map((_, at) => dims.slice(at + 1).reduce((a, b) => a * b, 1));
  const sizes = perm.map((axis) => dims[axis]);
  return order.map((_, flat) => {
    let rest = flat;
    let from = 0;
    for (let at = sizes.length - 1; at >= 0; --at) {
      from += (rest % sizes[at]) * strides[perm[at]];
      rest = Math.floor(rest / sizes[at]);
    }
    return order[from];
  });
}
