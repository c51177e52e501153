// Choosing rows: probabilities that sum to the size, and a choice that keeps to them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inclusionProbabilities, orderBy, pivotalSample } from "../../src/geometry/coreset/sample.js";
import { probabilities as twinProbabilities } from "../../reference/coreset.js";
import { bell, relative, uniform } from "./matrices.js";

const sumOf = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0);

describe("sampling", () => {
  test("probabilities: min(1, m q_i), and their sum is the size", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-9, max: 1, noNaN: true }), { minLength: 3, maxLength: 60 }),
        fc.nat(),
        (list, k) => {
          // Powers: from all alike to a few rows that dwarf the rest.
          const q = Float64Array.from(list, (x) => x ** (1 + (k % 5) * 3));
          const size = 1 + (k % (q.length - 1));
          const pi = inclusionProbabilities(q, size);
          expect(sumOf(pi)).toBeCloseTo(size, 8);
          const plain = twinProbabilities(q, size);
          pi.forEach((x, i) => expect(Math.abs(x - plain[i])).toBeLessThan(1e-9));
        },
      ),
      { numRuns: 200, seed: 20263 },
    );
    expect([...inclusionProbabilities(Float64Array.of(1, 0, 1, 2), 2)]).toEqual([0.5, 0, 0.5, 1]);
  });

  test("every row is chosen as often as its probability says, and estimates are unbiased", () => {
    const q = Float64Array.from({ length: 24 }, (_, i) => uniform(3, i) ** 3);
    const pi = inclusionProbabilities(q, 7.5);
    const values = q.map((_, i) => 1 + bell(4, i) ** 2);
    const order = orderBy(
      Float64Array.from({ length: 24 }, (_, i) => i % 5),
      5,
    );
    const draws = 20000;
    const counts = new Float64Array(24);
    let estimates = 0;
    for (let draw = 0; draw < draws; ++draw) {
      const uniforms = Float64Array.from({ length: 25 }, (_, i) => uniform(100 + draw, i));
      const chosen = pivotalSample(pi, order, uniforms);
      expect([7, 8]).toContain(chosen.length);
      for (const i of chosen) {
        ++counts[i];
        estimates += values[i] / pi[i];
      }
    }
    // Five standard deviations of a frequency.
    counts.forEach((count, i) =>
      expect(Math.abs(count / draws - pi[i])).toBeLessThan(5 * Math.sqrt((pi[i] * (1 - pi[i]) + 1e-12) / draws)),
    );
    expect(relative(estimates / draws, sumOf(values))).toBeLessThan(0.01);
  });

  test("order: ascending keys, equals by number, also where key and number do not fit one f64", () => {
    const keys = Float64Array.of(3, 1, 3, 0, 1);
    for (const end of [4, 2 ** 51]) expect([...orderBy(keys, end)]).toEqual([3, 1, 4, 0, 2]);
  });
});
