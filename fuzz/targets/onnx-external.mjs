// An ONNX model with external data: where it lies, what is read of it, and the same tensors after writing both anew.
import { FileError } from "../../build/lib/errors.js";
import { bytesSource, layOutOnnx, onnxTensorChunks, openOnnx } from "../../build/lib/formats/index.js";
import { mutateBytes } from "../mutate/bytes.mjs";
import { protobufTree } from "../mutate/protobuf.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { attempt, mutateModel, readAll } from "./onnx.mjs";
import { externalSeed, modelSchema } from "./onnx-seeds.mjs";
import { collect, sameBytes } from "./seeds.mjs";

export async function open() {
  const seed = externalSeed();
  const tree = protobufTree(modelSchema, seed["model.onnx"]);
  return {
    main: "model.onnx",
    input(key, index) {
      const random = new Random(key, "onnx-external", index);
      const files = { ...seed };
      const bytes = seed["model.onnx"];
      files["model.onnx"] = random.chance(0.25) ? mutateBytes(random, bytes) : mutateModel(random, tree, [tree]);
      if (random.chance(0.1)) files["a.bin"] = mutateBytes(random, files["a.bin"]);
      if (random.chance(0.02)) delete files["a.bin"];
      return files;
    },
    async run(files) {
      const opened = await openFiles(files);
      await readAll(opened);
      const { main, external } = layOutOnnx(opened, {}, { externalName: "b.bin" });
      const written = { "model.onnx": await collect(main.chunks()) };
      for (const { name, bytes } of external) written[name] = await collect(bytes.chunks());
      const again = await openFiles(written);
      const [before, after] = [await contentOf(opened), await contentOf(again)];
      if (before.length !== after.length) throw new Mismatch(`${before.length} tensors, then ${after.length}`);
      before.forEach(([name, bytes], i) => {
        const [other, otherBytes] = after[i];
        if (name !== other)
          throw new Mismatch(`tensor ${JSON.stringify(name)} is ${JSON.stringify(other)} after writing`);
        if ((bytes === undefined) !== (otherBytes === undefined) || (bytes && !sameBytes(bytes, otherBytes)))
          throw new Mismatch(`tensor ${JSON.stringify(name)} has other bytes after writing`);
      });
      return external.length > 0 ? "written, external" : "written, inline";
    },
  };
}

function openFiles(files) {
  return openOnnx(bytesSource(files["model.onnx"], "model.onnx"), {
    external(location) {
      if (Object.hasOwn(files, location)) return bytesSource(files[location], location);
      throw new FileError("No such file.", { file: location });
    },
  });
}

/** Names and bytes of all tensors, those in nodes and subgraphs as well; undefined where they have none. */
async function contentOf(model) {
  const nested = model.nested.map(({ tensor }) => tensor);
  const all = [];
  for (const tensor of [...model.graph.initializers.values(), ...nested]) {
    all.push([tensor.name, await attempt(() => collect(onnxTensorChunks(model, tensor)))]);
  }
  return all;
}
