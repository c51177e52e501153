// Kinds of files that people reported of other tools, by the number of the kind: what is made of each, or what is said of it.
import { describe, expect, test } from "vitest";
import { bytesSource } from "../../../src/formats/bytes.js";
import { openNpy } from "../../../src/formats/index.js";
import { concat, failure, latin1 } from "../../formats/fixtures.js";

describe("report 30: arrays of NumPy and of others", () => {
  const npy = (descr: string, shape: string, data: Uint8Array, { order = "False", version = 1, pad = 0 } = {}) => {
    const header = `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
    const length = version === 1 ? [header.length, 0] : [header.length, 0, 0, 0];
    return concat(
      latin1(`\x93NUMPY${String.fromCharCode(version)}\0`),
      Uint8Array.from(length),
      latin1(header),
      data,
      new Uint8Array(pad),
    );
  };
  const numbers = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  const swapped = Uint8Array.from(numbers, (_, i) => numbers[i - (i % 4) + 3 - (i % 4)]);
  const halves = Uint8Array.from(Float32Array.of(1, 2, 3, 4, 5, 6), () => 0);
  const brain = new Uint8Array(12).map((_, i) => numbers[2 * (i - (i % 2)) + 2 + (i % 2)]);

  test.each([
    ["'<f4'", npy("'<f4'", "(3, 2)", numbers)],
    ["'|f4'", npy("'|f4'", "(3, 2)", numbers)],
    ["'=f4'", npy("'=f4'", "(3, 2)", numbers)],
    ["'>f4'", npy("'>f4'", "(3, 2)", swapped)],
    ["sizes as Python 2 writes them", npy("'<f4'", "(3L, 2L)", numbers)],
    ["version 2", npy("'<f4'", "(3, 2)", numbers, { version: 2 })],
    ["version 3", npy("'<f4'", "(3, 2)", numbers, { version: 3 })],
    ["bfloat16 as V2", npy("'<V2'", "(3, 2)", brain)],
    ["bfloat16 by its name", npy("'bfloat16'", "(3, 2)", brain)],
  ])("%s: read", async (_, bytes) => {
    const read = await openNpy(bytesSource(bytes, "a.npy"));
    expect([read.rows, read.cols]).toEqual([3, 2]);
    const all = new Uint8Array(await read.read(0, 3));
    expect(Buffer.from(all).equals(Buffer.from(read.dtype === "bf16" ? brain : numbers))).toBe(true);
  });

  test.each([
    ["'<c8'", /complex64.*Save its real part/],
    ["'|O'", /dtype object .*numpy\.array\(a\.tolist\(\)/],
    ["'|b1'", /dtype bool .*a\.astype\('float32'\)/],
    ["'<f16'", /is not supported/],
  ])("%s: refused, with what to do", async (descr, wanted) => {
    const { message } = await failure(openNpy(bytesSource(npy(descr, "(3, 2)", halves), "a.npy")), "INVALID_FORMAT");
    expect(message).toMatch(wanted);
  });

  test.each(["()", "(1, 3, 2)"])("shape %s: reshape it first", async (shape) => {
    const { message } = await failure(openNpy(bytesSource(npy("'<f4'", shape, numbers), "a.npy")), "INVALID_FORMAT");
    expect(message).toMatch(/a matrix \(n, d\) or a vector \(n,\) is needed/);
  });
});
