// The JSON reader for headers: it accepts nothing that JSON.parse refuses, and what both accept is the same.
import { parseJson } from "../../build/lib/formats/json.js";
import fc from "fast-check";
import { mutateBytes } from "../mutate/bytes.mjs";
import { jsonTree, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { sampler } from "../sampler.mjs";
import { Mismatch } from "../verdict.mjs";
import { fixtureFiles, textOf, utf8 } from "./seeds.mjs";

const limits = { jsonDepth: 32, jsonValues: 100_000 };

export async function open() {
  const sample = sampler(fc.json({ maxDepth: 4, stringUnit: "grapheme" }));
  const seeds = Object.values(fixtureFiles("formats", /\.index\.json$/));
  const header = textOf(fixtureFiles("formats", /^dtypes\.safetensors$/)["dtypes.safetensors"]);
  seeds.push(utf8(header.slice(8, header.indexOf("]}}") + 3)));
  return {
    main: "text.json",
    input(seed, index) {
      const random = new Random(seed, "json", index);
      let text = random.chance(0.5) ? utf8(sample(seed, index)) : random.pick(seeds);
      if (random.chance(0.4)) {
        const tree = [jsonTree(textOf(text))];
        mutateJson(random, tree);
        text = utf8(tree.map(writeJson).join(""));
      }
      return {
        "text.json": random.chance(0.5) ? text : mutateBytes(random, text, seeds, ["\\u", "\\n", "[", "{", '"', ":"]),
      };
    },
    run(input) {
      const bytes = input["text.json"];
      const value = parseJson(bytes, { limits }, { file: "text.json", part: "text", offset: 0 });
      const other = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
      if (!isSame(value, other)) throw new Mismatch("JSON.parse reads another value");
      return "read";
    },
  };
}

function isSame(mine, other) {
  if (mine instanceof Map) {
    const keys = Object.keys(other);
    return keys.length === mine.size && keys.every((key) => mine.has(key) && isSame(mine.get(key), other[key]));
  }
  if (Array.isArray(mine)) return mine.length === other.length && mine.every((each, i) => isSame(each, other[i]));
  return Object.is(mine, other);
}
