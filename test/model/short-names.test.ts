// Values inside of a graph under short names: the same answers, the same layers, the same names outside.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner } from "../../src/index.js";
import type { LayerDescription } from "../../src/model/description.js";
import { withShortNames } from "../../src/model/onnx/short-names.js";
import type { BuiltModel } from "./onnx-models/cases.js";
import { compress, open } from "./onnx-models/compressing.js";
import { functionCases } from "./onnx-models/functions.js";
import { randomGraph } from "./onnx-models/random-graph.js";
import { run } from "./onnx-models/session.js";
import { subgraphCases } from "./onnx-models/subgraphs.js";
import { tiedCases } from "./onnx-models/tied.js";
import { wholeCases } from "./onnx-models/wholes.js";

const loewner = await createLoewner({ threads: 1 });
const short = ({ bytes, ...rest }: BuiltModel): BuiltModel => ({ ...rest, bytes: withShortNames(bytes) });
const cases = [...subgraphCases, ...functionCases, ...tiedCases, ...wholeCases];

test.each(cases.map((each) => [each.name, each] as const))("%s", async (_, { weight, build, inputs }) => {
  const original = build(weight.data);
  const renamed = short(original);
  expect(await run(renamed, inputs)).toEqual(await run(original, inputs));
  const described = async (model: BuiltModel) =>
    (await open(model)).layers
      // Others are listed from a share of the file on.
      .filter(({ kind }) => kind !== "other")
      .map(({ name, kind, shape, transposed, inputAxis }) => ({ name, kind, shape, transposed, inputAxis }));
  expect(await described(renamed)).toEqual(await described(original));
  const small = await compress(loewner, original, { keep: 0.5, layers: ["all"] });
  const both = short(small);
  expect(await run(both, inputs)).toEqual(await run(small, inputs));
  const [after, before] = [(await open(both)).described, (await open(small)).described];
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [name, layer] of before) sameClaim(after.get(name)!, layer);
});

/** Errors to seven digits, a bound that is no less, and all else but where the parts lie. */
function sameClaim(short: LayerDescription, long: LayerDescription) {
  const claimOf = ({ rows, cols, transposed, shape, rank, dtype, type, p, rowWeights, objective }: LayerDescription) =>
    ({ rows, cols, transposed, shape, rank, dtype, type, p, rowWeights, row: objective.worstRow.row }); // prettier-ignore
  expect(claimOf(short)).toEqual(claimOf(long));
  for (const key of ["lp", "l1", "l21", "l2"] as const)
    expect(Math.abs(short.objective[key] - long.objective[key])).toBeLessThanOrEqual(5e-7 * long.objective[key]);
  const { norm } = long.objective.worstRow;
  expect(Math.abs(short.objective.worstRow.norm - norm)).toBeLessThanOrEqual(5e-7 * norm);
  expect(short.bound).toBeGreaterThanOrEqual(long.bound);
  expect(short.bound).toBeLessThanOrEqual(1.0005 * long.bound);
}

test("random graphs answer as before; renaming again changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(randomGraph, async (original) => {
      const renamed = short(original);
      expect(await run(renamed, original.inputs)).toEqual(await run(original, original.inputs));
      expect(renamed.bytes.length).toBeLessThanOrEqual(original.bytes.length);
      expect(withShortNames(renamed.bytes)).toEqual(renamed.bytes);
    }),
    { numRuns: 20, seed: 3 },
  );
});

test("inputs, outputs and weights keep their names, values and nodes do not", () => {
  const [{ weight, build }] = subgraphCases;
  const [before, after] = [build(weight.data).bytes, withShortNames(build(weight.data).bytes)].map((bytes) =>
    fromBinary(ModelProtoSchema, bytes),
  );
  for (const key of ["input", "output"] as const) expect(after.graph![key]).toEqual(before.graph![key]);
  expect(after.graph!.initializer).toEqual(before.graph!.initializer);
  expect(after.graph!.node.map(({ name }) => name).join("")).toBe("");
});

test("a result of at most a MiB has them where that saves a twentieth of it, and says so", async () => {
  const long = (name: string) => `/a/path/that/an/exporter/wrote/${name.repeat(40)}`;
  const { weight, build } = tiedCases[0];
  const model = fromBinary(ModelProtoSchema, build(weight.data).bytes);
  const outside = new Set(
    [...model.graph!.input, ...model.graph!.output, ...model.graph!.initializer].map(({ name }) => name),
  );
  const renamed = (name: string) => (outside.has(name) ? name : long(name));
  for (const node of model.graph!.node) {
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
  }
  const original = { bytes: toBinary(ModelProtoSchema, model) };
  const [plain, named] = await Promise.all(
    [false, true].map((shortNames) => compress(loewner, original, { keep: 0.5, layers: ["all"], shortNames })),
  );
  const [file] = named.report.files.slice(-1);
  expect(file.saved).toBe(plain.bytes.length - named.bytes.length);
  expect(file.saved).toBeGreaterThan(0.05 * plain.bytes.length);
  expect(plain.report.files.at(-1)!.saved).toBeUndefined();
});
