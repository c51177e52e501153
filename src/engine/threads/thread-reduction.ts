// A symmetric matrix made tridiagonal by threads that go on with it, and hold its reflectors then.
//
// Cost: a message of at most 8 n bytes to and from each worker for every column.
import { withFrameAsync } from "../../kernel/frame.js";
import type { Kernel } from "../../kernel/load.js";
import type { Subtree } from "../block-sweep.js";
import { SumTree } from "../tree.js";
import type { ColumnInput } from "./eigen-share.js";
import { shares } from "./shares.js";
import type { Team } from "./team.js";

export interface Tridiagonal {
  d: Float64Array;
  e: Float64Array;
  /** Scales of the reflectors. */
  tau: Float64Array;
}

/** n x n, to be multiplied by a power of two. */
interface Scaled {
  matrix: Float64Array;
  n: number;
  scale: number;
}

function tridiagonal(kernel: Kernel, n: number, ...pointers: [d: number, e: number, tau: number]): Tridiagonal {
  const [d, e, tau] = pointers.map((at) => kernel.f64(at, n).slice());
  return { d, e, tau };
}

function scaled(numbers: Float64Array, scale: number): Float64Array {
  return scale === 1 ? numbers : numbers.map((x) => x * scale);
}

/** A worker's parts of the matrix, packed. */
function packed(kernel: Kernel, matrix: Float64Array, n: number, range: [number, number], scale: number): Float64Array {
  const { call } = kernel;
  const part = new Float64Array((call.partBytes(n, ...range) >>> 0) / 8);
  for (let row = 0; row < n; ++row) {
    const offset = call.rowOffset(n, row, ...range);
    if (offset >= 0) part.set(scaled(matrix.subarray(row * n, row * n + row + 1), scale), offset / 8);
  }
  return part;
}

/** Sends each worker its parts of the matrix. @returns the numbers of these */
async function dealOut(kernel: Kernel, team: Team, { matrix, n, scale }: Scaled): Promise<Subtree[][]> {
  const count = kernel.call.partsOf(n);
  const parts = shares(count, Math.min(team.size, count));
  for (const [worker, own] of parts.entries()) {
    const last = own[own.length - 1];
    const part = packed(kernel, matrix, n, [own[0].first, last.first + last.blocks], scale);
    const given = [part.buffer as ArrayBuffer];
    const inputs = parts.map((_, other) => (other === worker ? { n, parts: own, matrix: part } : undefined));
    await team.ask(
      "reduce",
      inputs,
      parts.map(() => given),
    );
  }
  return parts;
}

/** The workers take a reflector. @returns the sum of what their parts make of it, where it is wanted */
async function multiplied(team: Team, parts: Subtree[][], column: ColumnInput): Promise<Float64Array> {
  const copies = parts.map(() => column.u.slice());
  const sums = await team.ask(
    "column",
    copies.map((u) => ({ ...column, u })),
    copies.map(({ buffer }) => [buffer as ArrayBuffer]),
  );
  const tree = new SumTree();
  for (const [worker, own] of parts.entries())
    sums[worker].forEach((sum, k) => tree.addSubtree(sum, 31 - Math.clz32(own[k].blocks)));
  return tree.finish();
}

/** As assembly/eigen-tridiagonal.ts goes about it; the workers hold parts of the matrix, and are asked at every column. */
export function reduceTogether(kernel: Kernel, team: Team, problem: Scaled): Promise<Tridiagonal> {
  const { matrix, n, scale } = problem;
  const { call } = kernel;
  return withFrameAsync(kernel, async (frame) => {
    const parts = await dealOut(kernel, team, problem);
    const stride = call.rowBytes(n);
    const blockBytes = call.blockBytes(n);
    const X = frame.bytes(blockBytes);
    kernel.bytes(X, blockBytes).fill(0);
    const [d, e, tau, y] = [frame.f64(n), frame.f64(n), frame.f64(n), frame.f64(n)];
    kernel.f64(e, n)[n - 1] = 0;
    kernel.f64(tau, n)[0] = 0;
    // The rows of one block, the last of which has row 0 too.
    const rows = frame.f64((n - call.blockStart(n) + 1) * n);
    const firstOf = (end: number) => (call.blockStart(end) === 1 ? 0 : call.blockStart(end));
    const place = (row: number, end: number) => rows + (row - firstOf(end)) * n * 8;
    for (let row = firstOf(n); row < n; ++row)
      kernel.f64(place(row, n), row + 1).set(scaled(matrix.subarray(row * n, row * n + row + 1), scale));

    for (let end = n; end > 1;) {
      const start = call.blockStart(end);
      let some = 0;
      for (let i = end - 1; i >= start; --i) {
        const multiply = call.reflectRow(place(i, end), n, i, end, X, d, e, tau, some) !== 0;
        const u = kernel.f64(X + 2 * (end - 1 - i) * stride, i);
        const sum = await multiplied(team, parts, { i, end, u, multiply });
        if (!multiply) continue;
        kernel.f64(y, i).set(sum);
        call.finishRow(y, n, i, end, X, kernel.f64(tau, n)[i], some);
        some = 1;
      }
      if (start === 1) {
        const corner = kernel.f64(place(0, end), 1)[0];
        kernel.f64(d, 1)[0] = call.lastEntry(corner, n, end, X);
      } else {
        const w = new Float64Array(some && (end - start) * start);
        for (let k = 0; k < w.length / start; ++k) w.set(kernel.f64(X + (2 * k + 1) * stride, start), k * start);
        const update = { start, w, first: firstOf(start) };
        const found = await team.ask(
          "update",
          parts.map(() => update),
        );
        for (const { row, entries } of found.flat()) kernel.f64(place(row, start), row + 1).set(entries);
      }
      end = start;
    }
    return tridiagonal(kernel, n, d, e, tau);
  });
}
