// What is written beside the numbers of layers decides between forms where layers are small.
import { expect, test } from "vitest";
import type { Option } from "../../src/model/choices.js";
import type { Target } from "../../src/model/fit.js";
import type { Layer } from "../../src/model/model.js";
import type { PlannedLayer } from "../../src/model/plan-options.js";
import { leastWritten } from "../../src/model/written-bytes.js";

const layerOf = (name: string) =>
  ({ name, kind: "linear", shape: [32, 32], dtype: "F32", bytes: 4096, transposed: false }) as unknown as Layer;
const trellis: Target = { type: "trellis", bits: 5 };
const plain: Target = { type: "int8", rank: 32, dense: true };
const list: Option[] = [
  { bytes: 4096, error: 0, cost: 1 },
  { bytes: 1088, error: 0.001, cost: 1, target: plain },
  { bytes: 700, error: 0.002, cost: 1, target: trellis },
];

/** Numbers, nodes of each layer, and what all trellis codes have in common. */
const sizeOf =
  (names: readonly string[], nodes: number, common: number) => async (planned: readonly PlannedLayer[]) => {
    const isCoded = ({ targets: [target] }: PlannedLayer) => target.type === "trellis";
    const beside = planned.reduce((sum, each) => sum + (isCoded(each) ? 700 + nodes : 1088) - 4096, 0);
    return 4096 * names.length + beside + (planned.some(isCoded) ? common : 0);
  };

test.each([
  ["few nodes and a small table: the fewer bits", 10, 100, "trellis"],
  ["many nodes a layer: the plain form", 500, 0, "int8"],
  ["a table that two layers do not pay for: the plain form", 10, 1000, "int8"],
])("%s", async (_, nodes, common, type) => {
  const shared = ["a", "b"].map((name) => ({ layer: layerOf(name), own: {} }));
  const chosen = await leastWritten(shared, [list, list], 0.01, sizeOf(["a", "b"], nodes, common));
  expect(chosen.map(({ target }) => target?.type)).toEqual([type, type]);
  // As they were given, without what is beside their numbers.
  for (const option of chosen) expect(list).toContain(option);
});

test("what may be lost is not passed", async () => {
  const shared = ["a", "b"].map((name) => ({ layer: layerOf(name), own: {} }));
  const chosen = await leastWritten(shared, [list, list], 0.003, sizeOf(["a", "b"], 10, 0));
  expect(chosen.reduce((sum, { error }) => sum + error, 0)).toBeLessThanOrEqual(0.003);
  expect(chosen.map(({ target }) => target?.type).sort()).toEqual(["int8", "trellis"]);
});
