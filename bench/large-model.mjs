// A model larger than memory should be: makes an ONNX model with external data (3 GiB, or as many as the argument says), compresses
// it by the command line, and prints the peak of resident memory. Needs twice the size on disk, under the folder of the second argument.
//
//   node bench/large-model.mjs [gibibytes] [folder]
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataLocation,
} from "../build/lib/formats/onnx/onnx_pb.js";
import { uniform } from "../examples/embedding.mjs";

const gibibytes = Number(process.argv[2] ?? 3);
const folder = mkdtempSync(join(process.argv[3] ?? tmpdir(), "loewner-large-"));
const cols = 768;
const rows = Math.round((gibibytes * 2 ** 30) / (4 * cols));
const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
try {
  makeModel();
  // The child tells its own peak on the last line of stderr.
  const teller = new URL("peak.mjs", import.meta.url).href;
  const hook = `data:text/javascript,import{peakBytes}from${JSON.stringify(teller)};process.on('exit',()=>console.error(peakBytes()))`;
  const args = ["compress", "large.onnx", "-o", "small.onnx", "--keep", "0.3", "--method", "lewis", "--json"];
  const started = performance.now();
  const run = spawnSync(process.execPath, ["--import", hook, cli, ...args], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  const report = JSON.parse(run.stdout);
  const peak = Number(run.stderr.trim().split("\n").pop());
  console.log(
    `table ${rows} x ${cols} f32, seed 1, rank ${report.layers[0].rank}, ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  console.log(
    `model ${(report.bytesBefore / 2 ** 30).toFixed(2)} GiB -> ${(report.bytesAfter / 2 ** 30).toFixed(2)} GiB`,
  );
  console.log(
    `peak resident memory ${(peak / 2 ** 30).toFixed(2)} GiB, ${(peak / report.bytesBefore).toFixed(3)} of the model`,
  );
  const written = ["small.onnx", "small.onnx_data"].reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  console.log(`as predicted: ${written === report.bytesAfter}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A table of `rows` tokens near a subspace of 96 dimensions, one row in fifty far away, read by Gather. */
function makeModel() {
  const basis = Float32Array.from({ length: 96 * cols }, (_, i) => uniform(1, i) - 0.5);
  const noise = Float32Array.from({ length: 1 << 20 }, (_, i) => 0.2 * (uniform(2, i) - 0.5));
  const file = openSync(join(folder, "large.onnx_data"), "w");
  const block = new Float32Array(1024 * cols);
  for (let first = 0; first < rows; first += 1024) {
    const count = Math.min(1024, rows - first);
    for (let i = 0; i < count; ++i) {
      const row = first + i;
      const scale = row % 50 === 49 ? 30 : 1;
      const from = Math.floor(uniform(3, row) * (noise.length - cols));
      const [a, b, c] = [0, 1, 2].map((k) => Math.floor(uniform(4, 3 * row + k) * 96) * cols);
      for (let j = 0; j < cols; ++j)
        block[i * cols + j] = scale * (basis[a + j] + basis[b + j] + basis[c + j] + noise[from + j]);
    }
    writeSync(file, block, 0, count * cols * 4);
  }
  closeSync(file);
  const value = (name, elemType, dims) => ({
    name,
    type: {
      tensorType: {
        elemType,
        shape: { dim: dims.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: BigInt(d) })) },
      },
    },
  });
  const entry = (key, text) => ({ key, value: String(text) });
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [{ domain: "", version: 18n }],
    graph: {
      name: "large",
      node: [
        {
          opType: "Gather",
          input: ["word_embeddings.weight", "ids"],
          output: ["rows"],
          name: "embed",
          attribute: [{ name: "axis", type: Kind.INT, i: 0n }],
        },
      ],
      initializer: [
        {
          name: "word_embeddings.weight",
          dataType: 1,
          dims: [BigInt(rows), BigInt(cols)],
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: [entry("location", "large.onnx_data"), entry("offset", 0), entry("length", rows * cols * 4)],
        },
      ],
      input: [value("ids", 7, ["batch", "sequence"])],
      output: [value("rows", 1, ["batch", "sequence", cols])],
    },
  });
  writeFileSync(join(folder, "large.onnx"), toBinary(ModelProtoSchema, model));
}
