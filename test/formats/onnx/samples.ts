/** Models that more than one file of tests needs. */
import { create, toBinary } from "@bufbuild/protobuf";
import { GraphProtoSchema, NodeProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { concat } from "../fixtures.js";
import { graph, message, model, node, tensor, valueInfo, varint } from "./build.js";

/** A table, a product, a constant, an If with a loop inside. */
export function sample(options: { irVersion?: number; metadata?: Record<string, string> } = {}): Uint8Array {
  const body = graph({
    name: "body",
    nodes: [node("Add", ["state", "outer"], ["sum"], {}, { name: "inner add" }), node("Mul", ["sum", "w2"], ["next"])],
    inputs: [valueInfo("i", [], 7), valueInfo("go", [], 9), valueInfo("state")],
    outputs: [valueInfo("go", [], 9), valueInfo("next")],
  });
  const then = graph({
    name: "then",
    nodes: [node("Loop", ["count", "cond", "y"], ["last"], { body }), node("Identity", ["y"], ["unused"])],
    initializers: [tensor("w2", [2, 2], [1, 2, 3, 4])],
    outputs: [valueInfo("last")],
  });
  const otherwise = graph({ name: "else", outputs: [valueInfo("hidden")] });
  return model({
    ...options,
    nodes: [
      node("Gather", ["table", "ids"], ["rows"], { axis: 0 }, { name: "look up" }),
      node("MatMul", ["rows", "w"], ["hidden"]),
      node("Constant", [], ["c"], { value: tensor("", [2, 3], [1, 2, 3, 4, 5, 6]) }, { name: "const" }),
      node("Identity", ["hidden"], ["outer"]),
      node("Identity", ["hidden"], ["y"]),
      node("Clip", ["y", "", "max"], ["clipped"], { half: { float: 0.5 }, name: "é", ints: [1, -1] }),
      node("If", ["cond"], ["out"], { then_branch: then, else_branch: otherwise }, { name: "choose" }),
    ],
    initializers: [
      tensor("table", [4, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
      tensor("w", [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1]),
      tensor("count", [], new BigInt64Array([2n])),
      tensor("max", [], [6]),
    ],
    inputs: [valueInfo("ids", ["batch", 2], 7), valueInfo("cond", [], 9)],
    outputs: [valueInfo("out")],
    valueInfo: [valueInfo("rows", ["batch", 2, 3]), valueInfo("hidden", [0, ""]), valueInfo("c")],
  });
}

/** A model with fields that the schema does not know at every level, in an unusual order, and what is seldom seen. */
export function strange(): Uint8Array {
  const unknown = concat(message(900, "kept"), varint(901, -5));
  const encoded = toBinary(NodeProtoSchema, node("Add", ["x", "w"], ["y"], { alpha: 1 }));
  const inner = message(6, toBinary(GraphProtoSchema, create(GraphProtoSchema, { name: "sub" })), unknown);
  const odd = concat(message(5, message(1, "body"), inner, unknown), message(6, "a doc string"), unknown);
  const weight = concat(
    unknown,
    message(9, new Uint8Array(16)),
    message(8, "w"),
    varint(1, 4),
    varint(2, 1),
    message(12, "doc"),
  );
  const longLength = Uint8Array.of(0x0a, 0x80 | encoded.length, 0x80, 0x00); // a node whose length takes 3 bytes
  const graphBody = concat(
    unknown,
    message(5, weight),
    message(10, "graph doc"),
    longLength,
    encoded,
    message(11, message(1, "x"), unknown),
    message(1, message(4, "If"), message(1, "y"), message(2, "z"), odd),
    message(12, message(1, "z")),
    message(13, message(1, "y"), unknown),
    message(13, message(1, "y")),
    message(16, message(1, "k"), message(2, "v")),
    message(14, message(1, "w"), message(2, "scale")),
    message(15, message(1, message(8, "s"), varint(2, 1), varint(1, 1), message(9, new Uint8Array(4))), varint(3, 9)),
    message(2, "g"),
  );
  return concat(
    message(14, message(1, "first"), message(2, "1"), unknown),
    message(7, graphBody),
    message(8, varint(2, 17), unknown),
    unknown,
    message(20, message(1, message(2, "training")), unknown),
    message(25, message(1, "f"), message(10, "local"), message(7, message(4, "Relu"))),
    message(8, message(1, "local"), varint(2, 1)),
    message(6, "model doc"),
    varint(1, 9),
    message(14, message(1, "second"), message(2, "2")),
  );
}
