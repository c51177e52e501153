// An index with its shards: opened as one model, written as it is, opened again.
import { bytesSource } from "../../build/lib/formats/index.js";
import { memorySink } from "../../build/lib/formats/bytes.js";
import { FileError } from "../../build/lib/errors.js";
import { editedFiles } from "../../build/lib/model/safetensors/set-write.js";
import { openSafetensorsSet } from "../../build/lib/model/safetensors/set.js";
import { safetensorsModel } from "../../build/lib/model/index.js";
import { mutateBytes } from "../mutate/bytes.mjs";
import { copyOf, jsonTree, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { compareContent, contentOf, mutateHeader, takenApart } from "./safetensors.mjs";
import { fixtureFiles, textOf, utf8 } from "./seeds.mjs";

const main = "model.safetensors.index.json";
const words = [
  ...["weight_map", "metadata", "total_size", "total_parameters", "model-00001-of-00002.safetensors"],
  ...["model-00002-of-00002.safetensors", "model-00003-of-00002.safetensors", "a/b.safetensors", main, "embed.weight"],
];

export async function open() {
  const seed = fixtureFiles("formats", /^model.*(safetensors|index\.json)$/);
  const shards = Object.keys(seed).filter((name) => name !== main);
  const index = jsonTree(textOf(seed[main]));
  const parts = new Map(shards.map((name) => [name, takenApart(seed[name])]));
  return {
    main,
    input(key, number) {
      const random = new Random(key, "safetensors-index", number);
      const files = { ...seed };
      if (random.chance(0.75)) files[main] = mutatedIndex(random, index, seed[main]);
      if (random.chance(0.4)) {
        const name = random.pick(shards);
        files[name] = random.chance(0.7)
          ? mutateHeader(random, parts.get(name), [
              "dtype",
              "shape",
              "F32",
              "F16",
              "embed.weight",
              "__metadata__",
              "loewner",
            ])
          : mutateBytes(random, seed[name], Object.values(seed));
      }
      if (random.chance(0.02)) delete files[random.pick(shards)];
      return files;
    },
    async run(files) {
      const set = await openSet(files);
      safetensorsModel(set);
      const written = {};
      for (const { name, write } of await editedFiles(set, { replaced: new Map() }, main)) {
        const sink = memorySink();
        await write(sink);
        written[name === "" ? main : name] = sink.bytes();
      }
      const again = await openSet(written);
      compareContent(set, await contentOf(set), again, await contentOf(again));
      return set.index ? `${set.shards.size} shards` : "one file";
    },
  };
}

function mutatedIndex(random, index, bytes) {
  if (random.chance(0.3)) return mutateBytes(random, bytes, [], words);
  const tree = copyOf(index);
  mutateJson(random, tree, words);
  return utf8(writeJson(tree));
}

function openSet(files) {
  return openSafetensorsSet(bytesSource(files[main] ?? new Uint8Array(0), main), (name) => {
    if (Object.hasOwn(files, name)) return bytesSource(files[name], name);
    throw new FileError("No such file.", { file: main });
  });
}
