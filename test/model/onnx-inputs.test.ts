import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bitsOf, normal, uniform } from "../../src/model/onnx/input-numbers.js";
import { onnxInputs } from "../../src/model/onnx/inputs.js";
import { failure } from "../formats/fixtures.js";
import { graph, type GraphParts, model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";

const INT64 = 7;
const BOOL = 9;
const ids = (name: string, ...dims: (number | string)[]) => valueInfo(name, dims, INT64);

async function inputsOf(parts: GraphParts, options?: Parameters<typeof onnxInputs>[1]) {
  const inputs = await onnxInputs(await open(model({ outputs: [valueInfo("out")], ...parts })), options);
  return Object.fromEntries(inputs.map((input) => [input.name, input]));
}
const passed = (input: string) => node("Identity", [input], ["out"]);
const message = async (...args: Parameters<typeof inputsOf>) =>
  (await failure(inputsOf(...args), "INVALID_INPUT")).message;

test("heads of a cache are as large as the table of cosines says, or the product before them", async () => {
  const past = (name: string) => valueInfo(name, ["batch", 2, "past_length", "kv_cache_dim"]);
  for (const [cosines, size] of [
    [["cos", "cos"], 24],
    [[], 16],
  ] as const) {
    const read = ["q", "", "", "key", "val", "n", "n", ...cosines];
    const heads = { num_heads: 4, kv_num_heads: 2 };
    const made = await inputsOf({
      nodes: [
        node("MatMul", ["x", "qkv"], ["q"]),
        node("GroupQueryAttention", read, ["out", "k", "v"], heads, { domain: "com.microsoft" }),
      ],
      initializers: [
        tensor("qkv", [64, 128], new Float32Array(64 * 128)),
        tensor("cos", [32, 12], new Float32Array(32 * 12)),
        tensor("n", [1], Int32Array.of(1), 6),
      ],
      inputs: [valueInfo("x", ["batch", "sequence", 64]), past("key"), past("val")],
    });
    expect([made.key.shape, made.val.shape]).toEqual([
      [2, 2, 0, size],
      [2, 2, 0, size],
    ]);
  }
});

test("inputs that are row numbers of a turned table stay below its columns", async () => {
  const made = await inputsOf({
    nodes: [node("Transpose", ["head"], ["table"], { perm: [1, 0] }), node("Gather", ["table", "ids"], ["out"])],
    initializers: [tensor("head", [4, 300], new Float32Array(1200))],
    inputs: [ids("ids", "batch", "sequence")],
  });
  expect(made.ids.source).toBe("rows of a table of 300");
});

test("inputs that are row numbers of a scaled table stay below its rows", async () => {
  for (const scaled of [
    ["table", "two"],
    ["two", "table"],
  ]) {
    const made = await inputsOf({
      nodes: [node("Mul", scaled, ["twice"]), node("Gather", ["twice", "ids"], ["out"])],
      initializers: [tensor("table", [300, 4], new Float32Array(1200)), tensor("two", [], [2])],
      inputs: [ids("ids", "batch", "sequence")],
    });
    expect(made.ids.source).toBe("rows of a table of 300");
  }
});

test("inputs that are row numbers inside a branch stay below the table's rows", async () => {
  const branch = (name: string) =>
    graph({ nodes: [node("Gather", ["table", "ids"], [name])], outputs: [valueInfo(name)] });
  const made = await inputsOf({
    nodes: [node("If", ["c"], ["out"], { then_branch: branch("a"), else_branch: branch("b") })],
    initializers: [tensor("table", [300, 4], new Float32Array(1200))],
    inputs: [valueInfo("c", [], BOOL), ids("ids", "batch", "sequence")],
  });
  expect(made.ids.source).toBe("rows of a table of 300");
});

describe("numbers", () => {
  test("known ones: they may not change, since files and reports name the seed", () => {
    const bits = bitsOf(0, "input_ids");
    expect([0, 1, 2].map(bits)).toMatchInlineSnapshot(`
      [
        607760365,
        3672063277,
        3732726274,
      ]
    `);
    expect([0, 1, 2].map(normal(bits))).toMatchInlineSnapshot(`
      [
        1.4217071533203125,
        -0.22576904296875,
        -0.5580902099609375,
      ]
    `);
  });
  test("seed and name change them, position alone does not repeat them", () => {
    const first = (seed: number, name: string) => Array.from({ length: 8 }, (_, i) => bitsOf(seed, name)(i)).join();
    const all = [
      first(0, "a"),
      first(1, "a"),
      first(2 ** 32, "a"),
      first(2 ** 40 + 1, "a"),
      first(0, "b"),
      first(0, "ab"),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(new Set(Array.from({ length: 1e5 }, (_, i) => bitsOf(3, "x")(i))).size).toBeGreaterThan(99_990);
  });
  test("normal: mean, variance and tails; uniform: every value, evenly", () => {
    const x = Array.from({ length: 20_000 }, (_, i) => normal(bitsOf(5, "x"))(i));
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length - 1)).toBeLessThan(0.04);
    expect(Math.abs(x.filter((v) => Math.abs(v) > 2).length / x.length - 0.0455)).toBeLessThan(0.006);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 10_000; ++i) counts[uniform(bitsOf(6, "x"), 5)(i)]++;
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });
});

describe("row numbers of a table", () => {
  const table = (name: string, rows: number) => tensor(name, [rows, 2], new Array(rows * 2).fill(1));

  test("the smallest table that an input reaches bounds it, through what carries numbers on", async () => {
    const { x } = await inputsOf({
      inputs: [ids("x", "batch", 500)],
      initializers: [table("big", 50), table("small", 7), tensor("shape", [1], BigInt64Array.of(-1n))],
      nodes: [
        node("Gather", ["big", "x"], ["a"]),
        node("Cast", ["x"], ["y"], { to: INT64 }),
        node("Reshape", ["y", "shape"], ["z"]),
        node("Identity", ["small"], ["table"]),
        node("Gather", ["table", "z"], ["out"]),
      ],
    });
    expect(x.source).toBe("rows of a table of 7");
    expect(new Set([...x.data].map(Number))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });
  test("a table in a Constant, a quantised one, and a fused operator's", async () => {
    const nodes = [
      node("Constant", [], ["c"], { value: table("", 9) }),
      node("Gather", ["c", "x"], ["a"]),
      node("DequantizeLinear", ["q", "scale"], ["d"]),
      node("Gather", ["d", "y"], ["b"]),
      node(
        "EmbedLayerNormalization",
        ["w", "token_type_ids", "words", "", "types"],
        ["out"],
        {},
        { domain: "com.microsoft" },
      ),
    ];
    const found = await inputsOf({
      inputs: [ids("x", 1), ids("y", 1), valueInfo("w", [1], 6), valueInfo("token_type_ids", [1], 6)],
      initializers: [
        tensor("q", [11, 2], new Int8Array(22), 3),
        tensor("scale", [], [1]),
        table("words", 30),
        table("types", 2),
      ],
      nodes,
    });
    expect(Object.values(found).map(({ source }) => source)).toEqual([
      "rows of a table of 9",
      "rows of a table of 11",
      "rows of a table of 30",
      "rows of a table of 2",
    ]);
  });
  test("not by what is computed, gathered by column, or gathered from", async () => {
    const { x, y } = await inputsOf({
      inputs: [ids("x", 4), ids("y", 4, 2)],
      initializers: [table("t", 5), tensor("i", [1], BigInt64Array.of(0n))],
      nodes: [
        node("Gather", ["t", "x"], ["a"], { axis: 1 }),
        node("Add", ["x", "x"], ["b"]),
        node("Gather", ["t", "b"], ["c"]),
        node("Gather", ["y", "i"], ["out"]),
      ],
    });
    expect([x.source, y.source]).toEqual(["0 or 1", "0 or 1"]);
  });
});

describe("what is made up by type, name and shape", () => {
  test("types and names", async () => {
    const found = await inputsOf({
      inputs: [
        ids("attention_mask", "batch", "sequence"),
        ids("token_type_ids", "batch", "sequence"),
        ids("other", "batch", "sequence"),
        valueInfo("flag", [], BOOL),
        valueInfo("use_cache_branch", [1], BOOL),
        valueInfo("float_mask", [3]),
        valueInfo("half", [2], 10),
        valueInfo("double", [2], 11),
        valueInfo("with_default", [2]),
      ],
      initializers: [tensor("with_default", [2], [1, 2])],
      nodes: [passed("half")],
    });
    const brief = ({ dtype, shape, source }: (typeof found)[string]) => [dtype, shape.join("x"), source];
    expect(Object.fromEntries(Object.entries(found).map(([name, input]) => [name, brief(input)]))).toEqual({
      attention_mask: ["int64", "2x16", "ones"],
      token_type_ids: ["int64", "2x16", "zeros"],
      other: ["int64", "2x16", "0 or 1"],
      flag: ["bool", "", "true"],
      use_cache_branch: ["bool", "1", "false"],
      float_mask: ["float32", "3", "ones"],
      half: ["float16", "2", "normal"],
      double: ["float64", "2", "normal"],
    });
    expect([...found.attention_mask.data]).toEqual(new Array(32).fill(1n));
    expect(found.half.data).toBeInstanceOf(Uint16Array);
    expect([...found.float_mask.data]).toEqual([1, 1, 1]);
  });
  test("dimensions: a symbol has one size, sums are added, what has no name goes by its place", async () => {
    const { kv, mask, image, x } = await inputsOf({
      inputs: [
        valueInfo("kv", ["batch_size", 4, "past_sequence_length", 8]),
        ids("mask", "batch_size", "past_sequence_length + sequence_length"),
        valueInfo("image", ["N", "num_channels", "height", "width"]),
        valueInfo("x", ["", "", 3]),
      ],
      nodes: [passed("x")],
    });
    expect([kv, mask, image, x].map(({ shape }) => shape)).toEqual([
      [2, 4, 0, 8],
      [2, 16],
      [2, 3, 224, 224],
      [2, 16, 3],
    ]);
  });
  test("dims and shapes override, and bind their symbols everywhere, whatever the order", async () => {
    const parts = { inputs: [ids("a", "batch", "past + 1"), ids("b", "batch", "n")], nodes: [passed("a")] };
    expect((await inputsOf(parts, { dims: { batch: 5, past: 7 } })).a.shape).toEqual([5, 8]);
    expect((await inputsOf(parts, { shapes: { b: [6, 3] } })).a.shape).toEqual([6, 1]);
    const data = new BigInt64Array(12);
    const { a, b } = await inputsOf(parts, { given: { b: { dtype: "int64", shape: [4, 3], data, source: "b.npy" } } });
    expect([a.shape, b.data === data, b.source]).toEqual([[4, 1], true, "b.npy"]);
  });
  test("any shape that fits is taken as it is", async () => {
    const dim = fc.record({ fixed: fc.boolean(), size: fc.integer({ min: 0, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(dim, { maxLength: 4 }), async (dims) => {
        const shape = dims.map(({ size }) => size);
        const declared = dims.map(({ fixed, size }, i) => (fixed ? size : `d${i}`));
        // A dimension of 0 in a file means nothing was said.
        fc.pre(!dims.some(({ fixed, size }) => fixed && size === 0));
        const { x } = await inputsOf(
          { inputs: [valueInfo("x", declared)], nodes: [passed("x")] },
          { shapes: { x: shape } },
        );
        expect(x.shape).toEqual(shape);
        expect(x.data.length).toBe(shape.reduce((product, n) => product * n, 1));
      }),
      { numRuns: 30 },
    );
  });
});

describe("refused, saying what there is", () => {
  const parts = { inputs: [ids("ids", "batch", 8), valueInfo("x", [])], nodes: [passed("x")] };
  const array = (dtype: "int64" | "int32", ...shape: number[]) => ({
    dtype,
    shape,
    data: new Int32Array(8),
    source: "a.npy",
  });

  test("a name", async () => {
    expect(await message(parts, { shapes: { idz: [1] } })).toBe(
      'm.onnx has no input "idz"; it takes ids (int64, batch x 8), x (float32, a scalar).',
    );
  });
  test("a type, a shape", async () => {
    expect(await message(parts, { given: { ids: array("int32", 1, 8) } })).toBe(
      'm.onnx: its input "ids" takes int64, but a.npy is int32. Convert it: a.astype("int64").',
    );
    expect(await message(parts, { given: { ids: array("int64", 2, 4) } })).toBe(
      'm.onnx: its input "ids" is batch x 8, but the shape given for it is 2 x 4.',
    );
    expect(await message(parts, { shapes: { x: [1.5] } })).toContain("not made of whole numbers");
  });
  test("a symbol", async () => {
    expect(await message(parts, { dims: { bach: 2 } })).toBe(
      'm.onnx: no input has a dimension "bach"; there are batch.',
    );
    expect(await message(parts, { dims: { batch: -2 } })).toContain("got -2");
  });
  test("what cannot be made up", async () => {
    const one = (input: ReturnType<typeof valueInfo>) => message({ inputs: [input], nodes: [passed(input.name)] });
    expect(await one(valueInfo("x"))).toContain("Give it: --shape x=1,16");
    expect(await one(valueInfo("x", [1], 8))).toContain("strings");
    expect(await one(valueInfo("x", [1], 16))).toContain("bfloat16");
    expect(await one(valueInfo("x", [65536, 65536]))).toContain("at most 4194304 of all inputs are made up");
    const [large, ask] = [valueInfo("x", [2048, 2049]), { shapes: { x: [16385, 16384] } }];
    expect(await one(large)).toContain("Give a shape with --shape x=..., or an array with --inputs.");
    expect(await message({ inputs: [valueInfo("x", ["a", "b"])], nodes: [passed("x")] }, ask)).toContain(
      "at most 268435456 are made up. Give a smaller one",
    );
    const both = [valueInfo("x", [2 ** 11, 2 ** 10]), valueInfo("y", [2 ** 11, 2 ** 10 + 1])];
    expect(await message({ inputs: both, nodes: [passed("x")] })).toMatch(/its input "y" would have 2099200 elements/);
  });
});
