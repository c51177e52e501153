// Clusters of rows against one subspace and against what `--dtype auto` takes, at equal bytes, on a table of a model.
//
// usage: node bench/row-clusters.mjs MODEL.onnx LAYER [KEEP,... [TYPE,... [GROUPS,...]]]
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { bytesSource, openOnnx } from "../dist/formats/index.js";
import { createLoewner } from "../dist/index.js";
import { compressModel, onnxModel } from "../dist/model/index.js";
import { print } from "./table.mjs";

const [path, layer, keeps = "0.25", types = "f32,int4", groups = "4,8"] = process.argv.slice(2);
const model = await onnxModel(await openOnnx(bytesSource(readFileSync(path), path)));
const loewner = await createLoewner();
const size = await sizesOf();
const counts = groups.split(",").map(Number);

for (const keep of keeps.split(",").map(Number)) {
  const table = [["stored as", "rank", "bytes", "l_2,1 error", "squared error", "seconds"]];
  for (const type of types.split(",")) {
    table.push(await row(`${type}, subspace`, { keep, type, method: "subspace" }));
    for (const count of counts)
      table.push(await row(`${type}, ${count} groups`, { keep, type, method: "clusters", groups: count }));
  }
  table.push(await row("auto", { keep, type: "auto" }));
  print(`${basename(path)}, ${layer}, ${keep} of its bytes, errors beside the table itself`, table);
}
loewner.dispose();

async function row(name, options) {
  const { layers, skipped } = await compressModel(loewner, model, { names: [layer], ...options });
  if (layers.length === 0) return [name, "-", skipped.find((each) => each.name === layer).reason, "-", "-", "-"];
  const [{ rank, bytesAfter, objective, seconds, method, dtype }] = layers;
  const way = name === "auto" ? `auto: ${method === "dense" ? dtype : method}` : name;
  const squares = (objective.l2 / size.l2) ** 2;
  return [way, rank, bytesAfter, (objective.l21 / size.l21).toFixed(4), squares.toFixed(5), seconds.toFixed(1)];
}

/** l_2,1 and l_2 of the table. */
async function sizesOf() {
  const source = model.rows(layer);
  const left = { data: new Float32Array(source.rows), rows: source.rows, cols: 1 };
  return loewner.residual(source, { left, right: { data: new Float32Array(source.cols), rows: 1, cols: source.cols } });
}
