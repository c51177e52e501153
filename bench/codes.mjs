// Trellis codes: entries a second, what that is of the machine's SIMD peak (multiply-adds on registers alone), and beside the same loop in
// plain C (clang -O3 -msse4.1, where there is a clang), best of `runs`, one thread.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { trellisError, trellisTable } from "../build/lib/code-trellis.js";
import { withFrame } from "../build/lib/kernel/frame.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { Kernel } from "../build/lib/kernel/load.js";
import { best, peakFlops } from "./kernels.mjs";
import { note, print } from "./table.mjs";

/** A state takes a subtraction, a multiplication, an addition and a minimum; rows start 64 entries early. */
const rowFlop = (n, windowBits) => 4 * 2 ** windowBits * (n + 64);

/** Seconds of the plain loop by bits and so on, as its head has them; undefined where nothing compiles it. */
function plainLoop(folder) {
  const program = join(folder, "trellis");
  const source = fileURLToPath(new URL("peers/trellis.c", import.meta.url));
  const { status } = spawnSync("clang", ["-O3", "-msse4.1", source, "-o", program]);
  return status === 0
    ? (...numbers) => Number(spawnSync(program, numbers.map(String), { encoding: "utf8" }).stdout)
    : undefined;
}

export async function codes({ cols: n = 384, runs: asked = 5 }) {
  const runs = Math.max(asked, 5);
  const kernel = await Kernel.load(await inlinedKernel());
  const { call } = kernel;
  const rows = 16;
  const table = [
    [
      "bits",
      "window",
      "encode, M entries/s",
      "of f32 peak",
      "to plain C",
      "decode, M entries/s",
      "squared error",
      "bound",
    ],
  ];
  peakFlops(call);
  const folder = mkdtempSync(join(tmpdir(), "loewner-peer-"));
  const plain = plainLoop(folder);
  withFrame(kernel, (frame) => {
    const count = rows * n;
    const X = frame.bytes(4 * count);
    const sums = frame.f64(3 * rows);
    const codes = frame.bytes(count);
    const out = frame.f64(count);
    call.normals(out, count, 1, 0, 0, 0);
    kernel.f32(X, count).set(kernel.f64(out, count).slice());
    for (const windowBits of [10, 12]) {
      const T = frame.bytes(4 << windowBits);
      for (let bits = 1; bits <= 8; ++bits) {
        kernel.f32(T, 2 ** windowBits).set(trellisTable(bits, windowBits));
        withFrame(kernel, (inner) => {
          const work = inner.bytes(call.trellisWorkBytes(n, bits, windowBits));
          call.trellisPrepare(work, n, bits, windowBits, T);
          // The machine may be busy: the peak is measured beside each.
          const peak = peakFlops(call);
          const encode = best(runs, () => call.trellisEncode(codes, sums, X, rows, n, n, bits, windowBits, T, work));
          const peer = plain && plain(bits, windowBits, n, rows, runs) / encode;
          const decode = best(runs, () => call.trellisDecode(out, codes, rows, n, bits, windowBits, T, 0));
          table.push([
            bits,
            windowBits,
            (count / encode / 1e6).toFixed(2),
            ((rows * rowFlop(n, windowBits)) / encode / Math.max(peak, peakFlops(call))).toFixed(2),
            peer?.toFixed(2) ?? "",
            (count / decode / 1e6).toFixed(0),
            trellisError(bits, windowBits, n).toPrecision(3),
            (4 ** -bits).toPrecision(3),
          ]);
        });
      }
    }
  });
  rmSync(folder, { recursive: true });
  print(`Trellis codes (rows of ${n} entries, seed 1, best of ${runs})`, table);
  note(
    "4 operations a state, 64 entries before each row too; the peak is of multiplications and additions in equal number, measured beside each line. To plain C: its seconds beside those here, which find circles too.",
  );
  return table;
}
