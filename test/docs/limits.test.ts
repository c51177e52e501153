// The table of limits is that of the program.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { defaultLimits, limitFlag } from "../../src/formats/limits.js";

test("docs/limits.md has every limit, its flag and its default", () => {
  const text = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| `([a-z-]+)` +\| `(\w+)` +\| +([\d ]+) \|/gm)].map(([, flag, name, value]) => [
    ...[flag, name, Number(value.replaceAll(" ", ""))],
  ]);
  expect(rows).toEqual(Object.entries(defaultLimits).map(([name, value]) => [limitFlag(name), name, value]));
});
