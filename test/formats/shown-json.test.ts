import { expect, test } from "vitest";
import { shownJson } from "../../src/formats/json.js";

test.each<[unknown, string]>([
  [undefined, "undefined"],
  [null, "null"],
  [["F32"], '["F32"]'],
  ["a\nb", '"a\\nb"'],
  ["x".repeat(200), `"${"x".repeat(99)}...`],
])("%j", (value, expected) => expect(shownJson(value)).toBe(expected));

test("what JSON.parse reads and JSON.stringify does not write", () => {
  const deep: unknown = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  expect(shownJson(deep)).toBe("something nested too deep to show");
});
