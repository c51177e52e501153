// Embeddings: Gather over a table, in every form that exporters write.
import { ids, type InputTensor, type OnnxCase, plain, weight } from "./cases.js";
import { floats, model, node, tensor, Type, value } from "./graph.js";

const table = weight("W", 96, 16);
const shapes: Record<string, { declared: (number | string)[]; given: number[] }> = {
  "ids of rank 0": { declared: [], given: [] },
  "ids of rank 1": { declared: ["n"], given: [7] },
  "ids of rank 2": { declared: ["batch", "sequence"], given: [2, 5] },
  "ids of rank 3": { declared: ["a", "b", "c"], given: [2, 3, 2] },
  "no ids at all": { declared: ["batch", "sequence"], given: [2, 0] },
};

interface Options {
  declared?: (number | string)[];
  given?: InputTensor;
  axis?: number;
  opset?: number;
  irVersion?: number;
}

function gather(
  name: string,
  { declared = ["batch", "sequence"], given = ids([2, 5], table.rows), axis, ...version }: Options,
  dims: (number | string)[] = [...declared, table.cols],
): OnnxCase {
  const elemType = given.type === "int64" ? Type.int64 : Type.int32;
  return {
    ...{ name, weight: table, inputs: { ids: given }, expect: "compressed" },
    build: (data) =>
      plain(
        model({
          nodes: [
            node("Gather", ["W", "ids"], ["y"], { name: "look", attributes: axis === undefined ? {} : { axis } }),
          ],
          initializers: [floats("W", [table.rows, table.cols], data)],
          inputs: [value("ids", elemType, declared)],
          outputs: [value("y", Type.float, dims)],
          ...version,
        }),
      ),
  };
}

const byShape = Object.entries(shapes).map(([name, { declared, given }]) =>
  gather(`Gather, ${name}`, { declared, given: ids(given, table.rows) }),
);

/** Shaped by another input: no shape inference finds out how many dimensions they have. */
const unknownRank: OnnxCase = {
  ...{ name: "Gather, ids of unknown rank", weight: table, expect: "compressed" },
  inputs: { flat: ids([10], table.rows), shape: { type: "int64", dims: [2], data: BigInt64Array.of(2n, 5n) } },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Reshape", ["flat", "shape"], ["ids"]),
          node("Gather", ["W", "ids"], ["rows"]),
          node("ReduceSum", ["rows"], ["sums"], { attributes: { keepdims: 0 } }),
          node("Reshape", ["rows", "back"], ["y"]),
        ],
        initializers: [
          floats("W", [table.rows, table.cols], data),
          tensor("back", Type.int64, [2], BigInt64Array.of(-1n, BigInt(table.cols))),
        ],
        inputs: [value("flat", Type.int64, [10]), value("shape", Type.int64, ["rank"])],
        outputs: [value("y", Type.float, ["n", table.cols]), value("sums", Type.float, [])],
      }),
    ),
};

const negative: InputTensor = { type: "int64", dims: [4], data: BigInt64Array.of(-1n, 3n, -96n, -85n) };

/** Two nodes that look into one table. */
const twice: OnnxCase = {
  name: "Gather, one table read by two",
  weight: table,
  inputs: { ids: ids([2, 5], table.rows), others: ids([3], table.rows, "int32") },
  expect: "compressed",
  build: (data) =>
    plain(
      model({
        nodes: [node("Gather", ["W", "ids"], ["y"]), node("Gather", ["W", "others"], ["z"])],
        initializers: [floats("W", [table.rows, table.cols], data)],
        inputs: [value("ids", Type.int64, [2, 5]), value("others", Type.int32, [3])],
        outputs: [value("y", Type.float, [2, 5, table.cols]), value("z", Type.float, [3, table.cols])],
      }),
    ),
};

/** Sizes that fill no byte in few bits. */
const odd = weight("W", 91, 21, 17);
const oddSizes: OnnxCase = {
  name: "Gather, a table of odd sizes",
  ...{ weight: odd, inputs: { ids: ids([2, 5], odd.rows) }, expect: "compressed" },
  build: (data) =>
    plain(
      model({
        nodes: [node("Gather", ["W", "ids"], ["y"], { name: "look" })],
        initializers: [floats("W", [odd.rows, odd.cols], data)],
        inputs: [value("ids", Type.int64, [2, 5])],
        outputs: [value("y", Type.float, [2, 5, odd.cols])],
      }),
    ),
};

/** As sentence encoders have it: rows, mean, a linear read-out that stays as it is. */
const pooled: OnnxCase = {
  name: "Gather, then mean and Gemm",
  others: true,
  weight: table,
  inputs: { ids: ids([2, 5], table.rows) },
  expect: "compressed",
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Gather", ["W", "ids"], ["rows"], { name: "/embeddings/word_embeddings/Gather" }),
          node("ReduceMean", ["rows"], ["pooled"], { attributes: { axes: [1], keepdims: 0 } }),
          node("Gemm", ["pooled", "classifier", "bias"], ["logits"], { attributes: { transB: 1 } }),
        ],
        initializers: [
          floats("W", [table.rows, table.cols], data),
          floats("classifier", [3, table.cols], weight("classifier", 3, table.cols, 5).data),
          floats("bias", [3], Float32Array.of(0.5, -0.25, 0)),
        ],
        inputs: [value("ids", Type.int64, ["batch", "sequence"])],
        outputs: [value("logits", Type.float, ["batch", 3])],
        valueInfo: [
          value("rows", Type.float, ["batch", "sequence", table.cols]),
          value("pooled", Type.float, ["batch", table.cols]),
        ],
      }),
    ),
};

const byColumn: OnnxCase = {
  ...gather("Gather along axis 1", { declared: ["n"], given: ids([3], table.cols), axis: 1 }, [table.rows, "n"]),
};

/** The table as indices: an integer one, which is no weight that could be factored. */
const asIndices: OnnxCase = {
  name: "Gather, a constant table of indices",
  weight: weight("W", 8, 6),
  inputs: { data: { type: "float32", dims: [100], data: Float32Array.from({ length: 100 }, (_, i) => i / 3) } },
  expect: "skipped",
  build: () =>
    plain(
      model({
        nodes: [node("Gather", ["data", "W"], ["y"])],
        initializers: [
          tensor(
            "W",
            Type.int64,
            [8, 6],
            BigInt64Array.from({ length: 48 }, (_, i) => BigInt(2 * i)),
          ),
        ],
        inputs: [value("data", Type.float, [100])],
        outputs: [value("y", Type.float, [8, 6])],
      }),
    ),
};

export const gatherCases: readonly OnnxCase[] = [
  ...byShape,
  unknownRank,
  gather("Gather, negative ids", { declared: ["n"], given: negative }),
  gather("Gather, axis 0 written out", { axis: 0 }),
  gather("Gather, axis -2", { axis: -2 }),
  gather("Gather, int32 ids", { given: ids([2, 5], table.rows, "int32") }),
  twice,
  pooled,
  oddSizes,
  byColumn,
  asIndices,
  ...[11, 12, 13, 15, 18, 21].map((opset) => gather(`Gather, opset ${opset}`, { opset })),
  ...[4, 5, 6, 7, 9, 10].map((irVersion) => gather(`Gather, IR version ${irVersion}`, { irVersion })),
  { ...gather("Gather, opset 9", { opset: 9 }), expect: "skipped", reason: /opset 9.*11/ },
];
