// Progress of a model that is calibrated: its stages one after another, as one share.
import { expect, test } from "vitest";
import { inStages } from "../../src/model/quality/stages.js";

test("the share never goes back, passes each stage's start, and stays below the whole while fits are made anew", () => {
  const told: number[] = [];
  const tell = inStages(({ done, total }) => void told.push(done / total));
  for (const done of [0, 1, 2]) tell({ stage: "calibration", layer: "", done, total: 2 });
  expect(told.at(-1)).toBe(0.15);
  for (const done of [10, 50, 100]) tell({ stage: "codes", layer: "a", done, total: 100 });
  expect(told.at(-1)).toBe(0.5);
  for (const layer of [0, 1, 2, 3])
    tell({ stage: "what it costs the answers", layer: `layer ${layer}`, done: layer, total: 4 });
  expect(told.at(-1)).toBeGreaterThan(0.6);
  // The library tells of finished work alone.
  for (let i = 0; i < 12; ++i)
    for (const stage of ["codes", "done"]) tell({ stage, layer: "a", done: 100, total: 100 });
  expect(told.at(-1)).toBeGreaterThan(0.9);
  expect(told.at(-1)).toBeLessThan(1);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});
