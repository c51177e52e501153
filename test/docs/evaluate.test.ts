// docs/evaluate.md: its table of tasks is made of the tasks themselves.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { tasks } from "../../src/model/evaluate/tasks/index.js";

const page = readFileSync(new URL("../../docs/evaluate.md", import.meta.url), "utf8");

test("the table has every task with its columns and what is scored, in order", () => {
  const [, between] = /<!-- tasks: [^\n]*-->\n([\s\S]*?)<!-- \/tasks -->/.exec(page)!;
  const rows = between
    .trim()
    .split("\n")
    .slice(2)
    .map((line) => line.split("|").map((cell) => cell.trim()).slice(1, -1)); // prettier-ignore
  const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(", ");
  expect(rows).toEqual(
    tasks.map(({ name, text = [], label, description }) => [
      ...[`\`${name}\``, code(text), label === undefined ? "" : code([label]), description],
    ]),
  );
});
