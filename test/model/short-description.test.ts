// A description in few bytes says what the long one says.
import { expect, test } from "vitest";
import { descriptionText, readDescription, type LayerDescription } from "../../src/model/description.js";
import { shortDescriptionText } from "../../src/model/short-description.js";
import { failure } from "../formats/fixtures.js";

const shapes: Record<string, readonly number[]> = {
  ...{ codes: [64, 16], scales: [64, 1], left: [40, 3], right: [3, 20] },
  ...{ "T.codes": [32, 80], "T.scales": [128], "T.levels": [15], table: [512], mixing: [8, 8], signs: [32, 1] },
};
const objective = { lp: 1.25, l1: 1.25, l21: 0.5, l2: 0.25, worstRow: { row: 7, norm: 0.125 } };
const claim = { p: 1, objective, bound: 0.75, rowWeights: false, dtype: "F32" };
const normal = [
  ...[-2.7325894832611084, -2.069017171859741, -1.6180464029312134, -1.2562311887741089],
  ...[-0.9423404335975647, -0.6567591428756714, -0.38804829120635986, -0.12839503586292267],
];
const inCodes = {
  ...claim,
  left: {
    ...{ codes: ["codes"], scales: "scales", bits: 4 as const, block: 32, paddedCols: 32 },
    levels: [...normal, ...normal.map((x) => -x).reverse()],
  },
  ...{ rows: 64, cols: 32, rank: 32, type: "int4" as const },
};
const inFloats = {
  ...{ ...claim, left: "left", right: "right", rows: 40, cols: 20, rank: 3, type: "f16" as const, dtype: "F16" },
  ...{ transposed: true as const, shape: [2, 10, 40], p: Infinity, rowWeights: true, rowWeightsPower: 0.5 },
  objective: { ...objective, lp: 0.625 },
};
const inTrellis = {
  ...claim,
  trellis: {
    ...{ bits: 5 as const, windowBits: 10 as const, codes: "T.codes", scales: "T.scales" },
    ...{ scaleLevels: "T.levels", table: "table", mixing: "mixing", signs: "signs" },
  },
  ...{ rows: 128, cols: 32, rank: 32, type: "trellis" as const },
};
const layers = new Map<string, LayerDescription>([
  ["a.weight", inCodes],
  ["b.weight", inFloats],
  ["c.weight", inTrellis],
]);

const read = (text: string, renamed = (name: string) => name) =>
  readDescription(text, "small.onnx", (name) => shapes[Object.keys(shapes).find((each) => renamed(each) === name)!]);

test("read, it is the long one, under the new names of tensors, in less than a half of the bytes", () => {
  const short = shortDescriptionText(layers, (name) => name);
  expect(read(short)).toEqual(layers);
  expect(short.length).toBeLessThan(0.5 * descriptionText(layers).length);
  const renamed = (name: string) => `<${name}>`;
  const found = read(shortDescriptionText(layers, renamed), renamed);
  expect(found.get("b.weight")).toEqual({ ...inFloats, left: "<left>", right: "<right>" });
  expect(found.get("c.weight")).toMatchObject({ type: "trellis", trellis: { table: "<table>" } });
});

test("a bound in fewer digits is no less, errors are as near as verify looks", () => {
  for (let i = 0; i < 1000; ++i) {
    const x = (1 + i / 999) * 10 ** ((i % 13) - 6);
    const layer = { ...inCodes, bound: x, objective: { ...objective, l2: x } };
    const found = read(shortDescriptionText(new Map([["W", layer]]), (name) => name)).get("W")!;
    expect(found.bound).toBeGreaterThanOrEqual(x);
    expect(found.bound).toBeLessThanOrEqual(1.0004 * x);
    expect(Math.abs(found.objective.l2 / x - 1)).toBeLessThanOrEqual(5e-7);
  }
});

test.each([
  ["a letter without a meaning", { Q: 1 }, /says "Q" of "W", which version 3 does not/],
  ["more errors than there are", { o: [1, 1, 1, 1, 1, 1, 1] }, /of "W", which version 3 does not/],
  ["fewer", { o: [1, 1, 1] }, /lacks the bound or the error of "W"/],
  ["none", { o: undefined }, /lacks the bound or the error of "W"/],
  ["no numbers of rows", { n: "a" }, /lacks the bound or the error of "W"/],
  [
    "objects in objects without end",
    { l: JSON.parse(`${'{"l":'.repeat(500)}1${"}".repeat(500)}`) as object },
    /factors/,
  ],
])("%s is found out", async (_, change, message) => {
  const { layers: written } = JSON.parse(shortDescriptionText(new Map([["W", inCodes]]), (name) => name)) as {
    layers: Record<string, object>;
  };
  const text = JSON.stringify({ version: 3, layers: { W: { ...written.W, ...change } } });
  expect((await failure(async () => read(text), "INVALID_FORMAT")).message).toMatch(message);
});

test.each([null, 1, "W", []].map((layer) => [layer]))("%j is no layer", async (layer) => {
  const text = JSON.stringify({ version: 3, layers: { W: layer } });
  await failure(async () => read(text), "INVALID_FORMAT");
});
