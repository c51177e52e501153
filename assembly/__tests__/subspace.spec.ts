import { noise } from "./values";
import { subspaceRows } from "../subspace";

const n: u32 = 7;

/** Largest relative error of the sums, row scales and distances against the definitions; `stride` f64 from one square to the next. */
function rowsError(p: f64, floor: f64, unit: f64, stride: u32, weighted: bool): f64 {
  const q = heap.alloc(n * stride * 8), squares = heap.alloc(n * 8), s = heap.alloc(n * 8), r = heap.alloc(n * 8);
  const distance = heap.alloc(n * 8), out = heap.alloc(40);
  const error: f64 = 0.25;
  let sum: f64 = 0, smooth: f64 = 0, distances: f64 = 0, weights: f64 = 0, rounding: f64 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    // One row in the subspace, and one that is zero.
    const d = i == 2 || i == 5 ? 0 : 1 + noise(i);
    const size = i == 5 ? 0 : 3 + noise(i + 50);
    const si = weighted ? 1.5 + noise(i + 100) : 1;
    store<f64>(q + ((<usize>i * stride) << 3), d * d);
    store<f64>(squares + (<usize>i << 3), size * size);
    store<f64>(s + (<usize>i << 3), si);
    if (d > 0) {
      sum += si * Math.pow(d, p);
      smooth += si * (d >= floor ? Math.pow(d, p) : 0.5 * p * Math.pow(floor, p - 2) * d * d + (1 - 0.5 * p) * Math.pow(floor, p));
    }
    distances += si * d;
    weights += si;
    rounding += si * Math.pow(error * size, p);
  }
  subspaceRows(q, stride << 3, squares, weighted ? s : 0, r, distance, out, n, p, floor, unit, error);
  let worst = abs(load<f64>(out) / sum - 1);
  worst = max(worst, abs(load<f64>(out, 8) / smooth - 1));
  worst = max(worst, abs(load<f64>(out, 16) / distances - 1));
  worst = max(worst, abs(load<f64>(out, 24) / weights - 1));
  worst = max(worst, abs(load<f64>(out, 32) / rounding - 1));
  for (let i: u32 = 0; i < n; ++i) {
    const o = <usize>i << 3;
    const d = i == 2 || i == 5 ? 0 : 1 + noise(i);
    const si = weighted ? load<f64>(s + o) : 1;
    const scale = load<f64>(r + o);
    if (max(d, floor) > 0) worst = max(worst, abs(scale * scale / (si * Math.pow(max(d, floor) / unit, p - 2)) - 1));
    else worst = max(worst, abs(scale));
    worst = max(worst, abs(load<f64>(distance + o) - d));
  }
  heap.free(q);
  heap.free(squares);
  heap.free(s);
  heap.free(r);
  heap.free(distance);
  heap.free(out);
  return worst;
}

describe("weights of a robust subspace", () => {
  it("sums, row scales and distances, for floors below, among and above the distances", () => {
    const ps: f64[] = [0.3, 1, 1.4, 2];
    const floors: f64[] = [0, 0.1, 1, 3];
    for (let a = 0; a < ps.length; ++a) {
      for (let b = 0; b < floors.length; ++b) {
        expect<f64>(rowsError(ps[a], floors[b], 0.7, 1, true)).toBeLessThan(1e-13);
        expect<f64>(rowsError(ps[a], floors[b], 2, 3, false)).toBeLessThan(1e-13);
      }
    }
  });

  it("distances need not be wanted", () => {
    const x = heap.alloc(64);
    store<f64>(x, 4);
    store<f64>(x, 9, 8);
    subspaceRows(x, 8, x + 8, 0, x + 16, 0, x + 24, 1, 1, 0.5, 1, 0);
    expect<f64>(load<f64>(x, 16)).toBe(Math.sqrt(0.5));
    expect<f64>(load<f64>(x, 24)).toBe(2);
    expect<f64>(load<f64>(x, 56)).toBe(0);
    heap.free(x);
  });
});
