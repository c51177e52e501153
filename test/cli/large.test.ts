// Commands on one matrix that need not fit into memory: by HTTP, with a budget, factors written as they are made.
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RangeServer } from "../formats/range-server.js";
import { matrix } from "../library/matrices.js";
import {
  bytesOf,
  listing,
  run,
  smallModel,
  start,
  startDisturbed,
  temporaryFolder,
  writeMatrix,
  writeModel,
} from "./run.js";

let folder: string;
let server: RangeServer;
beforeEach(async () => {
  folder = temporaryFolder();
  server = await new RangeServer().start();
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function write(rows: number, cols: number): Promise<void> {
  const { data } = matrix("heavy-tailed rows", rows, cols, { f32: true });
  await writeMatrix(folder, "A.npy", data, [rows, cols]);
  server.bytes = bytesOf(folder, "A.npy");
}

const factors = (name: string) => ["--left", `L${name}.npy`, "--right", `R${name}.npy`];

/** Like `run`, while this process answers requests. */
async function serveWhile(...args: string[]) {
  const child = start(folder, ...args);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => (stdout += text));
  child.stderr.on("data", (text) => (stderr += text));
  const [status] = await once(child, "close");
  return { status, stdout, stderr };
}

const fine = { status: 0, stderr: "" };

describe("low-rank", () => {
  test("by HTTP, with any budget, whatever gives the rank: the same files", async () => {
    await write(3000, 20);
    for (const [size, value] of [
      ["--rank", "4"],
      ["--keep", "0.3", "--dtype", "f32"],
      ["--energy", "0.9"],
    ]) {
      const how = [size, value, "--p", "1", "--method", "lewis", "--force"];
      expect(run(folder, "low-rank", "A.npy", ...how, ...factors("1"))).toMatchObject(fine);
      expect(run(folder, "low-rank", "A.npy", ...how, ...factors("2"), "--memory", "20MB")).toMatchObject(fine);
      expect(await serveWhile("low-rank", server.url, ...how, ...factors("3"))).toMatchObject(fine);
      for (const other of ["2", "3"]) {
        for (const factor of ["L", "R"])
          expect(bytesOf(folder, `${factor}${other}.npy`).equals(bytesOf(folder, `${factor}1.npy`))).toBe(true);
      }
    }
    expect(listing(folder)).toEqual(["A.npy", "L1.npy", "L2.npy", "L3.npy", "R1.npy", "R2.npy", "R3.npy"]);
  });

  test.each(["entrywise", "auto"])("--method %s hands its left factor over too", async (method) => {
    await write(300, 8);
    const { status, stdout } = run(
      folder,
      "low-rank",
      "A.npy",
      "--rank",
      "2",
      "--method",
      method,
      ...factors(""),
      "--json",
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout).candidates.length).toBe(method === "auto" ? 4 : 1);
    expect(bytesOf(folder, "L.npy").length).toBe(128 + 300 * 2 * 4);
  });

  test("a budget that is too small: the smallest that works, exit 1, nothing left", async () => {
    await write(3000, 20);
    const refused = run(
      folder,
      "low-rank",
      "A.npy",
      "--rank",
      "4",
      ...factors(""),
      "--threads",
      "1",
      "--memory",
      "100kB",
    );
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(
      /^loewner: A\.npy \(3000 x 20, f32\) needs at least [\d.]+ MB; memory is 0\.1 MB\. Raise memory\.\n$/,
    );
    expect(listing(folder)).toEqual(["A.npy"]);
    expect(run(folder, "leverage", "A.npy", "-o", "s.npy", "--memory", "lots").status).toBe(2);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s at any moment: nothing left, or all of it when it had just ended",
    async (signal) => {
      await write(60_000, 64);
      for (const ms of [150, 400, 700, 1100]) {
        const child = start(
          folder,
          "low-rank",
          "A.npy",
          "--rank",
          "60",
          "--p",
          "1",
          "--method",
          "lewis",
          ...factors(""),
          "--quiet",
        );
        let stderr = "";
        child.stderr.on("data", (text) => (stderr += text));
        setTimeout(() => child.kill(signal), ms);
        await once(child, "close");
        if (listing(folder).length > 1) {
          // A fast machine is done by now, or was about to end: then both are there, and whole.
          expect(listing(folder)).toEqual(["A.npy", "L.npy", "R.npy"]);
          expect(bytesOf(folder, "L.npy").length).toBe(128 + 60_000 * 60 * 4);
          expect(bytesOf(folder, "R.npy").length).toBe(128 + 60 * 64 * 4);
          return;
        }
        expect(listing(folder)).toEqual(["A.npy"]);
        if (child.exitCode !== null) {
          // By its handler, not by the system before there was one.
          expect(child.exitCode).toBe(signal === "SIGINT" ? 130 : 143);
          expect(stderr).toBe("loewner: interrupted; no unfinished file is left.\n");
        }
      }
    },
  );

  test("a file that shrinks while it is read: exit 1, nothing left", async () => {
    await write(20_000, 64);
    const shrinks = { FAULT_CUT: join(folder, "A.npy"), FAULT_CUT_TO: "1000000", FAULT_CUT_AT: "12" };
    const child = startDisturbed(folder, shrinks, "low-rank", "A.npy", "--rank", "60", ...factors(""), "--quiet");
    let stderr = "";
    child.stderr.on("data", (text) => (stderr += text));
    const [status] = await once(child, "close");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^loewner: A\.npy.*(changed while it was being read|shrank while it was being read|is truncated)/,
    );
    expect(listing(folder)).toEqual(["A.npy"]);
  });
});

describe("HTTP", () => {
  test("a file that changes between sweeps: exit 1, its address, nothing left", async () => {
    await write(3000, 20);
    server.instead = () => {
      if (server.requests.length === 6) server.etag = '"2"';
      return false;
    };
    const { status, stdout, stderr } = await serveWhile("low-rank", server.url, "--rank", "4", ...factors(""));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      `loewner: ${server.url} changed while it was being read: its ETag was "1" and is "2" now. Let whatever writes it finish, then start again.\n`,
    );
    expect(listing(folder)).toEqual(["A.npy"]);
  });

  test("a model: inspected and compressed to the same bytes as from a file", async () => {
    await writeModel(folder, "m.safetensors", smallModel());
    server.others["/m.safetensors"] = bytesOf(folder, "m.safetensors");
    const address = new URL("m.safetensors", server.url).href;
    expect(await serveWhile("inspect", address, "--no-spectrum")).toMatchObject(fine);
    const how = ["--keep", "0.5", "--dtype", "f32", "-o"];
    expect(run(folder, "compress", "m.safetensors", ...how, "a.safetensors")).toMatchObject(fine);
    expect(await serveWhile("compress", address, ...how, "b.safetensors", "--verify")).toMatchObject(fine);
    expect(bytesOf(folder, "b.safetensors").equals(bytesOf(folder, "a.safetensors"))).toBe(true);
  });

  test("other commands, and row weights, take addresses too; what is not there is said", async () => {
    await write(300, 5);
    expect(run(folder, "leverage", "A.npy", "-o", "s.npy")).toMatchObject(fine);
    expect(await serveWhile("leverage", server.url, "-o", "t.npy")).toMatchObject(fine);
    expect(bytesOf(folder, "t.npy").equals(bytesOf(folder, "s.npy"))).toBe(true);
    server.failing(404, 1);
    const { status, stderr } = await serveWhile("leverage", server.url, "-o", "u.npy");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `loewner: No such file: ${server.url} (HTTP 404). Check the address.\n`,
    });
  });
});
