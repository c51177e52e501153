import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { matrix } from "../library/matrices.js";
import { bytesOf, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  // More than 8 MiB: two threads have something to share.
  const { data } = matrix("heavy-tailed rows", 70_000, 32, { f32: true });
  await writeMatrix(folder, "A.npy", data, [70_000, 32]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("--threads never changes the output", () => {
  const args = ["--rank", "5", "--p", "1", "--method", "lewis", "--json"];
  const reports = ["1", "2", "auto"].map((threads) => {
    const files = ["--left", `L${threads}.npy`, "--right", `R${threads}.npy`];
    const { status, stdout, stderr } = run(folder, "low-rank", "A.npy", ...args, ...files, "--threads", threads);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return { ...JSON.parse(stdout), left: "", right: "", seconds: 0 };
  });
  expect(reports[1]).toEqual(reports[0]);
  expect(reports[2]).toEqual(reports[0]);
  for (const factor of ["L", "R"]) {
    const [one, ...others] = ["1", "2", "auto"].map((threads) => bytesOf(folder, `${factor}${threads}.npy`));
    for (const other of others) expect(other.equals(one)).toBe(true);
  }
});

test.each([
  ["0", 2, /--threads <n>: '0' is invalid, a whole number of at least 1, or auto, was expected/],
  ["many", 2, /a whole number of at least 1, or auto/],
  ["300", 2, /^loewner: threads must be a whole number from 1 to 256, or "auto"; got 300\.\n$/],
])("--threads %s is refused", (threads, expected, message) => {
  const { status, stdout, stderr } = run(folder, "leverage", "A.npy", "-o", "scores.npy", "--threads", threads);
  expect({ status, stdout }).toEqual({ status: expected, stdout: "" });
  expect(stderr).toMatch(message);
});
