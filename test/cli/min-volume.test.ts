import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { energyNorm, matrix } from "../library/matrices.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const load = async (name: string) => {
  const source = await openNpy(bytesSource(bytesOf(folder, name), name));
  return { descr: source.descr, shape: source.shape, data: await readRows(source) };
};

describe("min-volume", () => {
  test.each([
    [true, "<f4", 1e-5],
    [false, "<f8", 1e-9],
  ])("f32 %s: H and weights as %s, the center in the JSON; every row is held", async (f32, descr, slack) => {
    const a = matrix("heavy-tailed rows", 300, 5, { f32 });
    await writeMatrix(folder, "A.npy", a.data, [300, 5]);
    const done = run(folder, ..."min-volume A.npy --free-center -o H.npy --weights u.npy --json".split(" "));
    expect(done.status).toBe(0);
    const report = JSON.parse(done.stdout);
    expect(report).toMatchObject({
      ...{ input: "A.npy", output: "H.npy", weights: "u.npy", shape: [300, 5] },
      ...{ freeCenter: true, john: false, tolerance: 1e-7, rank: 5, converged: true },
    });
    expect(report.residual).toBeLessThanOrEqual(1e-7);
    for (const key of ["iterations", "logDet", "seconds"]) expect(report[key]).toEqual(expect.any(Number));
    expect(report.version).toEqual(expect.any(String));
    const [H, u] = [await load("H.npy"), await load("u.npy")];
    expect([H.descr, H.shape, u.descr, u.shape]).toEqual([descr, [5, 5], descr, [300]]);
    let top = 0;
    for (let i = 0; i < 300; ++i) {
      const away = Array.from({ length: 5 }, (_, j) => a.data[i * 5 + j] - report.center[j]);
      top = Math.max(top, energyNorm({ data: H.data, rows: 5, cols: 5 }, away));
    }
    expect(Math.abs(top - 1)).toBeLessThan(slack);
    expect([...u.data.keys()].filter((i) => u.data[i] > 0)).toEqual(report.contacts);
  });

  test("points in a plane: H of the coordinates in the basis", async () => {
    await writeMatrix(folder, "A.npy", Float64Array.of(1, 0, 0, 1, 0.5, 0.5), [3, 2]);
    const flags = "min-volume A.npy --free-center -o H.npy --basis B.npy --json".split(" ");
    expect(JSON.parse(run(folder, ...flags).stdout)).toMatchObject({ rank: 1, center: [0.5, 0.5] });
    expect((await load("H.npy")).data[0]).toBeCloseTo(2, 12);
    const { shape, data } = await load("B.npy");
    expect([shape, data[0] + data[1]]).toEqual([[2, 1], 0]);
    // Of full rank the basis is the identity.
    expect(run(folder, ..."min-volume A.npy -o H.npy --basis B.npy --force --quiet".split(" ")).status).toBe(0);
    expect([...(await load("B.npy")).data]).toEqual([1, 0, 0, 1]);
  });

  test("--john: the polar", async () => {
    await writeMatrix(folder, "A.npy", Float64Array.of(2, 0, 0, 1), [2, 2]);
    const report = JSON.parse(run(folder, ..."min-volume A.npy --john -o J.npy --json".split(" ")).stdout);
    expect(report).toMatchObject({ john: true, rank: 2, center: [0, 0], contacts: [0, 1] });
    const { data } = await load("J.npy");
    [4, 0, 0, 1].forEach((h, i) => expect(data[i]).toBeCloseTo(h, 12));
  });

  test("for people: what was found, and that the set is flat", async () => {
    await writeMatrix(folder, "A.npy", Float64Array.of(1, 1, 2, 2), [2, 2]);
    const { stdout, status } = run(folder, "min-volume", "A.npy", "-o", "H.npy");
    expect(status).toBe(0);
    expect(stdout).toContain("A.npy  2 x 2, rank 1");
    expect(stdout).toContain("The rows span 1 of 2 dimensions");
    expect(stdout).toContain("Written: H.npy");
  });

  test.each([
    [["--john", "--free-center"], "leave out --free-center", 2],
    [["--john", "--basis", "B.npy"], "leave out --basis", 2],
    [["--tolerance", "0"], "a number above 0 was expected", 2],
    [["--weights", "H.npy"], "Two outputs have the same name", 2],
  ])("%j is refused, and nothing is written", async (flags, message, code) => {
    await writeMatrix(folder, "A.npy", Float64Array.of(1, 0, 0, 1), [2, 2]);
    const { status, stderr } = run(folder, "min-volume", "A.npy", "-o", "H.npy", ...flags);
    expect([status, stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(listing(folder)).toEqual(["A.npy"]);
  });
});
