// node bench/onnx-backend.mjs FOLDER [OUT]: inspects and compresses every .onnx below FOLDER (--layers all --keep 0.5), in this
// one process, and prints what came of each. Made for the backend test models inside the Python package `onnx`
// (onnx/backend/test/data), which hold every operator and every way to store a tensor. Results go below OUT, if it is given.
//
// A tagged error is an outcome; anything else that is thrown is a defect, and makes the exit code 1.
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { createLoewner, isLoewnerError } from "../dist/index.js";
import { memorySink, openOnnx } from "../dist/formats/index.js";
import { compressModel, inspectModel, onnxModel } from "../dist/model/index.js";
import { onnxFolderResolver, openFile } from "../dist/node.js";
import { print } from "./table.mjs";

const [folder, out] = process.argv.slice(2);
if (!folder) {
  console.error("Say which folder: node bench/onnx-backend.mjs FOLDER [OUT]");
  process.exit(2);
}
const entries = await readdir(folder, { recursive: true, withFileTypes: true });
const paths = entries
  .filter((entry) => entry.isFile() && entry.name.endsWith(".onnx"))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();

const loewner = await createLoewner();
const rows = [["model", "outcome", "layers", "bytes", "after"]];
const totals = { compressed: 0, "nothing eligible": 0, refused: 0, defect: 0 };
for (const path of paths) {
  const name = relative(folder, path);
  try {
    const { layers, skipped, bytesBefore, bytesAfter } = await compress(path, out && join(out, name));
    const outcome = layers.length ? "compressed" : "nothing eligible";
    totals[outcome] += 1;
    rows.push([name, outcome, `${layers.length} of ${layers.length + skipped.length}`, bytesBefore, bytesAfter]);
  } catch (error) {
    const outcome = isLoewnerError(error) ? "refused" : "defect";
    totals[outcome] += 1;
    rows.push([name, `${outcome}: ${outcome === "defect" ? error?.stack : error.message}`, "", "", ""]);
  }
}
loewner.dispose();
print(`${paths.length} models below ${folder}`, rows);
console.log(
  `\n${Object.entries(totals)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ")}`,
);
process.exitCode = totals.defect ? 1 : 0;

async function compress(path, target) {
  const source = await openFile(path);
  const external = onnxFolderResolver(path);
  try {
    const model = await onnxModel(await openOnnx(source, { external }));
    await inspectModel(loewner, model);
    const report = await compressModel(loewner, model, { layers: ["all"], keep: 0.5, mainName: "model.onnx" });
    if (target) await save(path, target, report);
    return report;
  } finally {
    await Promise.all([source.close(), external.close()]);
  }
}

async function save(path, target, { layers, files }) {
  await mkdir(dirname(target), { recursive: true });
  for (const { name, write } of files) {
    const sink = memorySink();
    await write(sink);
    await writeFile(name ? join(dirname(target), name) : target, sink.bytes());
  }
  // For checks that want both side by side.
  if (layers.length) await copyFile(path, `${target}.before`);
}
