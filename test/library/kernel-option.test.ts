// createLoewner({ kernel }): the module that a runtime has compiled already, here and in workers.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { createLoewner, isLoewnerError, UnsupportedRuntimeError } from "../../src/index.js";
import { createLoewner as built } from "./threads.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { kernelHex } from "../../src/kernel/wasm.generated.js";
import { matrix } from "./matrices.js";

const file = readFileSync(fileURLToPath(new URL("../../dist/kernel.wasm", import.meta.url)));

test("dist/kernel.wasm is the kernel that is inlined", () => expect(file.toString("hex")).toBe(kernelHex));

test("kernels are called themselves, with nothing around them, by as many arguments as their types name", async () => {
  const { call } = await Kernel.load(await inlinedKernel());
  const types = readFileSync(fileURLToPath(new URL("../../src/kernel/abi.ts", import.meta.url)), "utf8");
  const typed = Array.from(types.matchAll(/^ {2}(\w+)\(([^)]*)\): (?:number|void);/gm), ([, name, list]) => [
    name,
    list.split(",").filter((each) => each.trim()).length,
  ]);
  const kernels = Object.entries(call).filter(([, each]) => typeof each === "function");
  // What JavaScript wraps in rest arguments has a length of 0.
  const byName = (list: unknown[][]) => Object.fromEntries(list.map(([name, count]) => [name, count]));
  expect(byName(kernels.map(([name, each]) => [name, (each as () => void).length]))).toEqual(byName(typed));
});

test("a compiled module is taken, also by threads, and nothing else is compiled", async () => {
  const kernel = await WebAssembly.compile(file);
  const compile = vi.spyOn(WebAssembly, "compile");
  const a = matrix("plain", 700, 6);
  const rights: Float32Array[] = [];
  try {
    for (const threads of [1, 2]) {
      const loewner = await built({ kernel, threads, threadBytes: 0 });
      const { right } = await loewner.lowRank(a, { rank: 2 });
      rights.push(right.data as Float32Array);
      loewner.dispose();
    }
    expect(compile).not.toHaveBeenCalled();
  } finally {
    compile.mockRestore();
  }
  const loewner = await createLoewner();
  rights.push((await loewner.lowRank(a, { rank: 2 })).right.data as Float32Array);
  loewner.dispose();
  expect(rights[1]).toEqual(rights[0]);
  expect(rights[2]).toEqual(rights[0]);
});

test.each([
  ["./kernel.wasm", "String"],
  [file, "Uint8Array"],
  [{}, "Object"],
  [null, "Null"],
])("what is no compiled module is refused: %#", async (kernel, found) => {
  const error = await createLoewner({ kernel: kernel as unknown as WebAssembly.Module }).catch((error) => error);
  expect(isLoewnerError(error, "INVALID_INPUT")).toBe(true);
  expect(error.message).toMatch(new RegExp(`kernel must be a WebAssembly.Module; got ${found}\\..*leave kernel out`));
});

test("another program's module is refused by its missing ABI", async () => {
  const empty = await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  const error = await createLoewner({ kernel: empty }).catch((error) => error);
  expect(isLoewnerError(error, "INVALID_INPUT")).toBe(true);
  expect(error.message).toContain("loewner/kernel.wasm");
});

test("a runtime that does not compile it says so, and what to do", async () => {
  vi.resetModules();
  const compile = vi.spyOn(WebAssembly, "compile").mockRejectedValue(new WebAssembly.CompileError("invalid SIMD"));
  try {
    const fresh = await import("../../src/index.js");
    const error = await fresh.createLoewner().catch((error) => error);
    expect(error.name).toBe(UnsupportedRuntimeError.name);
    expect(error.message).toMatch(/CompileError: invalid SIMD.*'wasm-unsafe-eval'.*createLoewner\(\{ kernel \}\)/);
  } finally {
    compile.mockRestore();
  }
});
