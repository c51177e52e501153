// node examples/far-rows/main.mjs [FOLDER]: what a few far-away rows do to a compressed table, by SVD and by the l_1 method. The
// model is made by seed (texts.mjs) and run in onnxruntime-web; with a folder the models are saved there.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-web";
import { createLoewner } from "../../dist/index.js";
import { bytesSource, memorySink, openOnnx } from "../../dist/formats/index.js";
import { compressModel, onnxModel } from "../../dist/model/index.js";
import { onnxClassifier } from "./model.mjs";
import { classifier } from "./texts.mjs";

ort.env.wasm.numThreads = 1;
const keeps = [0.72, 0.5, 0.3, 0.15];
const methods = [
  ["svd", { method: "svd", p: 2 }],
  ["l1", { p: 1 }],
];
const folder = process.argv[2];
if (folder) await mkdir(folder, { recursive: true });
const loewner = await createLoewner();

for (const [title, file, farShare] of [
  ["2 rows in 100 are far away, and no text uses them", "far", 0.02],
  ["The same without far rows", "near", 0],
]) {
  const task = classifier({ farShare });
  const original = onnxClassifier(task);
  await save(`${file}.onnx`, original);
  const trained = await accuracy(original, task);
  console.log(`\n${title}: table ${task.rows} x ${task.cols}, ${task.count} texts, ${original.length} bytes
  keep   rank    bytes  SVD             l_1
  1         -  ${original.length}  ${trained.toFixed(4)}          ${trained.toFixed(4)}`);
  for (const keep of keeps) {
    const cells = [];
    let layer, size;
    for (const [label, options] of methods) {
      const small = await compress(original, { keep, ...options });
      await save(`${file}-${label}-${keep}.onnx`, small.bytes);
      [layer, size] = [small.layer, small.bytes.length];
      const share = await accuracy(small.bytes, task);
      cells.push(`${share.toFixed(4)} (${points(share - trained)})`);
    }
    console.log(
      `  ${String(keep).padEnd(4)} ${String(layer.rank).padStart(6)}  ${String(size).padStart(7)}  ${cells.join("  ")}`,
    );
  }
}
loewner.dispose();
console.log(`
Share of texts answered right, and points lost against the model as it was made; under half a point is chance. SVD is best in the
sum of squares, where a far row counts as 25 others or many more: it spends its rank on rows that no text uses. The l_1 method
lets them go. Without far rows the two tie.`);

async function compress(bytes, options) {
  const model = await onnxModel(await openOnnx(bytesSource(bytes, "classifier.onnx")));
  const { files, layers } = await compressModel(loewner, model, { layers: ["word_embeddings.weight"], ...options });
  const sink = memorySink();
  await files.at(-1).write(sink); // the main file; this model has no others
  return { bytes: sink.bytes(), layer: layers[0] };
}

/** Share of the texts whose largest logit is that of their label. */
async function accuracy(bytes, { ids, labels, count, length, classes }) {
  const session = await ort.InferenceSession.create(bytes);
  const { logits } = await session.run({ ids: new ort.Tensor("int64", ids, [count, length]) });
  await session.release();
  let right = 0;
  for (let text = 0; text < count; ++text) {
    const scores = logits.data.subarray(text * classes, (text + 1) * classes);
    right += scores.indexOf(Math.max(...scores)) === labels[text] ? 1 : 0;
  }
  return right / count;
}

function points(difference) {
  const rounded = (100 * difference).toFixed(1);
  return `${difference > 0 ? "+" : ""}${rounded}`.padStart(5);
}

async function save(name, bytes) {
  if (folder) await writeFile(join(folder, name), bytes);
}
