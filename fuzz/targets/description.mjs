// What a compressed safetensors file says of its factors: a file is expanded and verified by it.
import { createLoewner } from "../../build/lib/create.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import { memorySink, writeSafetensors } from "../../build/lib/formats/index.js";
import { expandModel, inspectModel, safetensorsModel, verifyLayers } from "../../build/lib/model/index.js";
import { descriptionText, readDescription } from "../../build/lib/model/description.js";
import { copyOf, jsonTree, member, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { compressedModels, openModel, smallModel } from "./small-model.mjs";
import { layOut, mutateHeader, putTogether, takenApart } from "./safetensors.mjs";

export const words = [
  ...[
    "left",
    "right",
    "rows",
    "cols",
    "transposed",
    "rank",
    "dtype",
    "type",
    "p",
    "method",
    "objective",
    "certificate",
    "tolerance",
  ],
  ...[
    "rowWeights",
    "seed",
    "codes",
    "scales",
    "bits",
    "block",
    "paddedCols",
    "levels",
    "unsigned",
    "tensor",
    "lower",
    "upper",
  ],
  ...[
    "slack",
    "sigmaNext",
    "bound",
    "rounding",
    "lp",
    "l1",
    "l21",
    "l2",
    "worstRow",
    "wte.weight",
    "wte.weight.left",
    "ids",
  ],
  ...[
    "wte.weight.right",
    "wte.weight.left.codes",
    "wte.weight.left.scales",
    "F16",
    "f32",
    "int4",
    "dense",
    "entrywise",
    "level-set",
  ],
];

export async function open() {
  const original = await smallModel();
  const seeds = (await compressedModels(original.model)).map(takenApart).filter(({ header }) => describedIn(header));
  const loewner = await createLoewner({ threads: 1 });
  return {
    main: "small.safetensors",
    input(key, index) {
      const random = new Random(key, "description", index);
      const { header, data } = random.pick(seeds);
      const tree = copyOf(header);
      const entry = describedIn(tree);
      const description = jsonTree(entry[1]);
      mutateJson(random, description, words);
      entry[1] = writeJson(description);
      // Shapes of parts as well, so that what is described may fit them.
      if (random.chance(0.2)) return { "small.safetensors": mutateHeader(random, { header: tree, data }, words) };
      layOut(tree);
      return { "small.safetensors": putTogether(tree, data) };
    },
    async run(input) {
      const { file, model } = await openModel(input["small.safetensors"]);
      if (model.described.size === 0) return "no factors";
      return (await useDescription(loewner, original.model, model, file)) ?? "described";
    },
  };
}

/** The metadata entry that describes factors: name and text. */
function describedIn(header) {
  return member(header, "__metadata__").entries.find(([name]) => name === "loewner");
}

/** Written and read again, inspected, expanded, verified. */
export async function useDescription(loewner, original, model, file) {
  const { described } = model;
  const text = descriptionText(described);
  const again = descriptionText(readDescription(text, "again", model.shape));
  if (again !== text) throw new Mismatch("another description after writing");
  await inspectModel(loewner, model, { spectra: "none" });
  const done = [];
  if (file) done.push(await attempt("expanded", () => expand(loewner, file, described)));
  done.push(await attempt("verified", () => verifyLayers(loewner, original, model)));
  return done.join(", ");
}

async function expand(loewner, file, described) {
  const { tensors, metadata } = await expandModel(loewner, file);
  const sink = memorySink();
  await writeSafetensors(sink, { tensors, metadata });
  const dense = await openModel(sink.bytes());
  for (const name of described.keys())
    if (!dense.file.tensors.has(name)) throw new Mismatch(`${JSON.stringify(name)} was not made whole`);
  if (safetensorsModel(dense.file).described.size > 0) throw new Mismatch("still described");
}

async function attempt(name, work) {
  try {
    await work();
    return name;
  } catch (error) {
    if (!isLoewnerError(error)) throw error;
    return `not ${name}: ${error.code}`;
  }
}
