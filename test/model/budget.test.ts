// The spread of a budget, against every combination of choices.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocate, lowerHull, type Choice } from "../../src/model/budget.js";

const bytesOf = (choices: readonly Choice[]) => choices.reduce((sum, { bytes }) => sum + bytes, 0);
const errorOf = (choices: readonly Choice[]) => choices.reduce((sum, { error }) => sum + error, 0);

/** Least total error within `bytes`, by trying everything. */
function bruteForce(layers: readonly (readonly Choice[])[], bytes: number): number | undefined {
  if (layers.length === 0) return 0;
  const [first, ...others] = layers;
  let best: number | undefined;
  for (const choice of first) {
    if (choice.bytes > bytes) continue;
    const rest = bruteForce(others, bytes - choice.bytes);
    if (rest !== undefined && !(best! <= choice.error + rest)) best = choice.error + rest;
  }
  return best;
}

const anyChoice = fc.record({ bytes: fc.integer({ min: 1, max: 60 }), error: fc.integer({ min: 0, max: 100 }) });
const anyLayer = fc.array(anyChoice, { minLength: 1, maxLength: 6 });

/** Errors that fall by less and less, in steps of `step` bytes. */
const convexLayer = (step: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 5 }))
    .map(([least, falls]): Choice[] => {
      const sorted = [...falls].sort((a, b) => b - a);
      const error = (k: number) => sorted.slice(k).reduce((sum, x) => sum + x, 0);
      return [0, ...sorted].map((_, k) => ({ bytes: least + k * step, error: error(k) }));
    });

describe("allocate", () => {
  test("any choices: within the budget, none where the smallest exceed it, never worse than one step from the best", () => {
    fc.assert(
      fc.property(fc.array(anyLayer, { minLength: 1, maxLength: 4 }), fc.nat(240), (layers, bytes) => {
        const chosen = allocate(layers, bytes);
        const best = bruteForce(layers, bytes);
        if (best === undefined) {
          expect(chosen).toBeUndefined();
          return;
        }
        chosen!.forEach((choice, i) => expect(layers[i]).toContain(choice));
        expect(bytesOf(chosen!)).toBeLessThanOrEqual(bytes);
        const steps = layers.flatMap((layer) => {
          const hull = lowerHull(layer);
          return hull.slice(1).map((to, i) => hull[i].error - to.error);
        });
        expect(errorOf(chosen!)).toBeLessThanOrEqual(best + Math.max(0, ...steps));
      }),
      { numRuns: 500 },
    );
  });

  test("convex errors in equal steps: the least there is, and never more with more bytes", () => {
    const layers = fc
      .integer({ min: 1, max: 9 })
      .chain((step) => fc.array(convexLayer(step), { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(layers, fc.nat(120), fc.nat(30), (given, bytes, more) => {
        const chosen = allocate(given, bytes);
        expect(chosen && errorOf(chosen)).toBe(bruteForce(given, bytes));
        if (chosen) expect(errorOf(allocate(given, bytes + more)!)).toBeLessThanOrEqual(errorOf(chosen));
      }),
      { numRuns: 300 },
    );
  });

  test("all bytes that the largest choices take buy the least error of each", () => {
    fc.assert(
      fc.property(fc.array(anyLayer, { minLength: 1, maxLength: 5 }), (layers) => {
        const most = layers.reduce((sum, layer) => sum + Math.max(...layer.map(({ bytes }) => bytes)), 0);
        const least = layers.reduce((sum, layer) => sum + Math.min(...layer.map(({ error }) => error)), 0);
        expect(errorOf(allocate(layers, most)!)).toBe(least);
      }),
    );
  });

  test("equal layers get equal shares, up to one step", () => {
    fc.assert(
      fc.property(convexLayer(4), fc.integer({ min: 2, max: 6 }), fc.nat(200), (layer, count, bytes) => {
        const chosen = allocate(Array<Choice[]>(count).fill(layer), bytes);
        const sizes = chosen?.map((choice) => choice.bytes) ?? [0];
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(4);
      }),
    );
  });

  test("a step that is too large for what is left does not stop smaller ones, nor a choice above the hull", () => {
    const large: Choice[] = [
      { bytes: 1, error: 100 },
      { bytes: 101, error: 0 },
    ];
    const bent: Choice[] = [
      { bytes: 1, error: 10 },
      { bytes: 4, error: 9 },
      { bytes: 20, error: 0 },
    ];
    expect(allocate([large, bent], 100)).toEqual([large[0], bent[2]]);
    expect(allocate([large, bent], 10)).toEqual([large[0], bent[1]]);
    expect(allocate([large, bent], 1)).toBeUndefined();
    expect(allocate([], 0)).toEqual([]);
  });

  test("a straight line is taken point by point, and equals in turn", () => {
    const line = [48, 24, 0].map((error, i): Choice => ({ bytes: 1 + 4 * i, error }));
    const short: Choice[] = [
      { bytes: 1, error: 1 },
      { bytes: 8, error: 0 },
    ];
    expect(allocate([line, line], 10)).toEqual([line[1], line[1]]);
    expect(allocate([short, line], 6)).toEqual([short[0], line[1]]);
  });
});

describe("lowerHull", () => {
  test("is convex, falls, and lies below every choice", () => {
    fc.assert(
      fc.property(fc.array(anyChoice, { minLength: 1, maxLength: 12 }), (choices) => {
        const hull = lowerHull(choices);
        const slopes = hull.slice(1).map((to, i) => (hull[i].error - to.error) / (to.bytes - hull[i].bytes));
        // A line is convex too: its points are steps of their own.
        slopes.forEach((slope, i) => expect(slope).toBeGreaterThan(0.999999 * (slopes[i + 1] ?? 0)));
        expect(hull[0].bytes).toBe(Math.min(...choices.map(({ bytes }) => bytes)));
        expect(hull.at(-1)!.error).toBe(Math.min(...choices.map(({ error }) => error)));
        for (const { bytes, error } of choices) {
          const after = hull.findIndex((vertex) => vertex.bytes >= bytes);
          const at = after < 0 ? hull.at(-1)!.error : between(hull[Math.max(0, after - 1)], hull[after], bytes);
          expect(at).toBeLessThanOrEqual(error + 1e-9);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function between(a: Choice, b: Choice, bytes: number): number {
  return a === b ? a.error : a.error + ((b.error - a.error) * (bytes - a.bytes)) / (b.bytes - a.bytes);
}
