// A text classifier for transformers.js, and what it says after its word table has been compressed. FOLDER is laid out as on the hub:
// config.json, tokenizer.json, onnx/model.onnx.
//
//   npm install loewner @huggingface/transformers
//   node transformers.mjs FOLDER SMALL "a sentence" [keep]
import { env, pipeline } from "@huggingface/transformers";
import { createLoewner } from "loewner";
import { openOnnx } from "loewner/formats";
import { compressModel, onnxModel } from "loewner/model";
import { openFile, writeAllAtomically } from "loewner/node";
import { cp } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

const [folder, small, sentence, keep = "0.5"] = process.argv.slice(2);
const modelOf = (place) => join(place, "onnx", "model.onnx");

await cp(folder, small, { recursive: true, filter: (file) => !file.endsWith(".onnx") });
const file = await openFile(modelOf(folder));
const loewner = await createLoewner({ threads: "auto" });
const model = await onnxModel(await openOnnx(file));
const compressed = await compressModel(loewner, model, { keep: Number(keep), p: 1, mainName: "model.onnx" });
await writeAllAtomically(
  compressed.files.map(({ name, write }) => ({ path: join(small, "onnx", name || "model.onnx"), write })),
);
loewner.dispose();
await file.close();

Object.assign(env, { allowRemoteModels: false, allowLocalModels: true });
for (const [place, bytes] of [
  [folder, compressed.bytesBefore],
  [small, compressed.bytesAfter],
]) {
  env.localModelPath = dirname(resolve(place));
  const classify = await pipeline("text-classification", basename(resolve(place)), { dtype: "fp32", device: "cpu" });
  const [{ label, score }] = await classify(sentence);
  console.log(`${place}: ${bytes} bytes: ${label} ${score.toFixed(3)}`);
  await classify.dispose();
}
