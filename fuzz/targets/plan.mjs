// Plan files: read, written, read again; then asked what they would make of a small model.
import { createLoewner } from "../../build/lib/create.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import { planCompression, readPlan } from "../../build/lib/model/index.js";
import { checkPlan } from "../../build/lib/model/plan-file.js";
import { storedTypes } from "../../build/lib/model/stored.js";
import fc from "fast-check";
import { mutateBytes } from "../mutate/bytes.mjs";
import { jsonTree, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { sampler } from "../sampler.mjs";
import { Mismatch } from "../verdict.mjs";
import { smallModel } from "./small-model.mjs";
import { rewritten, textOf, utf8 } from "./seeds.mjs";

const words = [
  ...[
    "version",
    "layers",
    "skip",
    "rank",
    "keep",
    "energy",
    "dtype",
    "p",
    "method",
    "auto",
    "lewis",
    "svd",
    "entrywise",
    "f16",
  ],
  ...["int4", "int3", "wte.weight", "h.0.mlp.weight", "ids", "__proto__", "constructor"],
];

const share = fc.oneof(fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.constantFrom(0.5, 1, 1e-12, 0.72));
const size = fc.oneof(
  fc.constant({}),
  fc.record({ rank: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ keep: share }),
  fc.record({ energy: share }),
);
const rest = fc.record(
  {
    skip: fc.boolean(),
    dtype: fc.constantFrom("auto", ...storedTypes),
    p: fc.constantFrom(0.5, 1, 1.5, 2, 4, 1e-9, 1e300),
    method: fc.constantFrom("auto", "lewis", "svd", "level-set", "subspace", "entrywise"),
  },
  { requiredKeys: [] },
);
const layer = fc.tuple(size, rest).map(([own, more]) => ({ ...own, ...more }));
const plans = fc
  .array(fc.tuple(fc.constantFrom("wte.weight", "h.0.mlp.weight", "wide.weight", "ids", "other"), layer), {
    maxLength: 4,
  })
  .map((entries) => JSON.stringify({ version: 1, layers: Object.fromEntries(entries) }));

export async function open() {
  const sample = sampler(plans);
  const { model } = await smallModel();
  const loewner = await createLoewner({ threads: 1 });
  return {
    main: "plan.json",
    input(seed, index) {
      const random = new Random(seed, "plan", index);
      const text = sample(seed, index);
      if (random.chance(0.25)) return { "plan.json": mutateBytes(random, utf8(text), [], words) };
      const tree = jsonTree(text);
      if (random.chance(0.85)) mutateJson(random, tree, words);
      return { "plan.json": utf8(writeJson(tree)) };
    },
    async run(input) {
      const read = textOf(input["plan.json"]);
      const plan = readPlan(read, "plan.json");
      const text = rewritten(read);
      if (text !== undefined && JSON.stringify(readPlan(text, "again.json")) !== text)
        throw new Mismatch("another plan after writing");
      checkPlan(plan, model);
      try {
        const { bytesAfter } = await planCompression(loewner, model, { plan, keep: 0.5 });
        if (!(bytesAfter > 0 && bytesAfter < Infinity)) throw new Mismatch(`${bytesAfter} bytes after`);
      } catch (error) {
        if (!isLoewnerError(error)) throw error;
        return `read; ${error.code} for the model`;
      }
      return "read, planned";
    },
  };
}
