// What a caller gets who misspells an option, or passes numbers that do not say their shape.
import { describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type Matrix } from "../../src/index.js";
import { methodNames } from "../../src/method-options.js";
import { nearest } from "../../src/nearest.js";
import { matrix } from "./matrices.js";

const loewner = await createLoewner();
const a = matrix("heavy-tailed rows", 40, 4);
const message = async (call: () => unknown): Promise<string> => {
  try {
    await call();
  } catch (error) {
    expect(error).toMatchObject({ code: "INVALID_INPUT" });
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
};

describe("an option that does not exist is refused", () => {
  const calls = loewner as unknown as Record<string, (...args: unknown[]) => unknown>;
  const methods = Object.keys(methodNames) as (keyof typeof methodNames)[];

  test.each(methods)("by %s, which names the nearest", async (method) => {
    const options = { onProgres: () => undefined };
    const pair = { left: a, right: a };
    const args: Record<string, unknown[]> = {
      residual: [a, pair, options],
      certify: [a, a, options],
      multiply: [pair, () => undefined, options],
      coresetStream: [options],
    };
    expect(await message(() => calls[method](...(args[method] ?? [a, options])))).toBe(
      `${method} has no option "onProgres". Did you mean "onProgress"?`,
    );
  });

  test("by createLoewner", async () => {
    const options = { thread: 2 } as object;
    expect(await message(() => createLoewner(options))).toBe(
      'createLoewner has no option "thread". Did you mean "threads"?',
    );
  });

  test("with the list of all of them where none is near", async () => {
    const options = { rank: 2, colour: "red" } as { rank: number };
    expect(await message(() => loewner.lowRank(a, options))).toMatch(
      /^lowRank has no option "colour". It has .*p, rank/,
    );
  });

  test("unless it is undefined", async () => {
    const options = { rank: 2, colour: undefined } as { rank: number };
    expect((await loewner.lowRank(a, options)).rank).toBe(2);
  });

  test("and so are options that are no object", async () => {
    expect(await message(() => loewner.lowRank(a, 5 as never))).toBe(
      "The options of lowRank must be an object, such as { onProgress: ... }; got a number.",
    );
  });
});

test.each([
  ["tolerence", "tolerance"],
  ["Rank", "rank"],
  ["iterations", "maxIterations"],
  ["tol", "tolerance"],
  ["maxiterations", "maxIterations"],
  ["ranks", "rank"],
  ["sede", "seed"],
  ["q", undefined],
])("the option nearest to %s is %s", (word, found) => {
  expect(nearest(word, ["tolerance", "rank", "maxIterations", "seed", "p"])).toBe(found);
});

describe("numbers that do not say their shape are refused with what to pass", () => {
  const refused = (value: unknown) => message(() => loewner.leverageScores(value as Matrix));

  test("arrays of arrays", async () => {
    const rows = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const flat = "data: Float64Array.from(A.flatMap((row) => [...row]))";
    const expected = `A is an array of 2 arrays: pass { ${flat}, rows: 2, cols: 3 }.`;
    expect(await refused(rows)).toBe(expected);
    expect(await refused(rows.map((row) => Float32Array.from(row)))).toBe(expected);
  });

  test("arrays", async () => {
    expect(await refused([1, 2, 3])).toBe(
      "A is an Array of 3 numbers, which does not say its shape: pass { data: Float64Array.from(A), rows, cols }, row after row.",
    );
  });

  test("typed arrays", async () => {
    expect(await refused(new Float32Array(6))).toMatch(
      /^A is a Float32Array of 6 numbers, .* \{ data: A, rows, cols \}/,
    );
    expect(await refused(new Int16Array(6))).toMatch(/^A is an Int16Array of 6 .*data: Float64Array\.from\(A\), rows/);
  });

  test("data that is no array of floats", async () => {
    expect(await refused({ data: [1, 2], rows: 1, cols: 2 })).toBe(
      "A.data is an Array; it must be a Float32Array or a Float64Array: pass Float32Array.from(A.data).",
    );
  });
});

test("factors and chosen rows are of the matrix's type, for the compiler too", async () => {
  const single: Matrix<Float32Array> = { data: Float32Array.from(a.data), rows: 40, cols: 4 };
  const double: Matrix<Float64Array> = { data: Float64Array.from(a.data), rows: 40, cols: 4 };
  const held = async <T extends Float32Array | Float64Array>(one: Loewner, m: Matrix<T>): Promise<T[]> => {
    const { left, right } = await one.lowRank(m, { rank: 2 });
    const { left: bare } = await one.lowRank(m, { rank: 2, method: "svd", report: false });
    const entrywise = await one.entrywiseLowRank(m, { rank: 1, maxIterations: 2 });
    const { rows } = await one.coreset(m, { size: 8 });
    return [left, right, bare, entrywise.left, entrywise.right, rows].map(({ data }) => data);
  };
  for (const data of await held(loewner, single)) expect(data).toBeInstanceOf(Float32Array);
  for (const data of await held(loewner, double)) expect(data).toBeInstanceOf(Float64Array);
  const { left } = await loewner.lowRank(single, { rank: 2, factorType: "f64" });
  expect(left.data).toBeInstanceOf(Float64Array);
});
