// Who imports whom in src/.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Of each file below a folder, the files that it imports, types and what is loaded later included. */
function importsBelow(folder: string): Map<string, string[]> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return new Map(
    files.map((name) => {
      const found = readFileSync(join(folder, name), "utf8").matchAll(/(?:from |import\()"(\.[^"]+)\.js"/g);
      return [join(name), Array.from(found, ([, path]) => `${join(name, "..", path)}.ts`)];
    }),
  );
}

/** Files that import themselves by way of others, in the order of the imports. */
function cycleIn(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const follow = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    const cycle = (imports.get(file) ?? [])
      .map((next) => follow(next, [...path, file]))
      .find(({ length }) => length > 0);
    done.add(file);
    return cycle ?? [];
  };
  return [...imports.keys()].map((file) => follow(file, [])).find(({ length }) => length > 0) ?? [];
}

test("a cycle is found, and a file that two others import is none", () => {
  const fork = { a: ["b", "c"], b: ["d"], c: ["d"] };
  expect(cycleIn(new Map(Object.entries(fork)))).toEqual([]);
  expect(cycleIn(new Map(Object.entries({ ...fork, d: ["c"] })))).toEqual(["d", "c", "d"]);
});

test("no file of src/ imports itself by way of others", () => {
  const imports = importsBelow("src");
  expect(imports.size).toBeGreaterThan(200);
  expect(imports.get(join("engine", "inline.ts"))).toContain(join("engine", "dense.ts"));
  expect(cycleIn(imports)).toEqual([]);
});
