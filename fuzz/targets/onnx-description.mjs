// What a compressed ONNX file says of its factors, in its metadata: read, and verified by it.
import { createLoewner } from "../../build/lib/create.js";
import { bytesSource, openOnnx } from "../../build/lib/formats/index.js";
import { onnxModel } from "../../build/lib/model/index.js";
import { jsonTree, mutateJson, writeJson } from "../mutate/json.mjs";
import { copyTree, fieldsOf, mutateProtobuf, protobufTree, writeProtobuf } from "../mutate/protobuf.mjs";
import { Random } from "../random.mjs";
import { useDescription, words } from "./description.mjs";
import { factorable, modelSchema } from "./onnx-seeds.mjs";
import { textOf, utf8 } from "./seeds.mjs";
import { compressedModels } from "./small-model.mjs";

/** Fields of ModelProto and of an entry in metadata_props. */
const METADATA = 14;
const [KEY, VALUE] = [1, 2];
const GRAPH = 7;

export async function open() {
  const original = await openModel(factorable());
  const seeds = (await compressedModels(original))
    .map((bytes) => protobufTree(modelSchema, bytes))
    .filter(descriptionIn);
  const loewner = await createLoewner({ threads: 1 });
  return {
    main: "small.onnx",
    input(seed, index) {
      const random = new Random(seed, "onnx-description", index);
      const tree = copyTree(random.pick(seeds));
      const field = descriptionIn(tree);
      const description = jsonTree(textOf(field.value));
      mutateJson(random, description, words);
      field.value = utf8(writeJson(description));
      if (random.chance(0.2)) mutateProtobuf(random, fieldsOf(tree, GRAPH)[0].value, [], words);
      return { "small.onnx": writeProtobuf(tree) };
    },
    async run(input) {
      const model = await openModel(input["small.onnx"]);
      if (model.described.size === 0) return "no factors";
      return useDescription(loewner, original, model);
    },
  };
}

async function openModel(bytes) {
  return onnxModel(await openOnnx(bytesSource(bytes, "model.onnx")));
}

/** The field that holds the text; undefined where nothing was compressed. */
function descriptionIn(tree) {
  const entries = fieldsOf(tree, METADATA).map(({ value }) => value);
  const entry = entries.find((each) => textOf(fieldsOf(each, KEY)[0].value) === "loewner");
  return entry && fieldsOf(entry, VALUE)[0];
}
