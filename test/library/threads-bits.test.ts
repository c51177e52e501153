// The bytes of every answer are those of one thread.
import { beforeAll, afterAll, expect, test } from "vitest";
import type { Loewner } from "../../src/index.js";
import { bitsOf, calls, lateSource } from "./calls.js";
import { matrix } from "./matrices.js";
import { always, createLoewner } from "./threads.js";

const threads: Loewner[] = [];
let inline: Loewner;

beforeAll(async () => {
  inline = await createLoewner({ tileRows: 256 });
  for (const options of [{ threads: 2 }, { threads: 3 }, { threads: 3, residentBytes: 0 }]) {
    threads.push(await createLoewner({ ...always, ...options }));
  }
});
afterAll(() => [inline, ...threads].forEach((loewner) => loewner.dispose()));

const shapes = [
  [2100, 7, "f32"],
  [1536, 6, "f64"],
  [1300, 5, "f16"],
  [400, 5, "bf16"],
  [200, 6, "f32"],
] as const;

for (const [name, call] of Object.entries(calls)) {
  // Hundreds of sweeps each.
  const some = name === "levelSetEllipsoid" ? shapes.filter(([rows]) => rows === 400 || rows === 1536) : shapes;
  test.each(some)(`${name}: %i x %i %s`, async (rows, cols, dtype) => {
    const { data } = matrix("heavy-tailed rows", rows, cols, { f32: dtype !== "f64", seed: rows });
    // f16 ends at 65504.
    const scaled = Float64Array.from(data, (x) => (dtype === "f16" ? Math.max(-1e4, Math.min(1e4, x)) : x));
    const a = lateSource(scaled, rows, cols, dtype);
    const weights = dtype === "bf16" ? undefined : Float64Array.from({ length: rows }, (_, i) => (i * 7) % 5);
    const expected = bitsOf(await call(inline, a, weights));
    for (const loewner of threads) expect(bitsOf(await call(loewner, a, weights)) === expected).toBe(true);
  });
}
