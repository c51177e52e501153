// The bytes of an answer are the same wherever the rows come from, however they are cut and whoever works on them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LowRankOptions, MatrixLike } from "../../src/index.js";
import { memorySink, npyHeader, openHttp, openNpy, writeNpy } from "../../src/formats/index.js";
import { openFile, type FileSource } from "../../src/node/files/file.js";
import { RangeServer } from "../formats/range-server.js";
import { matrix } from "./matrices.js";
import { createLoewner } from "./threads.js";

const [rows, cols] = [2907, 13];
const a = matrix("heavy-tailed rows", rows, cols, { f32: true });
const folder = mkdtempSync(join(tmpdir(), "loewner-sources-"));
const files: FileSource[] = [];
let server: RangeServer;

async function npyBytes(): Promise<Uint8Array> {
  const sink = memorySink();
  await writeNpy(sink, { data: a.data as Float32Array, shape: [rows, cols] });
  return sink.bytes();
}

/** The same matrix, stored column by column. */
function fortranBytes(): Uint8Array {
  const header = Buffer.from(npyHeader("f32", [rows, cols]));
  const at = header.indexOf("False");
  header.write("True,", at, "latin1");
  header.write(" ", at + 5, "latin1");
  const columns = Float32Array.from(
    { length: rows * cols },
    (_, i) => a.data[(i % rows) * cols + Math.floor(i / rows)],
  );
  return Buffer.concat([header, new Uint8Array(columns.buffer)]);
}

async function file(name: string, bytes: Uint8Array): Promise<MatrixLike> {
  writeFileSync(join(folder, name), bytes);
  const opened = await openFile(join(folder, name));
  files.push(opened);
  return openNpy(opened);
}

/** Rows that come late, in a buffer that is spoilt by the next read. */
function oneBuffer(): MatrixLike {
  const all = new Uint8Array(a.data.buffer);
  const buffer = new Uint8Array(all.length);
  return {
    ...{ rows, cols, dtype: "f32", name: "late" },
    async read(start, count) {
      buffer.fill(255);
      await new Promise((resolve) => setImmediate(resolve));
      const bytes = all.subarray(start * cols * 4, (start + count) * cols * 4);
      buffer.set(bytes);
      return buffer.subarray(0, bytes.length);
    },
  };
}

const sources: Record<string, MatrixLike> = { memory: a, "one buffer": oneBuffer() };
beforeAll(async () => {
  server = await new RangeServer().start();
  server.bytes = await npyBytes();
  sources.file = await file("A.npy", await npyBytes());
  sources["file, column by column"] = await file("F.npy", fortranBytes());
  sources["HTTP ranges"] = await openNpy(await openHttp(server.url));
});
afterAll(async () => {
  for (const each of files) await each.close();
  rmSync(folder, { recursive: true });
  await server.stop();
});

const jobs: Record<string, LowRankOptions> = {
  "p = 1": { rank: 5, p: 1, method: "lewis" },
  "p = 2": { rank: 5, p: 2 },
};

/** Factors, certificate and report, to the last bit. */
async function answer(options: Parameters<typeof createLoewner>[0], job: LowRankOptions, source: MatrixLike) {
  const loewner = await createLoewner({ threadBytes: 0, ...options });
  try {
    const { left, right, certificate, report } = await loewner.lowRank(source, job);
    const bits = [left, right].map(({ data }) => Buffer.from(data.buffer).toString("base64"));
    return JSON.stringify([bits, certificate, report]);
  } finally {
    loewner.dispose();
  }
}

describe.each(Object.keys(jobs))("low rank, %s", (job) => {
  let expected: string;
  beforeAll(async () => {
    expected = await answer({}, jobs[job], a);
  });

  test.each(["memory", "one buffer", "file", "file, column by column", "HTTP ranges"])("%s", async (name) => {
    for (const options of [
      { threads: 1, tileRows: 256 },
      { threads: 1, memory: 2e6 },
      { threads: 2, tileRows: 768 },
      { threads: 3, tileRows: 1280, residentBytes: 0 },
      { threads: 3, memory: 6e6 },
    ])
      expect((await answer(options, jobs[job], sources[name])) === expected).toBe(true);
  });
});
