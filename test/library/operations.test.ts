// Operations as they are declared, and the sweeps and dense steps that come of it.
import { beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { runDense } from "../../src/engine/dense.js";
import { loadOperation, sweepOf, type ResultOf } from "../../src/engine/operations/index.js";
import { isLoewnerError } from "../../src/errors.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await Kernel.load(await inlinedKernel());
});

describe("sweepOf", () => {
  test("flags become numbers, and what is undefined is left out", () => {
    expect(sweepOf("gram", { wide: true, profile: undefined }, { columnScale: undefined })).toEqual({
      op: "gram",
      params: { wide: 1 },
      reads: { shared: {}, state: ["scale"] },
      writes: { state: [] },
      reduce: { gram: "sum" },
    });
  });

  test("row state and reductions are those that the parameters ask for", () => {
    const step = (omega: number, keep: boolean) =>
      sweepOf(
        "lewisStep",
        { p: 1, gamma: 1, omega, wide: true, wideGram: true, triangular: true, inflation: 0, keep },
        { transform: new Float64Array(4) },
      );
    expect(step(0, true).writes.state).toEqual(["scale", "rowDistortion"]);
    expect(Object.keys(step(0, true).reduce)).toEqual(["total", "distortion", "residual"]);
    expect(step(1, false).writes.state).toEqual(["scale", "logWeight", "before"]);
    expect(Object.keys(step(1, false).reduce)).toEqual(["total", "distortion", "residual", "gram"]);
  });

  test("a part of a larger array does not take the rest of it along", () => {
    const { transform } = sweepOf(
      "leverage",
      { wide: true, triangular: false },
      { transform: new Float64Array(1000).fill(7).subarray(3, 7) },
    ).reads.shared;
    expect(transform).toEqual(Float64Array.of(7, 7, 7, 7));
    expect(transform.buffer.byteLength).toBe(32);
  });

  test("results are typed by the name of the operation, without what is handed on", () => {
    expectTypeOf<ResultOf<"levelSetBreaks">>().toEqualTypeOf<{ slopes: Float64Array; firsts: Float64Array }>();
    expectTypeOf<ResultOf<"norms">>().toEqualTypeOf<{ norms: Float64Array; gradients?: Float64Array }>();
    expectTypeOf<keyof ResultOf<"multiply">>().toEqualTypeOf<never>();
  });
});

test.each(["nothing", "toString", "__proto__"])(
  "an operation named %s, which there is not, is refused",
  async (name) => {
    const error: unknown = await loadOperation(name).catch((reason: unknown) => reason);
    expect(String(error)).toContain(`There is no operation "${name}"`);
    expect(isLoewnerError(error, "INVALID_INPUT")).toBe(true);
  },
);

test("a Cholesky factor that fails says at which pivot, and one that does not is inverted", () => {
  const inverse = (matrix: number[]) =>
    runDense(kernel, "inverseCholesky", { matrix: Float64Array.from(matrix), n: 2, tolerance: 0 });
  expect(inverse([1, 2, 2, 1])).toEqual({ failedPivot: 1 });
  expect(inverse([0, 0, 0, 1])).toEqual({ failedPivot: 0 });
  // L = [2 0; 1 1], so L^-T = [1/2 -1/2; 0 1].
  expect(inverse([4, 2, 2, 2])).toEqual({ inverse: Float64Array.of(0.5, -0.5, 0, 1) });
});
