// Operators that lack an input or an output, or have one too many: a checker would refuse such a graph, but files need not come
// from one. What reads a weight so is in the way, and nothing is rewritten around it.
import { describe, expect, test } from "vitest";
import { findWeights } from "../../src/model/onnx/weights.js";
import { node, open, tensor, valueInfo, model } from "../formats/onnx/build.js";

const weight = tensor("W", [4, 3], new Array(12).fill(1));

async function blockedBy(...nodes: ReturnType<typeof node>[]) {
  const bytes = model({ nodes, initializers: [weight], inputs: [valueInfo("x"), valueInfo("ids", ["n"], 7)] });
  const [found] = await findWeights(await open(bytes));
  return found.blocked;
}

describe("is read by an operator that", () => {
  test.each([
    ["has one input of two", node("MatMul", ["W"], ["y"]), "1 inputs and 1 outputs"],
    ["has an input left out", node("MatMul", ["", "W"], ["y"]), "2 inputs and 1 outputs"],
    ["has an input more", node("Gather", ["W", "ids", "x"], ["y"]), "3 inputs and 1 outputs"],
    ["lacks its indices", node("Gather", ["W"], ["y"]), "1 inputs and 1 outputs"],
    ["has no output", node("MatMul", ["x", "W"], []), "2 inputs and 0 outputs"],
    ["has an output without a name", node("MatMul", ["x", "W"], [""]), "2 inputs and 1 outputs"],
    ["has an output more", node("Gemm", ["x", "W"], ["y", "z"]), "2 inputs and 2 outputs"],
    ["passes it on twice", node("Identity", ["W", "W"], ["y"]), "2 inputs and 1 outputs"],
  ])("%s", async (_, reader, counts) => {
    expect(await blockedBy(reader)).toBe(
      `is read by ${reader.opType}, which has ${counts}: not those of that operator`,
    );
  });

  test("is complete", async () => {
    expect(await blockedBy(node("Gemm", ["x", "W", ""], ["y"]))).toBeUndefined();
    expect(await blockedBy(node("Identity", ["W"], ["v"]), node("MatMul", ["x", "v"], ["y"]))).toBeUndefined();
  });
});

test("a chain that doubles at every step is not followed 2^60 times", async () => {
  const chain = Array.from({ length: 60 }, (_, i) => {
    const from = i === 0 ? "W" : `v${i - 1}`;
    return node("Identity", [from, from], [`v${i}`]);
  });
  expect(await blockedBy(...chain)).toMatch(/^is read by Identity, which has 2 inputs/);
});

test("a Constant without an output is no weight", async () => {
  const nodes = [node("Constant", [], [], { value: tensor("", [4, 3], new Array(12).fill(1)) })];
  expect(await findWeights(await open(model({ nodes })))).toEqual([]);
});
