import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as formats from "../../src/formats/index.js";
import * as nodeFile from "../../src/node/files/file.js";

test("the public names", () => {
  expect(Object.keys(formats)).toMatchInlineSnapshot(`
    [
      "blobSource",
      "bytesSource",
      "memorySink",
      "readChunks",
      "openHttp",
      "bf16ToF32",
      "decodeNumbers",
      "encodeNumbers",
      "f16ToF32",
      "f32ToBf16",
      "f32ToF16",
      "defaultLimits",
      "onnxDtypeName",
      "onnxRowType",
      "onnxTensorBytes",
      "httpResolver",
      "layOutOnnx",
      "MAX_ONNX_FILE",
      "writeOnnx",
      "openOnnx",
      "readNode",
      "onnxRows",
      "onnxTensorChunks",
      "openNpy",
      "readNpyHeader",
      "readNpyArray",
      "readNpz",
      "npyHeader",
      "NpyRowWriter",
      "writeNpy",
      "findTensor",
      "MAX_SAFETENSORS_HEADER",
      "openSafetensors",
      "tensorChunks",
      "tensorRows",
      "dtypeBits",
      "dtypeOf",
      "isSafetensorsDtype",
      "rowTypeOf",
      "safetensorsDtypes",
      "tensorBytes",
      "openSafetensorsIndex",
      "writeSafetensorsIndex",
      "layOutSafetensors",
      "writeSafetensors",
    ]
  `);
  expect(Object.keys(nodeFile)).toMatchInlineSnapshot(`
    [
      "openFile",
      "checkTarget",
      "writeAtomically",
      "writeAllAtomically",
    ]
  `);
});

test("only files named node-*.ts need node:, and no format knows of wasm", () => {
  const folder = fileURLToPath(new URL("../../src/formats/", import.meta.url));
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts") || name.endsWith("_pb.ts")) continue;
    const from = [...readFileSync(folder + name, "utf8").matchAll(/ from "([^"]+)"/g)].map((match) => match[1]);
    const onDisk = /(^|[/\\])node-[^/\\]*$/.test(name);
    const allowed = onDisk
      ? /^(\.\.?\/|node:)/
      : /^(\.\/(?!node-)|(\.\.\/){1,2}(errors|half|location|matrix|option-names)\.js$|\.\.\/(bytes|http-bytes|inner-path|json|limits|sniff)\.js$|@bufbuild\/)/;
    expect(from.filter((path) => !allowed.test(path) || /\/(kernel|engine|geometry|model|cli)\//.test(path))).toEqual(
      [],
    );
  }
});
