// Smallest ellipsoids of flat and other awkward sets, and John's ellipsoids.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { choleskyInPlace, solveInPlace } from "../../src/geometry/basis/small-dense.js";
import { dense, expectOptimal, rowOf } from "./ellipsoids.js";
import { bell, matrix, uniform } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

describe("degenerate sets", () => {
  test("points on a line: the ellipsoid is the interval that holds them", async () => {
    const a = dense([[3], [-1], [2]]);
    const centred = await loewner.minVolumeEllipsoid(a);
    expect([centred.H.data[0], centred.center[0]]).toEqual([expect.closeTo(1 / 9, 14), 0]);
    const free = await loewner.minVolumeEllipsoid(a, { freeCenter: true });
    expect([free.H.data[0], free.center[0]]).toEqual([expect.closeTo(1 / 4, 14), expect.closeTo(1, 14)]);
  });

  test("one point, equal points, zeros: rank 0 or a segment", async () => {
    for (const rows of [
      [[3, 4]],
      [
        [3, 4],
        [3, 4],
        [3, 4],
      ],
    ]) {
      const a = dense(rows);
      const free = await loewner.minVolumeEllipsoid(a, { freeCenter: true });
      expect([free.rank, free.logDet, ...free.center]).toEqual([0, 0, 3, 4]);
      expect([free.H.rows, free.H.data.length, free.basis!.rows, free.basis!.cols]).toEqual([0, 0, 2, 0]);
      const centred = await loewner.minVolumeEllipsoid(a);
      expect(centred.rank).toBe(1);
      expect(centred.H.data[0]).toBeCloseTo(1 / 25, 14);
      expect([...centred.basis!.data].map((x) => x.toFixed(9))).toEqual(["0.600000000", "0.800000000"]);
    }
    const zero = await loewner.minVolumeEllipsoid(
      dense([
        [0, 0],
        [0, 0],
      ]),
    );
    expect([zero.rank, zero.converged, zero.residual, ...zero.center]).toEqual([0, true, 0, 0, 0]);
  });

  test("points in a plane of R^4, shifted far: the plane's ellipsoid", async () => {
    const n = 600;
    const flat = new Float64Array(n * 2).map((_, i) => bell(3, i));
    const axes = [
      [0.5, 0.5, 0.5, 0.5],
      [0.5, -0.5, 0.5, -0.5],
    ];
    const data = new Float64Array(n * 4);
    for (let i = 0; i < n; ++i) {
      for (let j = 0; j < 4; ++j) data[i * 4 + j] = 1000 + flat[2 * i] * axes[0][j] + flat[2 * i + 1] * axes[1][j];
    }
    const a = { data, rows: n, cols: 4 };
    const inPlane = await loewner.minVolumeEllipsoid({ data: flat, rows: n, cols: 2 }, { freeCenter: true });
    const result = await loewner.minVolumeEllipsoid(a, { freeCenter: true });
    expect(result.rank).toBe(2);
    expect(result.logDet).toBeCloseTo(inPlane.logDet, 6);
    expectOptimal(a, result, true);
    const centred = await loewner.minVolumeEllipsoid(a);
    expect(centred.rank).toBe(2);
    expectOptimal(a, centred, false, 1e-5);
  });

  test("a set 1e-6 thick is thin, not flat, however many points it has", async () => {
    const n = 20000;
    const data = new Float64Array(2 * n);
    for (let i = 0; i < n; ++i) {
      data[2 * i] = bell(1, i);
      data[2 * i + 1] = bell(1, i) + 1e-6 * bell(2, i);
    }
    const { rank, converged } = await loewner.minVolumeEllipsoid({ data, rows: n, cols: 2 });
    expect([rank, converged]).toEqual([2, true]);
  });

  test("fewer points than dimensions: all of them touch, with equal weight", async () => {
    const a = matrix("plain", 5, 20);
    const { rank, weights } = await loewner.minVolumeEllipsoid(a);
    expect(rank).toBe(5);
    weights.forEach((u) => expect(u).toBeCloseTo(1 / 5, 12));
    expect((await loewner.minVolumeEllipsoid(a, { freeCenter: true })).rank).toBe(4);
  });
});

test("a direction that no row of large leverage has is found by a sweep of its own", async () => {
  const n = 2000;
  const data = new Float64Array(3 * n);
  for (let i = 0; i < n; ++i) {
    if (i < 200) for (let j = 0; j < 2; ++j) data[3 * i + j] = bell(6, 2 * i + j);
    else data[3 * i + 2] = 1 + uniform(7, i);
  }
  const a = { data, rows: n, cols: 3 };
  for (const freeCenter of [false, true]) {
    const result = await loewner.minVolumeEllipsoid(a, { freeCenter });
    expect([result.rank, result.converged]).toEqual([3, true]);
    expectOptimal(a, result, freeCenter);
  }
});

describe("John's ellipsoid of {x : |a_i x| <= 1}", () => {
  test("of the cube it is the ball; of a flat set a cylinder", async () => {
    const { H, logDet } = await loewner.johnEllipsoid(
      dense([
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0.5, 0.5, 0],
      ]),
    );
    [...H.data].forEach((h, i) => expect(h).toBeCloseTo(i % 4 === 0 ? 1 : 0, 12));
    expect(logDet).toBeCloseTo(0, 12);
    const flat = await loewner.johnEllipsoid(
      dense([
        [2, 0],
        [-1, 0],
      ]),
    );
    expect([flat.rank, flat.logDet, ...flat.H.data]).toEqual([1, -Infinity, 4, 0, 0, 0]);
  });

  test("lies inside, touches at the contacts, and is the polar of the enclosing one", async () => {
    const a = matrix("heavy-tailed rows", 700, 5);
    const { H, contacts, logDet } = await loewner.johnEllipsoid(a);
    const outer = await loewner.minVolumeEllipsoid(a);
    expect(logDet).toBeCloseTo(-outer.logDet, 9);
    // The support of the ellipsoid in direction a is sqrt(a' H^-1 a).
    const L = H.data.slice();
    expect(choleskyInPlace(L, 5)).toBe(-1);
    const reach = Array.from({ length: 700 }, (_, i) => {
      const x = Float64Array.from(rowOf(a, i));
      const y = x.slice();
      solveInPlace(L, 5, y);
      return Math.sqrt(x.reduce((sum, v, j) => sum + v * y[j], 0));
    });
    reach.forEach((r) => expect(r).toBeLessThan(1 + 1e-12));
    contacts.forEach((i) => expect(reach[i]).toBeGreaterThan(1 - 1e-6));
  });
});
