// loewner compress on ONNX files: the same bytes as the library writes, external data beside them, and a word when nothing is done.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compress } from "../model/onnx-models/compressing.js";
import { run as runModel } from "../model/onnx-models/session.js";
import { type BuiltModel, onnxCases, type OnnxCase } from "../model/onnx-models.js";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { randomFloats, weight } from "../model/onnx-models/cases.js";
import { floats, model, node, Type, value } from "../model/onnx-models/graph.js";
import { bytesOf, listing, run, temporaryFolder } from "./run.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const named = (name: string): OnnxCase => onnxCases.find((each) => each.name === name)!;

/** A folder of its own with the model in it. */
function folderWith({ bytes, external = new Map<string, Uint8Array>() }: BuiltModel): string {
  const folder = temporaryFolder();
  for (const [name, data] of [["model.onnx", bytes] as const, ...external]) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), data);
  }
  return folder;
}

/** One product, x W. */
function dense(rows: number, cols: number): BuiltModel {
  const bytes = model({
    nodes: [node("MatMul", ["x", "W"], ["y"], { name: "dense" })],
    initializers: [floats("W", [rows, cols], weight("W", rows, cols, 4).data)],
    inputs: [value("x", Type.float, ["n", rows])],
    outputs: [value("y", Type.float, ["n", cols])],
  });
  return { bytes };
}

const compressTo = (folder: string, ...more: string[]) =>
  run(
    folder,
    "compress",
    "model.onnx",
    "-o",
    "small.onnx",
    "--layers",
    "all",
    "--keep",
    "0.5",
    "--dtype",
    "f32",
    "--seed",
    "3",
    ...more,
  );

describe("compress on ONNX", () => {
  it.each([
    "Gather, then mean and Gemm",
    "MatMul, weight in a Constant node",
    "Tied table, Transpose and MatMul, hidden of rank 3",
    "external data in one file",
    "external data in several files",
  ])("writes what the library makes: %s", async (name) => {
    const { build, weight, inputs } = named(name);
    const original = build(weight.data);
    const folder = folderWith(original);
    const { status, stdout, stderr } = compressTo(folder, "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const small = await compress(loewner, original, { layers: ["all"], keep: 0.5, seed: 3, mayGrow: false });
    expect(bytesOf(folder, "small.onnx").equals(small.bytes)).toBe(true);
    for (const [beside, data] of small.external ?? []) expect(bytesOf(folder, beside).equals(data)).toBe(true);
    const { layers, skipped, bytesBefore, bytesAfter } = JSON.parse(stdout) as (typeof small)["report"];
    expect(layers.map((layer) => layer.name)).toEqual(small.report.layers.map((layer) => layer.name));
    expect({ skipped, bytesBefore, bytesAfter }).toEqual({
      skipped: small.report.skipped,
      bytesBefore: small.report.bytesBefore,
      bytesAfter: small.report.bytesAfter,
    });
    const outputs = await runModel({ bytes: bytesOf(folder, "small.onnx"), external: small.external }, inputs);
    expect(Object.values(outputs).every(({ data }) => data.every(Number.isFinite))).toBe(true);
  });

  it("stores layers in as many bits as fit with --dtype trellis, proves what is stored, and refuses words of ranks", async () => {
    const original = dense(128, 80);
    const folder = folderWith(original);
    const inputs = { x: randomFloats([3, 128]) };
    const asked = ["compress", "model.onnx", "-o", "small.onnx", "--layers", "all", "--dtype", "trellis"];
    const { status, stdout, stderr } = run(folder, ...asked, "--keep", "0.25", "--verify", "--verbose");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^W {2}80 x 128 -> 7 bits an entry, trellis \(/m);
    expect(stdout).toMatch(/7 bits an entry: the most that 0\.25 of its 40960 bytes hold/);
    const { y } = await runModel({ bytes: bytesOf(folder, "small.onnx") }, inputs);
    const { y: wanted } = await runModel(original, inputs);
    const size = Math.hypot(...wanted.data);
    expect(Math.hypot(...y.data.map((x, i) => x - wanted.data[i]))).toBeLessThan(0.03 * size);
    const refused = run(folder, ...asked, "--rank", "4", "--force");
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(
      /--rank is for factors; trellis codes are made for a size: --keep, --budget or --bytes/,
    );
  });

  it("says of a float tensor that stays its shape, what reads it, and why", () => {
    const bytes = model({
      nodes: [node("MatMul", ["x", "W"], ["y"]), node("Add", ["y", "bias"], ["z"])],
      initializers: [floats("W", [96, 64], weight("W", 96, 64, 4).data), floats("bias", [64], new Float32Array(64))],
      inputs: [value("x", Type.float, ["n", 96])],
      outputs: [value("z", Type.float, ["n", 64])],
    });
    const { status, stdout } = compressTo(folderWith({ bytes }));
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nLeft alone:\n {2}bias \(64, read by Add\): has one dimension\n/);
  });

  it("leaves a layer as it is that would make the file larger, and says so", () => {
    const folder = folderWith(dense(24, 40));
    const asked = ["compress", "model.onnx", "-o", "small.onnx", "--dtype", "trellis", "--keep", "0.25"];
    for (const more of [["all"], ["all", "--quiet"], ["W"]]) {
      const { status, stdout, stderr } = run(folder, ...asked, "--layers", ...more);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(
        /Nothing of model\.onnx was compressed.* W: would not shrink: with it as trellis the file/,
      );
      expect(listing(folder)).toEqual(["model.onnx"]);
    }
  });

  it("says that nothing could be done, and why, and writes nothing", () => {
    const { build, weight } = named("weight that is a graph output");
    const { bytes } = build(weight.data);
    const folder = folderWith({ bytes });
    for (const more of [[], ["--quiet"], ["--layers", "W"]]) {
      const { status, stdout, stderr } = compressTo(folder, ...more);
      expect(status).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toBe(
        'loewner: Nothing of model.onnx was compressed, and nothing was written. W: is an output of the model itself. "loewner inspect" lists what there is.\n',
      );
      expect(listing(folder)).toEqual(["model.onnx"]);
    }
  });

  it("says which tensors were equal, and writes them once though nothing is compressed", () => {
    const { build, weight } = named("Gather, then mean and Gemm");
    const message = fromBinary(ModelProtoSchema, build(weight.data).bytes);
    const table = message.graph!.initializer.find(({ name }) => name === "W")!;
    message.graph!.initializer.push({ ...table, name: "again" });
    message.graph!.node.push(node("Gather", ["again", message.graph!.input[0].name], ["more"]));
    message.graph!.output.push(value("more", Type.float));
    const folder = folderWith({ bytes: toBinary(ModelProtoSchema, message) });
    const { status, stdout } = compressTo(folder, "--exclude", "*");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Equal tensors are stored once: again \(W\)\nNo layer was compressed/);
    expect(bytesOf(folder, "small.onnx").length).toBeLessThan(bytesOf(folder, "model.onnx").length);
    const inspected = run(folder, "inspect", "model.onnx", "--no-spectrum").stdout;
    expect(inspected).toMatch(/\n1 copy of a layer /);
    expect(inspected).toContain("Equal tensors, stored once in any result: again (W)");
  });

  it("names vectors too that another equals, and of row weights the rows without a count", async () => {
    const vector = Float32Array.from({ length: 256 }, (_, i) => i);
    const bytes = model({
      nodes: [
        node("Gather", ["W", "ids"], ["h"]),
        node("Add", ["h", "first"], ["a"]),
        node("Mul", ["a", "second"], ["y"]),
      ],
      initializers: [
        floats("W", [300, 256], weight("W", 300, 256, 4).data),
        floats("first", [256], vector),
        floats("second", [256], vector),
      ],
      inputs: [value("ids", Type.int64, ["n"])],
      outputs: [value("y", Type.float, ["n", 256])],
    });
    const folder = folderWith({ bytes });
    const counts = memorySink();
    await writeNpy(counts, { data: Float64Array.from({ length: 290 }, (_, i) => i + 1), shape: [290] });
    writeFileSync(join(folder, "counts.npy"), counts.bytes());
    const { stdout } = compressTo(folder, "--row-weights", "counts.npy", "--json");
    const { joined, notes } = JSON.parse(stdout) as { joined: object[]; notes: string[] };
    expect(joined).toEqual([{ name: "second", of: "first", transposed: false, bytes: 1024 }]);
    expect(notes).toEqual(["counts.npy has 290 counts, the table 300 rows: those beyond them count as never read."]);
  });

  it("checks what it wrote: certificate, and both models run", () => {
    const { build, weight } = named("Gather, then mean and Gemm");
    const folder = folderWith(build(weight.data));
    const { status, stdout } = compressTo(folder, "--verify", "--runtime", "web");
    expect(status).toBe(0);
    expect(stdout).toMatch(/ok +W\n/);
    expect(stdout).toMatch(/logits +f32/);
  });

  it("refuses external data outside the model's folder", () => {
    const { build, weight } = named("external data in one file");
    const original = build(weight.data);
    const folder = folderWith(original);
    const inner = join(folder, "inner");
    mkdirSync(inner);
    const escaped = Buffer.from(original.bytes).toString("latin1").replaceAll("model.onnx_data", "../model.onnx_d");
    writeFileSync(join(inner, "model.onnx"), Buffer.from(escaped, "latin1"));
    const { status, stderr } = run(
      inner,
      "compress",
      "model.onnx",
      "-o",
      "small.onnx",
      "--keep",
      "0.5",
      "--dtype",
      "f32",
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/\.\.\/model\.onnx_d/);
    expect(listing(inner)).toEqual(["model.onnx"]);
  });
});
