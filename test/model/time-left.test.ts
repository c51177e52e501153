// How long it may still take: nothing at first, and by the pace of late.
import { expect, test } from "vitest";
import { duration, progressText, TimeLeft } from "../../src/model/time-left.js";

test("nothing is said in the first seconds, nor while little is done", () => {
  let now = 0;
  const time = new TimeLeft(() => now);
  expect(time.seconds(0, 100)).toBeUndefined();
  now = 2000;
  expect(time.seconds(50, 100)).toBeUndefined();
  now = 60_000;
  const slow = new TimeLeft(() => now);
  now = 120_000;
  expect(slow.seconds(4, 100)).toBeUndefined();
  expect(progressText(slow, 0, 0)).toBe("0 %");
});

test("an even pace is told exactly, and a pace that changes is told by its second half", () => {
  let now = 0;
  const even = new TimeLeft(() => now);
  for (let done = 0; done <= 40; done += 10, now += 1000) even.seconds(done, 100);
  now = 5000;
  expect(even.seconds(50, 100)).toBeCloseTo(5, 9);
  // The first tenth takes nothing, all else a second a hundredth.
  now = 0;
  const late = new TimeLeft(() => now);
  late.seconds(10, 100);
  for (let done = 11; done <= 60; ++done) {
    now += 1000;
    late.seconds(done, 100);
  }
  expect(late.seconds(60, 100)).toBeCloseTo(40, 9);
  expect(progressText(late, 60, 100)).toBe("60 %, about 40 seconds left");
  expect(progressText(late, 100, 100)).toBe("100 %");
});

test("durations are in the unit that a person would take", () => {
  expect([0.2, 40, 200, 20_000].map(duration)).toEqual([
    "about a second",
    "about 40 seconds",
    "about 3 minutes",
    "about 6 hours",
  ]);
});
