// A folder of its own for each test, and what is found of models in it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeEach } from "vitest";
import type { NodeProto, TensorProto } from "../../../src/formats/onnx/onnx_pb.js";
import { type Model, onnxModel, safetensorsModel } from "../../../src/model/index.js";
import { openModelPath } from "../../../src/node/open.js";
import { weight } from "../../model/onnx-models/cases.js";
import { floats, model, node, Type, value } from "../../model/onnx-models/graph.js";

export function reportFolder() {
  const parent = mkdtempSync(join(tmpdir(), "loewner-reports-"));
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(parent, "one-"));
  });
  afterAll(() => rmSync(parent, { recursive: true }));
  return {
    path: () => folder,
    put(name: string, bytes: Uint8Array | string): string {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
      return path;
    },
  };
}

export async function opened(path: string): Promise<Pick<Model, "layers"> & { others: readonly string[] }> {
  const open = await openModelPath(path);
  const found = open.kind === "onnx" ? await onnxModel(open.file) : safetensorsModel(open.file);
  await open.close();
  return { layers: found.layers, others: open.others };
}

export const [rows, cols] = [64, 8];
export const { data } = weight("W", rows, cols);
export const W = floats("W", [rows, cols], data);
export const ids = value("ids", Type.int64, ["n"]);

/** An ONNX model with a table W that rows are taken from. */
export function table(
  nodes: NodeProto[] = [node("Gather", ["W", "ids"], ["y"])],
  initializers: TensorProto[] = [W],
  rest = {},
) {
  return model({ nodes, initializers, inputs: [ids], outputs: [value("y", Type.float)], ...rest });
}
