import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { interval, type Interval, intervals, resample } from "../../src/model/evaluate/interval.js";
import { accuracy } from "../../src/model/evaluate/metrics/accuracy.js";
import { bestRows } from "../../src/model/evaluate/metrics/best-rows.js";
import { f1 } from "../../src/model/evaluate/metrics/f1.js";
import { logLosses, meanLogLoss } from "../../src/model/evaluate/metrics/log-loss.js";
import { matthews } from "../../src/model/evaluate/metrics/matthews.js";
import { mean } from "../../src/model/evaluate/metrics/mean.js";
import { ndcgAtK } from "../../src/model/evaluate/metrics/ndcg.js";
import { pearson } from "../../src/model/evaluate/metrics/pearson.js";
import { perplexity } from "../../src/model/evaluate/metrics/perplexity.js";
import { recallAtK } from "../../src/model/evaluate/metrics/recall.js";
import { spearman } from "../../src/model/evaluate/metrics/spearman.js";
import { failure } from "../formats/fixtures.js";

interface Recorded {
  classes: { predictions: number[]; labels: number[]; accuracy: number; f1: number; matthews: number }[];
  correlations: { x: (number | null)[]; y: number[]; pearson: number | null; spearman: number | null }[];
  losses: { logits: number[]; classes: number; labels: number[]; each: number[]; loss: number }[];
  retrievals: { scores: number[]; relevance: [number, number][]; k: number; recall: number; ndcg: number }[];
  intervals: {
    rows: Record<string, number[][]>;
    labels: number[];
    first: number[];
    second: number[];
    seed: number;
    samples: number;
    level: number;
    scores: Interval[];
    difference: Interval;
    few: Interval;
  };
}
const recorded = JSON.parse(readFileSync(new URL("../fixtures/metrics.json", import.meta.url), "utf8")) as Recorded;

/** Equal but for rounding; NaN stands as null in the file. */
const expectNear = (found: number, expected: number | null) =>
  expected === null ? expect(found).toBeNaN() : expect(Math.abs(found - expected)).toBeLessThan(1e-12);

describe("metrics are those of scikit-learn, scipy and trec_eval", () => {
  test("accuracy, F1 and Matthews, also of constant predictions, equal labels and one row", () => {
    for (const { predictions, labels, ...expected } of recorded.classes) {
      expectNear(accuracy(predictions, labels), expected.accuracy);
      expectNear(f1(predictions, labels), expected.f1);
      expectNear(matthews(predictions, labels), expected.matthews);
    }
  });

  test("Pearson's and Spearman's correlation, with ties; NaN where a side is constant or there is one row", () => {
    for (const { x, y, ...expected } of recorded.correlations) {
      const values = x.map((each) => each ?? NaN);
      expectNear(pearson(values, y), expected.pearson);
      expectNear(spearman(values, y), expected.spearman);
    }
  });

  test("cross entropy, of logits in the thousands too; NaN for a label that is no class", () => {
    for (const { logits, classes, labels, each, loss } of recorded.losses) {
      const given = Float32Array.from(logits);
      logLosses(given, classes, labels).forEach((found, row) =>
        expect(Math.abs(found - each[row])).toBeLessThan(1e-12 * Math.max(1, each[row])),
      );
      expect(Math.abs(meanLogLoss(given, classes, labels) - loss)).toBeLessThan(1e-12 * Math.max(1, loss));
    }
    expect([...logLosses(new Float32Array(6), 3, [3, -100])]).toEqual([NaN, NaN]);
  });

  test("recall and nDCG of graded relevance, equal scores in order of their index", () => {
    for (const { scores, relevance, k, ...expected } of recorded.retrievals) {
      expectNear(recallAtK(scores, new Map(relevance), k), expected.recall);
      expectNear(ndcgAtK(scores, new Map(relevance), k), expected.ndcg);
    }
    expect(recallAtK([1, 2], new Map([[7, 1]]), 2)).toBe(0);
    expect(ndcgAtK([1, 2], new Map([[1, -1]]), 2)).toBe(0);
  });
});

test("perplexity is of all tokens together, not a mean of texts", () => {
  expectNear(perplexity([Math.log(2) * 3, Math.log(16)], [3, 1]), 2 ** (7 / 4));
  expect(perplexity([], [])).toBeNaN();
});

test("F1 is of the class asked for", () => {
  expect(f1([2, 2, 1], [2, 1, 1], undefined, 2)).toBeCloseTo(2 / 3, 12);
});

test("the best rows are those of the largest scores, the smaller index first, NaN last", () => {
  expect(bestRows([NaN, 1, 3, -Infinity, 3, 2], 3)).toEqual([2, 4, 5]);
  expect(bestRows([NaN, 1, 3, -Infinity, 3, 2], 9)).toEqual([2, 4, 5, 1, 3, 0]);
  expect(bestRows([], 2)).toEqual([]);
});

test("every metric counts the rows it is given, each as often as it stands there", () => {
  const rows = Uint32Array.of(4, 1, 1, 7, 0, 4, 4);
  const predictions = [1, 0, 1, 1, 0, 1, 0, 1];
  const labels = [1, 1, 0, 1, 1, 0, 0, 1];
  const x = [0.3, 2, 5, -1, 0.25, 8, 9, 2];
  const take = (values: readonly number[]) => Array.from(rows, (row) => values[row]);
  for (const metric of [accuracy, f1, matthews, pearson, spearman, perplexity]) {
    const given = metric === accuracy || metric === f1 ? predictions : x;
    expect(metric(given, labels, rows)).toBe(metric(take(given), take(labels)));
  }
  expect(mean(x, rows)).toBe(mean(take(x)));
});

describe("intervals by the bootstrap", () => {
  const { rows, labels, first, second, seed, samples, level, ...expected } = recorded.intervals;
  const options = { seed, samples, level };
  const correlation = (values: readonly number[]) => (drawn: Uint32Array) => pearson(values, labels, drawn);
  const expectInterval = (found: Interval, { low, high, samples }: Interval) => {
    expectNear(found.low, low);
    expectNear(found.high, high);
    expect(found.samples).toBe(samples);
  };

  test("the same seed draws the same rows, as written in Python", () => {
    for (const [seed, sets] of Object.entries(rows))
      expect(Array.from(resample(5, { seed: Number(seed), samples: 3 }), (drawn) => [...drawn])).toEqual(sets);
  });

  test("of a score: the percentiles of numpy", () => {
    expectInterval(interval(40, correlation(first), options), expected.scores[0]);
  });

  test("of two models' difference over the same rows: narrower than their own", () => {
    const found = intervals(40, [correlation(first), correlation(second)], options);
    found.scores.forEach((each, i) => expectInterval(each, expected.scores[i]));
    expectInterval(found.differences[1], expected.difference);
    expect(found.differences[0]).toEqual({ low: 0, high: 0, samples });
    const width = ({ low, high }: Interval) => high - low;
    expect(width(found.differences[1])).toBeLessThan(width(found.scores[0]) / 2);
  });

  test("samples without a score are left out, and counted; without any there is no interval", () => {
    const few = interval(3, (drawn) => pearson([0, 1, 1], [1, 2, 4], drawn), { samples: 50 });
    expectInterval(few, expected.few);
    expect(interval(1, (drawn) => pearson([1], [2], drawn))).toEqual({ low: NaN, high: NaN, samples: 0 });
  });

  test("one row: the score itself; infinite scores stay what they are", () => {
    expect(interval(1, (drawn) => accuracy([1], [1], drawn))).toEqual({ low: 1, high: 1, samples: 1000 });
    expect(interval(2, () => Infinity)).toEqual({ low: Infinity, high: Infinity, samples: 1000 });
  });

  test("rows are drawn evenly", () => {
    const counts = new Float64Array(10);
    for (const drawn of resample(10, { samples: 10_000 })) for (const row of drawn) counts[row]++;
    // Chi squared of 9 degrees of freedom: above 27.9 once in a thousand seeds.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9);
  });

  test("no rows, and options out of range, are refused", async () => {
    const message = async (n: number, options: Parameters<typeof interval>[2]) =>
      (await failure(() => interval(n, () => 0, options), "INVALID_INPUT")).message;
    expect(await message(0, {})).toBe("An interval needs rows, from 1 to 2^32 - 1; there are 0.");
    expect(await message(1, { samples: 0 })).toBe("samples must be a whole number of at least 1; got 0.");
    expect(await message(1, { level: 1 })).toBe("level must lie between 0 and 1; got 1.");
    expect(await message(1, { seed: -1 })).toMatch(/^seed must be/);
  });
});
