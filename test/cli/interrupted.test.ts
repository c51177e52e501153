import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, listing, run, start, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("interrupted", () => {
  const big = async (rows: number) =>
    writeModel(folder, "model.safetensors", [tensor("wte.weight", rows, 96, { kind: "plain" })]);

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s: exit %i, nothing left behind", async (signal, code) => {
    await big(120_000);
    const child = start(
      folder,
      "compress",
      "model.safetensors",
      "-o",
      "small.safetensors",
      "--keep",
      "0.9",
      "--dtype",
      "f32",
      "--quiet",
    );
    const ended = once(child, "exit");
    await expect.poll(() => listing(folder).length > 1 || child.exitCode !== null).toBe(true);
    child.kill(signal);
    const [status] = await ended;
    // A machine may be done before the signal: then the whole file is there.
    if (status === 0) expect(listing(folder)).toEqual(["model.safetensors", "small.safetensors"]);
    else {
      expect(status).toBe(code);
      expect(listing(folder)).toEqual(["model.safetensors"]);
    }
  });

  test("SIGKILL at many moments: the output is absent or whole", async () => {
    await big(20_000);
    const began = performance.now();
    expect(
      run(folder, "compress", "model.safetensors", "-o", "whole.safetensors", "--keep", "0.9", "--dtype", "f32").status,
    ).toBe(0);
    const milliseconds = performance.now() - began;
    const whole = bytesOf(folder, "whole.safetensors");
    for (let i = 0; i < 8; ++i) {
      const child = start(
        folder,
        "compress",
        "model.safetensors",
        "-o",
        "small.safetensors",
        "--keep",
        "0.9",
        "--dtype",
        "f32",
        "--quiet",
      );
      setTimeout(() => child.kill("SIGKILL"), (milliseconds * (i + 1)) / 8);
      await once(child, "exit");
      if (listing(folder).includes("small.safetensors")) {
        expect(bytesOf(folder, "small.safetensors").equals(whole)).toBe(true);
        rmSync(join(folder, "small.safetensors"));
      }
    }
  });

  test("a reader that closes early is not an error", async () => {
    await big(1000);
    const child = start(folder, "inspect", "model.safetensors", "--no-spectrum");
    child.stdout.destroy();
    const [status] = await once(child, "exit");
    expect(status).toBe(0);
  });
});
