// What compress finds in the models of a folder, as exporters write them: layers found of those that are there, tensors that are stored
// once where the file has them twice, float bytes of other tensors that can be stored in halves (--quality small), and those that nothing
// can be done to, with the reason. A table in Markdown.
//
//   node bench/exporters.mjs FOLDER
//
// Every .onnx and .safetensors file of the folder, and model.onnx or model.safetensors of every folder in it.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { onnxModel, safetensorsModel } from "../dist/model/index.js";
import { openModelPath } from "../dist/node.js";

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error("Say which folder: node bench/exporters.mjs FOLDER");
  process.exit(2);
}
const files = readdirSync(folder)
  .flatMap((name) =>
    statSync(join(folder, name)).isDirectory()
      ? ["model.onnx", "model.safetensors"].map((file) => join(name, file))
      : name,
  )
  .filter((name) => /\.(onnx|safetensors)$/.test(name) && existsSync(join(folder, name)));

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const rows = [];
for (const name of files) {
  const open = await openModelPath(join(folder, name));
  const model = open.kind === "onnx" ? await onnxModel(open.file) : safetensorsModel(open.file, open);
  const { layers, byteLength } = model;
  const halvable = new Set(model.floats().map((tensor) => tensor.name));
  const exporter = open.kind === "onnx" ? open.file.producer : "safetensors";
  await open.close();
  const floats = layers.filter(({ dtype }) => /^(F|BF)\d+$/.test(dtype));
  const weights = layers.filter(({ kind }) => kind !== "other");
  const found = weights.filter(({ blocked }) => blocked === undefined);
  const copies = layers.flatMap((layer) => layer.copies ?? []);
  const left = floats.filter(({ blocked }) => blocked !== undefined);
  const halves = left.filter(({ name }) => halvable.has(name));
  const blocked = left.filter(({ name }) => !halvable.has(name));
  const bytes = (list) => list.reduce((sum, each) => sum + each.bytes, 0);
  const others = layers.filter(({ name }) => !halvable.has(name));
  const reasons = [...new Set(others.flatMap((layer) => layer.blocked ?? []))].map((text) => text.replace(/: .*/, ""));
  rows.push([
    name.replace(/(\/model)?\.(onnx|safetensors)$/, ""),
    exporter || "-",
    `${found.length} / ${weights.length}`,
    found
      .filter(({ byDefault }) => byDefault)
      .map(({ kind }) => kind)
      .join(", ") || "-",
    copies.length ? `${copies.length} (${percent(bytes(copies) / byteLength)})` : "-",
    percent(bytes(halves) / byteLength),
    percent(bytes(blocked) / byteLength),
    [...new Set(reasons)].join("; ") || "-",
  ]);
}
const head = [
  "model",
  "written by",
  "layers found",
  "by default",
  "equal tensors (of the file)",
  "halves at most",
  "floats left",
  "why",
];
for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);
