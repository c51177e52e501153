// The inner loops, as a share of the machine's SIMD peak (multiply-adds on registers alone), best of `runs`, one thread.
import { withFrame } from "../build/lib/kernel/frame.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { Kernel } from "../build/lib/kernel/load.js";
import { print } from "./table.mjs";

const n = 256;

export function best(runs, body) {
  let least = Infinity;
  for (let i = 0; i < runs; ++i) {
    const start = performance.now();
    body();
    least = Math.min(least, performance.now() - start);
  }
  return least / 1000;
}

/** Multiply-adds on registers alone, counted as two operations each: what a second of them does. */
export function peakFlops(call) {
  const rounds = 2e6;
  return (rounds * 24 * 8) / best(9, () => call.peakF32(rounds));
}

export async function kernels({ cols: d, runs: asked = 9 }) {
  // Short jobs: the first few runs only warm the compiler up.
  const runs = Math.max(asked, 9);
  const kernel = await Kernel.load(await inlinedKernel());
  const { call } = kernel;
  const peak = () => peakFlops(call) / 1e9;
  const rows = [["kernel", "shape", "GFLOP/s", "of f32 peak", "limit"]];
  const add = (name, flop, body, limit = "") => {
    rows.push([name, `256 x ${d}`, flop / best(runs, body) / 1e9, "", limit]);
  };
  peak();
  const before = peak();
  withFrame(kernel, (frame) => {
    const A = frame.bytes(n * d * 8);
    const r = frame.f64(n);
    const slots = frame.bytes((call.gramSlotBytes(1, d) >>> 0) * 5);
    const packed = frame.bytes(call.gramPackedBytes(1, n, d) >>> 0);
    const pairs = frame.bytes(call.pairBytes(1, n, d) >>> 0);
    const panels = frame.bytes(call.panelBytes(1, d, d) >>> 0);
    const strip = frame.bytes(call.stripBytes(n) >>> 0);
    const q = frame.f64(n);
    const Y = frame.f64(n * d);
    const B = frame.copy(Float64Array.from({ length: d * d }, (_, i) => Math.sin(i)));
    kernel.f32(A, n * d).forEach((_, i, view) => (view[i] = Math.sin(i * 1.3)));
    kernel.f64(r, n).fill(0.7);
    const blocks = 16;
    for (const [form, name, limit] of [
      [0, "Gram, f32 sums", ">= 0.85"],
      [1, "Gram, f64 sums of f32 rows", ""],
    ]) {
      add(
        name,
        blocks * n * d * (d + 1),
        () => {
          for (let b = 0; b < blocks; ++b) call.gramBlock(form, slots, A, n, d, r, 0, packed, b);
        },
        limit,
      );
    }
    for (const form of [0, 1]) {
      call.packPanels(form, panels, B, d, d);
      add(form ? "leverage, triangular, f64" : "leverage, triangular, f32", 4 * n * d * (d + 1), () => {
        for (let b = 0; b < 4; ++b) {
          call.packPairs(form, pairs, A, n, d);
          call.leverage(form, q, pairs, n, d, panels, d, 1, strip);
        }
      });
      add(form ? "product, f64" : "product, f32", 8 * n * d * d, () => {
        for (let b = 0; b < 4; ++b) {
          call.packPairs(form, pairs, A, n, d);
          call.multiply(form, Y, pairs, n, d, panels, d, strip);
        }
      });
    }
    const gram = Float64Array.from({ length: d * d }, (_, i) =>
      Math.sin(Math.min(i % d, Math.floor(i / d)) * 7 + Math.max(i % d, Math.floor(i / d))),
    );
    const G = frame.f64(d * d);
    const w = frame.f64(d);
    const work = frame.bytes(call.eigenWorkBytes(d, d) >>> 0);
    const seconds = best(3, () => {
      kernel.f64(G, d * d).set(gram);
      call.eigen(G, w, d, work, d);
    });
    rows.push(["symmetric eigenproblem", `${d} x ${d}`, `${(1000 * seconds).toFixed(0)} ms`, "", ""]);
  });
  const top = Math.max(before, peak());
  for (const row of rows) {
    if (typeof row[2] === "number") row.splice(2, 2, row[2].toFixed(1), (row[2] / top).toFixed(2));
  }
  print(`Kernels (peak ${top.toFixed(1)} GFLOP/s f32, best of ${runs})`, rows);
  return rows;
}
