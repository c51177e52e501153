// Spectra that several ask for at once, some of whom are stopped.
import { expect, test } from "vitest";
import type { Loewner, MatrixLike, SingularValuesOptions } from "../../src/index.js";
import { AbortedError } from "../../src/errors.js";
import { Spectra } from "../../web/session/spectra.js";

/** Computes when `finish` is called; until then it can be stopped. */
function slowLibrary() {
  const started: (() => void)[] = [];
  const singularValues = (_: MatrixLike, { signal }: SingularValuesOptions = {}) =>
    new Promise<Float64Array>((resolve, reject) => {
      signal?.addEventListener("abort", () => setTimeout(() => reject(new AbortedError(signal.reason)), 0));
      started.push(() => resolve(Float64Array.of(started.length)));
    });
  return { started, loewner: { singularValues } as unknown as Loewner };
}

const matrix = { data: new Float64Array(4), rows: 2, cols: 2 };

test("a spectrum is computed once for all who wait for it", async () => {
  const { started, loewner } = slowLibrary();
  const spectra = new Spectra(loewner);
  const asked = [spectra.of("a", matrix), spectra.of("a", matrix)];
  started[0]();
  expect(await Promise.all(asked)).toEqual([Float64Array.of(1), Float64Array.of(1)]);
  expect(await spectra.of("a", matrix)).toEqual(Float64Array.of(1));
  expect(started.length).toBe(1);
});

test("when whoever asked first is stopped, those who wait are not", async () => {
  const { started, loewner } = slowLibrary();
  const spectra = new Spectra(loewner);
  const stop = new AbortController();
  const first = spectra.of("a", matrix, { signal: stop.signal });
  const second = spectra.of("a", matrix);
  stop.abort();
  const third = spectra.of("a", matrix, { signal: new AbortController().signal });
  await expect(first).rejects.toBeInstanceOf(AbortedError);
  await expect.poll(() => started.length).toBe(2);
  started[1]();
  expect(await Promise.all([second, third])).toEqual([Float64Array.of(2), Float64Array.of(2)]);
});

test("whoever waits and is stopped waits no longer; the other goes on", async () => {
  const { started, loewner } = slowLibrary();
  const spectra = new Spectra(loewner);
  const stop = new AbortController();
  const first = spectra.of("a", matrix);
  const second = spectra.of("a", matrix, { signal: stop.signal });
  stop.abort();
  await expect(second).rejects.toMatchObject({ name: "AbortError" });
  started[0]();
  expect(await first).toEqual(Float64Array.of(1));
});

test("a spectrum under row weights is another one", async () => {
  const { started, loewner } = slowLibrary();
  const { loewner: remembering } = new Spectra(loewner);
  const asked = [{}, { rowWeights: Float64Array.of(1, 2) }].map((options) =>
    remembering.singularValues(matrix, options as SingularValuesOptions),
  );
  expect(started.length).toBe(2);
  for (const finish of started) finish();
  await Promise.all(asked);
});
