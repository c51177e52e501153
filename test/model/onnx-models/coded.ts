// Tables of codes made up at random, put into a model as compress does, and the graphs that read them.
import { bytesSource, memorySink } from "../../../src/formats/index.js";
import { levelsOf } from "../../../src/code-levels.js";
import { f32ToF16 } from "../../../src/formats/half.js";
import { openOnnx } from "../../../src/formats/onnx/open.js";
import type { CodeBits, CodedMatrix } from "../../../src/index.js";
import { onnxModel } from "../../../src/model/index.js";
import type { Operators } from "../../../src/model/model.js";
import type { StoredLayer } from "../../../src/model/stored.js";
import { type BuiltModel, ids, type InputTensor, plain, randomFloats } from "./cases.js";
import { floats, model, node, Type, value } from "./graph.js";
import { uniform } from "./random.js";

export interface Shape {
  rows: number;
  cols: number;
  bits: CodeBits;
  /** Columns that share a scale; a whole row unless given. */
  block?: number;
  /** Beside even steps: a factor of all levels, or levels that are not even. */
  levels?: number | "uneven" | "normal";
}

/** Codes at random, the extreme ones among them; scales between 2^-7 and 2^-5, much larger where steps are small. */
export function coded({ rows, cols, bits, block, levels = 1 }: Shape, seed = 1): CodedMatrix {
  const whole = 8 * Math.ceil(cols / 8);
  const size = Math.min(block ?? whole, whole);
  const paddedCols = Math.ceil(cols / size) * size;
  const count = 2 ** bits;
  // What small steps take from the numbers, scales give back, as far as halves reach.
  const unit = typeof levels === "string" || levels > 2 ** -10 ? 1 : 2 ** 20;
  const level = (code: number) => {
    const even = code - count / 2;
    if (levels === "normal") return 2 ** -9 * levelsOf(bits, "normal").values[code];
    return levels === "uneven" ? Math.sign(even + 0.5) * Math.abs(even + 0.5) ** 1.3 : even * levels;
  };
  const codes = Array.from({ length: rows * paddedCols }, (_, i) => Math.floor(uniform(seed, i) * count));
  const pack = (width: 8 | 4 | 2 | 1, field: (code: number) => number) => {
    const bytesPerRow = (paddedCols * width) / 8;
    const bytes = new Uint8Array(rows * bytesPerRow);
    codes.forEach((code, i) => (bytes[(i * width) >> 3] |= field(code) << ((i * width) & 7)));
    return { bits: width, bytesPerRow, bytes };
  };
  return {
    ...{ kind: "codes", rows, cols, paddedCols, bits, block: size },
    levels: Float32Array.from({ length: count }, (_, code) => level(code)),
    planes:
      bits === 8
        ? [pack(8, (code) => code ^ 0x80)]
        : bits === 3
          ? [pack(2, (code) => code >> 1), pack(1, (code) => code & 1)]
          : [pack(bits, (code) => code)],
    scales: f32ToF16(
      Float32Array.from(
        { length: (rows * paddedCols) / size },
        (_, i) => unit * (2 ** -7 + 2 ** -5 * uniform(seed + 1, i)),
      ),
    ),
  };
}

/** Says nothing that is used here: the error of codes made up is of no interest. */
export const unmeasured = {
  ...{ p: 1, method: "subspace" as const, candidates: [], rowWeights: false, seconds: 0 },
  objective: { lp: 0, l1: 0, l21: 0, l2: 0, worstRow: { row: 0, norm: 0 } },
  certificate: { lower: 0, upper: 1, slack: 1e-6, sigmaNext: 0, bound: 0, rounding: 0 },
};

/** A layer of codes: of rank `rank` with an 8-bit right factor, or dense. */
export function layerOf(shape: Shape, rank: number | undefined, transposed = false): StoredLayer {
  const { rows, cols, bits } = shape;
  const left = coded({ ...shape, cols: rank ?? cols });
  const right = rank === undefined ? undefined : coded({ rows: rank, cols, bits: 8 }, 5);
  return {
    ...{ name: "W", transposed, rows, cols, rank: rank ?? cols, type: `int${bits}` },
    value: { kind: "pair", left, right },
    ...unmeasured,
  };
}

export async function store(original: BuiltModel, layer: StoredLayer, operators: Operators): Promise<BuiltModel> {
  const opened = await onnxModel(await openOnnx(bytesSource(original.bytes, "model.onnx")));
  const [file] = await opened.layOut([layer], { operators });
  const sink = memorySink();
  await file.write(sink);
  return { bytes: sink.bytes() };
}

export interface Reader {
  build(data: Float32Array): BuiltModel;
  readonly inputs: Readonly<Record<string, InputTensor>>;
}

type Parts = Omit<Parameters<typeof model>[0], "initializers">;

export function reader(rows: number, cols: number, inputs: Reader["inputs"], parts: Parts): Reader {
  return { inputs, build: (data) => plain(model({ ...parts, initializers: [floats("W", [rows, cols], data)] })) };
}

/** Gather by ids of every rank. */
export const gathers: Record<string, (rows: number, cols: number) => Reader> = {
  "ids of rank 0": (n, d) => gather(n, d, [], []),
  "ids of rank 1": (n, d) => gather(n, d, [7], ["n"]),
  "ids of rank 2": (n, d) => gather(n, d, [2, 5], ["batch", "sequence"]),
  "ids of unknown rank": (n, d) => ({
    ...reader(
      n,
      d,
      { flat: ids([10], n), shape: { type: "int64", dims: [2], data: BigInt64Array.of(2n, 5n) } },
      {
        nodes: [node("Reshape", ["flat", "shape"], ["ids"]), node("Gather", ["W", "ids"], ["y"])],
        inputs: [value("flat", Type.int64, [10]), value("shape", Type.int64, ["rank"])],
        outputs: [value("y", Type.float)],
      },
    ),
  }),
};

function gather(n: number, d: number, dims: number[], declared: (number | string)[]): Reader {
  return reader(
    n,
    d,
    { ids: ids(dims, n) },
    {
      nodes: [node("Gather", ["W", "ids"], ["y"])],
      inputs: [value("ids", Type.int64, declared)],
      outputs: [value("y", Type.float, [...declared, d])],
    },
  );
}

const head = [node("Transpose", ["W"], ["t"]), node("MatMul", ["x", "t"], ["logits"], { name: "head" })];

/** x W', as an output projection has it. */
function heads(n: number, d: number, dims: number[], declared: (number | string)[], nodes = head): Reader {
  return reader(
    n,
    d,
    { x: randomFloats([...dims, d]) },
    {
      nodes,
      inputs: [value("x", Type.float, [...declared, d])],
      outputs: [value("logits", Type.float, [...declared, n])],
    },
  );
}

export function tied(n: number, d: number): Reader {
  const [dims, declared] = [
    [2, 5],
    ["batch", "sequence"],
  ];
  return reader(
    n,
    d,
    { ids: ids(dims, n), x: randomFloats([...dims, d]) },
    {
      nodes: [node("Gather", ["W", "ids"], ["rows"]), ...head],
      inputs: [value("ids", Type.int64, declared), value("x", Type.float, [...declared, d])],
      outputs: [value("rows", Type.float, [...declared, d]), value("logits", Type.float, [...declared, n])],
    },
  );
}

export const readers: Record<string, (rows: number, cols: number) => Reader> = {
  ...gathers,
  "head of rank 1": (n, d) => heads(n, d, [], []),
  "head of rank 2": (n, d) => heads(n, d, [7], ["n"]),
  "head of rank 3": (n, d) => heads(n, d, [2, 5], ["batch", "sequence"]),
  "head by Gemm": (n, d) =>
    heads(
      n,
      d,
      [7],
      ["n"],
      [node("Gemm", ["x", "W"], ["logits"], { attributes: { transB: 1, alpha: { float: 0.5 } } })],
    ),
  tied,
};
