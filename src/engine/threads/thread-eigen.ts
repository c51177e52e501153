// The symmetric eigenproblem of assembly/eigen.ts over the workers, to the same bits. Once the matrix is tridiagonal
// (thread-reduction.ts) they solve ranges of it and then hold columns of its vectors, of which each merge changes every one by itself; at
// last they hold rows, and apply the reflectors to them.
//
// Cost: all vectors go from columns to rows by way of this thread.
import { withFrameAsync } from "../../kernel/frame.js";
import type { Kernel } from "../../kernel/load.js";
import { notConverged, type Eigen } from "../dense.js";
import type { Divided } from "./eigen-share.js";
import { shares } from "./shares.js";
import type { Team } from "./team.js";
import { reduceTogether, type Tridiagonal } from "./thread-reduction.js";

interface Problem {
  matrix: Float64Array;
  n: number;
  /** Vectors wanted. */
  count: number;
}

export async function threadEigen(kernel: Kernel, team: Team, { matrix, n, count }: Problem): Promise<Eigen> {
  const shift = shiftOf(matrix, n);
  const form = await reduceTogether(kernel, team, { matrix, n, scale: powerOfTwo(-shift) });
  const { tau } = form;
  const ascending = count ? await divide(kernel, team, form, n, count) : await valuesAlone(kernel, form, n);
  const scale = powerOfTwo(shift);
  const values = ascending.reverse().map((x) => x * scale);
  return { values, vectors: count ? await transformBack(team, tau, n, count) : new Float64Array() };
}

/** The exponent of the largest entry of the lower triangle, as eigen.ts takes it. */
function shiftOf(matrix: Float64Array, n: number): number {
  let peak = 0;
  let poison = 0;
  for (let i = 0; i < n; ++i) {
    for (let at = i * n, end = at + i; at <= end; ++at) {
      const x = Math.abs(matrix[at]);
      poison += x - x;
      if (x > peak) peak = x;
    }
  }
  if (!(peak + poison < Infinity)) throw notConverged(n, 0);
  if (peak === 0) return 0;
  const exponent = (new DataView(Float64Array.of(peak).buffer).getUint32(4, true) >>> 20) - 1023;
  return Math.max(-1022, Math.min(1022, exponent));
}

function powerOfTwo(exponent: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(4, (exponent + 1023) << 20, true);
  return view.getFloat64(0, true);
}

function valuesAlone(kernel: Kernel, { d, e }: Tridiagonal, n: number): Promise<Float64Array> {
  const { call } = kernel;
  return withFrameAsync(kernel, async (frame) => {
    const bytes = call.vectorPanelBytes(n, 0) >>> 0;
    const V = frame.bytes(bytes);
    kernel.bytes(V, bytes).fill(0);
    const at = frame.copy(d);
    const [below, work] = [frame.copy(e), frame.bytes(call.mergeBytes(n) >>> 0)];
    // The halves' own vectors are wanted as far as those two panels go.
    const pairs = frame.bytes(call.mergePairBytes(n, 0) >>> 0);
    const failed = call.divide(at, below, 0, n, n, V, 0, 0, work, pairs);
    if (failed) throw notConverged(n, failed - 1);
    return kernel.f64(at, n).slice();
  });
}

/** A range of rows of the tridiagonal matrix, torn in two or not. */
interface Range {
  low: number;
  size: number;
  halves?: [Range, Range];
  coupling: number;
  /** What is known of it once it is solved. */
  found?: Divided;
}

/** How often the matrix is torn before a worker goes on by itself: as many ranges as there are parts. */
const depth = 3;

function tear(kernel: Kernel, { d, e }: Tridiagonal, low: number, size: number, level: number): Range {
  if (level === depth) return { low, size, coupling: 0 };
  const half = kernel.call.firstHalf(size);
  const cut = low + half;
  const coupling = e[cut - 1];
  e[cut - 1] = 0;
  d[cut - 1] -= Math.abs(coupling);
  d[cut] -= Math.abs(coupling);
  const halves: [Range, Range] = [
    tear(kernel, { d, e } as Tridiagonal, low, half, level + 1),
    tear(kernel, { d, e } as Tridiagonal, cut, size - half, level + 1),
  ];
  return { low, size, halves, coupling };
}

const panelsOf = ({ low, size }: Range): [number, number] => [low >> 3, (low + size + 7) >> 3];

/** Divide and conquer; the workers then hold the vectors. @returns eigenvalues, ascending */
async function divide(kernel: Kernel, team: Team, form: Tridiagonal, n: number, count: number): Promise<Float64Array> {
  const { d, e } = form;
  const whole = tear(kernel, form, 0, n, 0);
  const levels: Range[][] = [[whole]];
  for (let level = 0; level < depth; ++level) levels.push(levels[level].flatMap(({ halves }) => halves!));
  const leaves = levels[depth];
  const workers = Math.min(team.size, leaves.length);
  const own = shares(leaves.length, workers).map((some) =>
    some.flatMap(({ first, blocks }) => leaves.slice(first, first + blocks)),
  );
  const panels = own.map((some): [number, number] => [panelsOf(some[0])[0], panelsOf(some[some.length - 1])[1]]);
  const solved = await team.ask(
    "divide",
    own.map((some, worker) => ({
      ...{ n, count, panels: panels[worker] },
      leaves: some.map(({ low, size }) => ({ low, d: d.slice(low, low + size), e: e.slice(low, low + size) })),
    })),
  );
  own.forEach((some, worker) => some.forEach((leaf, k) => (leaf.found = checked(solved[worker][k], n, leaf.low))));
  for (let level = depth - 1; level >= 0; --level) {
    const nodes = levels[level];
    const with_ = panels.map(([first, last]) =>
      nodes.filter((node) => panelsOf(node)[0] < last && panelsOf(node)[1] > first),
    );
    const merged = await team.ask(
      "merge",
      with_.map((some) => some.map((node) => mergeOf(node, level === 0 ? count : node.size))),
    );
    for (const node of nodes) {
      const found = with_.flatMap((some, worker) => (some.includes(node) ? [merged[worker][some.indexOf(node)]] : []));
      const { failed, d: values } = checked(found[0], n, node.low);
      const [first, last] = [found[0].first, found[found.length - 1].last];
      node.found = { failed, d: values, first, last };
    }
  }
  return whole.found!.d;
}

function mergeOf({ low, halves, coupling }: Range, wanted: number) {
  const [before, after] = halves!.map(({ found }) => found!);
  const half = before.d.length;
  const [d, z] = [new Float64Array(half + after.d.length), new Float64Array(half + after.d.length)];
  d.set(before.d);
  d.set(after.d, half);
  const sign = coupling < 0 || Object.is(coupling, -0) ? -1 : 1;
  const scale = Math.sqrt(0.5);
  before.last!.forEach((x, i) => (z[i] = x * scale));
  after.first!.forEach((x, i) => (z[half + i] = sign * x * scale));
  return { low, half, rho: 2 * Math.abs(coupling), d, z, wanted };
}

function checked(found: Divided, n: number, low: number): Divided {
  if (found.failed) throw notConverged(n, low + found.failed - 1);
  return found;
}

/** From columns of the tridiagonal's vectors, as the workers hold them, to rows of the matrix's. */
async function transformBack(team: Team, tau: Float64Array, n: number, count: number): Promise<Float64Array> {
  const columns = await team.ask("vectors", new Array<null>(team.size).fill(null));
  const width = columns.reduce((sum, some) => sum + some.length / count, 0);
  const each = 2 * Math.ceil(count / team.size / 2);
  const starts = Array.from({ length: team.size }, (_, worker) => Math.min(count, worker * each));
  const inputs = starts.map((start, worker) => {
    const rows = new Float64Array(((starts[worker + 1] ?? count) - start) * width);
    let c = 0;
    for (const some of columns) {
      const cols = some.length / count;
      for (let r = 0; r * width < rows.length; ++r)
        rows.set(some.subarray((start + r) * cols, (start + r + 1) * cols), r * width + c);
      c += cols;
    }
    return rows.length ? { rows, count: rows.length / width, tau } : undefined;
  });
  const found = await team.ask(
    "back",
    inputs,
    inputs.map((input) => (input ? [input.rows.buffer as ArrayBuffer] : [])),
  );
  const vectors = new Float64Array(count * n);
  found.forEach((rows, worker) => vectors.set(rows, starts[worker] * n));
  return vectors;
}
