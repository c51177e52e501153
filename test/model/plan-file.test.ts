// Plans as people write them: what is read, and what is said of what cannot be.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPlan, newPlan, readPlan, type LayerPlan } from "../../src/model/plan-file.js";
import { failure } from "../formats/fixtures.js";
import { safetensorsOf } from "./in-memory.js";

const read = (plan: unknown) => readPlan(typeof plan === "string" ? plan : JSON.stringify(plan), "plan.json");
const layer = (own: unknown) => ({ version: 1, layers: { "wte.weight": own } });

const shares = fc.double({ min: 1e-6, max: 1, noNaN: true });
const size = fc.oneof(
  fc.constant({}),
  fc.record({ rank: fc.integer({ min: 1, max: 4096 }) }),
  fc.record({ keep: shares }),
  fc.record({ energy: shares }),
);
const rest = fc.record(
  {
    skip: fc.boolean(),
    dtype: fc.constantFrom("auto", "f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2"),
    p: fc.double({ min: 0.1, max: 8, noNaN: true }),
    method: fc.constantFrom("auto", "lewis", "svd", "level-set", "subspace", "entrywise"),
  },
  { requiredKeys: [] },
);
const names = fc.oneof(fc.string(), fc.constantFrom("constructor", "__proto__", "toString", "a.b/c"));

test("any plan that follows the rules is read as it is", () => {
  const layers = fc.array(fc.tuple(names, size, rest), { maxLength: 5 });
  fc.assert(
    fc.property(layers, (entries) => {
      const plan = {
        version: 1,
        layers: Object.fromEntries(entries.map(([name, own, more]) => [name, { ...own, ...more }])),
      };
      const text = JSON.stringify(plan);
      expect(JSON.stringify(readPlan(text, "plan.json"))).toBe(text);
    }),
  );
});

describe("what is no plan", () => {
  test.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /the plan is not JSON \(.+\); "loewner inspect MODEL --plan FILE" writes one\.$/],
    ["an empty file", "", /the plan is not JSON/],
    ["null", null, /not a plan: "version": 1 was expected/],
    ["a number", 7, /not a plan/],
    ["another version", { version: 2, layers: {} }, /"version": 1 was expected/],
    ["no layers", { version: 1 }, /"layers" must be an object/],
    ["a list of layers", { version: 1, layers: [] }, /"layers" must be an object/],
    ["a layer that is null", layer(null), /layer "wte\.weight": is null; an object was expected/],
    ["a layer that is a list", layer([]), /is \[\]; an object was expected/],
    ["a rank of 0", layer({ rank: 0 }), /rank is 0; a whole number of at least 1 was expected/],
    ["a rank of 1.5", layer({ rank: 1.5 }), /rank is 1\.5/],
    ["keep 0", layer({ keep: 0 }), /keep is 0; a share above 0 and at most 1/],
    ["energy as text", layer({ energy: "0.5" }), /energy is "0\.5"/],
    ["p 0", layer({ p: 0 }), /p is 0; a number above 0/],
    ["skip 1", layer({ skip: 1 }), /skip is 1; true or false/],
    ["a method that there is not", layer({ method: "pca" }), /method is "pca"; one of auto, lewis, svd/],
    ["a dtype that there is not", layer({ dtype: "int5" }), /dtype is "int5"; auto or one of f64/],
    ["three sizes", layer({ rank: 1, keep: 0.5, energy: 0.5 }), /has rank and keep and energy; one of them at most/],
    [
      "a misspelt key",
      layer({ keeps: 0.5 }),
      /has "keeps"; only skip, rank, keep, energy, dtype, p, method, groups may/,
    ],
    ["a key that objects have of their own", layer({ constructor: 1 }), /has "constructor"; only skip/],
    ["__proto__", '{"version":1,"layers":{"W":{"__proto__":{}}}}', /layer "W": has "__proto__"/],
  ])("%s", async (_, plan, message) => {
    const error = await failure(() => read(plan), "INVALID_INPUT");
    expect(error.message).toMatch(message);
    expect(error.message.startsWith("plan.json: ")).toBe(true);
    expect(error.place.file).toBe("plan.json");
  });
});

describe("beside a model", () => {
  const model = () =>
    safetensorsOf([
      { name: "wte.weight", rows: 40, cols: 4 },
      { name: "h.0.mlp.weight", rows: 8, cols: 8 },
      { name: "wpe.weight", rows: 64, cols: 4 },
      { name: "h.0.bias", rows: 0, cols: 8 },
    ]);

  test("a new plan names every layer that can be factored, and fits the model", async () => {
    const made = newPlan(await model(), 0.4);
    expect(made.layers).toEqual({
      "wte.weight": { keep: 0.4, dtype: "auto" },
      "h.0.mlp.weight": { skip: true, keep: 0.4, dtype: "auto" },
      "wpe.weight": { skip: true, keep: 0.4, dtype: "auto" },
    });
    expect(readPlan(JSON.stringify(made), "plan.json")).toEqual(made);
    checkPlan(made, await model());
    expect(newPlan(await model()).layers["wte.weight"]).toEqual({ keep: 0.5, dtype: "auto" });
  });

  test.each<[string, Record<string, LayerPlan>, RegExp]>([
    [
      "a layer that it does not have",
      { nothing: {} },
      /^The plan names "nothing", which model\.safetensors does not have; it has \S.*wte\.weight/,
    ],
    ["one to be skipped all the same", { nothing: { skip: true } }, /does not have/],
    [
      "what is no matrix",
      { "h.0.bias": { rank: 1 } },
      /^The plan names "h\.0\.bias", which cannot be factored: it is no 2-D weight\. Take it out, or set "skip": true\.$/,
    ],
  ])("%s", async (_, layers, message) => {
    const made = await model();
    const error = await failure(() => checkPlan({ version: 1, layers }, made), "INVALID_INPUT");
    expect(error.message).toMatch(message);
    expect(error.place).toEqual({ file: "model.safetensors", tensor: Object.keys(layers)[0] });
  });

  test("what cannot be factored may be named to be skipped", async () => {
    checkPlan({ version: 1, layers: { "h.0.bias": { skip: true } } }, await model());
  });
});
