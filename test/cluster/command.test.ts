// The command line with a cluster: the same files, and what it says when there is none.
import { once } from "node:events";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesOf, listing, run, start, startHeld, temporaryFolder, tensor, writeModel } from "../cli/run.js";
import { freePort, startRedis, startWorker, type RedisServer, type WorkerProcess } from "./servers.mjs";

let folder: string;
let redis: RedisServer;
let worker: WorkerProcess;
let metricsPort: number;

beforeAll(async () => {
  folder = temporaryFolder();
  [redis, metricsPort] = [await startRedis(), await freePort()];
  worker = await startWorker(redis.url, {
    ...{ storage: folder, threads: 2, lease: 5, name: "the one" },
    more: ["--metrics", String(metricsPort)],
  });
  await writeModel(folder, "model.safetensors", [
    tensor("wte.weight", 3000, 24),
    tensor("lm_head.weight", 2000, 24, { type: "f16", kind: "plain" }),
    tensor("h.0.mlp.c_fc.weight", 40, 300),
    tensor("ln.weight", 24, 1),
  ]);
});
afterAll(async () => {
  await worker.end();
  await redis.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** What was said is not about durations. */
const plain = (text: string) =>
  JSON.stringify(JSON.parse(text), (key, of) => (/seconds|output/.test(key) ? undefined : of));

test("compress --redis writes the same bytes and the same report", async () => {
  const options = ["--keep", "0.6", "--layers", "all", "--dtype", "auto", "--json"];
  const alone = run(folder, "compress", "model.safetensors", "-o", "alone.safetensors", ...options);
  const many = run(folder, "compress", "model.safetensors", "-o", "many.safetensors", ...options, "--redis", redis.url);
  expect(many).toMatchObject({ status: 0, stderr: "" });
  expect(bytesOf(folder, "many.safetensors").equals(bytesOf(folder, "alone.safetensors"))).toBe(true);
  expect(plain(many.stdout)).toBe(plain(alone.stdout));
  await expect.poll(() => worker.lines.join("\n")).toMatch(/holds lm_head.weight/);
});

test("the address may come from the environment, where nobody sees the password", () => {
  process.env.LOEWNER_REDIS = redis.url;
  try {
    expect(run(folder, "inspect", "model.safetensors", "--json", "--redis")).toMatchObject({ status: 0, stderr: "" });
  } finally {
    delete process.env.LOEWNER_REDIS;
  }
});

describe("nobody there", () => {
  test.each([
    [["--redis"], 2, /Say where Redis is: --redis redis:\/\/host:6379, or in the variable LOEWNER_REDIS/],
    [
      ["--redis", "redis://127.0.0.1:1"],
      1,
      /^loewner: Redis at redis:\/\/127.0.0.1:1 did not let us in: .*ECONNREFUSED/,
    ],
  ])("%j", (options, status, message) => {
    const found = run(
      folder,
      "compress",
      "model.safetensors",
      "-o",
      "none.safetensors",
      "--keep",
      "0.5",
      "--dtype",
      "f32",
      ...options,
    );
    expect(found.status).toBe(status);
    expect(found.stderr).toMatch(message);
    expect(listing(folder)).not.toContain("none.safetensors");
  });
});

test("interrupted: nothing is left, and the worker is free", async () => {
  await writeModel(folder, "long.safetensors", [tensor("long.weight", 60_000, 64)]);
  const child = start(
    folder,
    "compress",
    "long.safetensors",
    "-o",
    "short.safetensors",
    "--keep",
    "0.5",
    "--method",
    "subspace",
    "--redis",
    redis.url,
  );
  await expect.poll(() => worker.lines.join("\n")).toMatch(/holds long.weight/);
  const ended = once(child, "exit");
  child.kill("SIGINT");
  const [code] = await ended;
  expect(code).toBe(130);
  expect(listing(folder).filter((name) => /short/.test(name))).toEqual([]);
  const status = () =>
    JSON.parse(run(folder, "cluster", "--redis", redis.url, "--json").stdout) as { layers: { active: number } };
  await expect.poll(() => status().layers.active).toBe(0);
});

test("killed, and the same command again with --resume: layers that were finished are taken up, the bytes are the same", async () => {
  const layers = Array.from({ length: 4 }, (_, i) => tensor(`h.${i}.wte.weight`, 2000 + i, 64));
  await writeModel(folder, "layers.safetensors", layers);
  const args = ["compress", "layers.safetensors", "--keep", "0.5", "--dtype", "f32", "--quiet"];
  expect(run(folder, ...args, "-o", "whole.safetensors").status).toBe(0);
  const command = [...args, "-o", "resumed.safetensors", "--redis", redis.url];
  const { child, open } = await startHeld(folder, /[0-9a-f]{24}\.json$/, ...command);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  open();
  const again = ["-o", "resumed.safetensors", "--redis", redis.url, "--resume", "--json"];
  const { status, stdout, stderr } = run(
    folder,
    "compress",
    "layers.safetensors",
    "--keep",
    "0.5",
    "--dtype",
    "f32",
    ...again,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect((JSON.parse(stdout) as { resumed: string[] }).resumed.length).toBeGreaterThan(0);
  expect(bytesOf(folder, "resumed.safetensors").equals(bytesOf(folder, "whole.safetensors"))).toBe(true);
});

test("cluster shows workers, queues and totals, for people, programs and Prometheus", async () => {
  const shown = run(folder, "cluster", "--redis", redis.url);
  expect(shown.status).toBe(0);
  expect(shown.stdout).toMatch(/^worker +threads/);
  expect(shown.stdout).toMatch(/^the one +2 /m);
  expect(shown.stdout).toMatch(/\d+ whole calls/);
  expect(run(folder, "cluster", "--redis", redis.url, "--prometheus").stdout).toMatch(/^loewner_threads 2$/m);
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/);
  expect(await answer.text()).toMatch(/^loewner_calls_total\{worker="the one"\} [1-9]/m);
  expect((await fetch(`http://127.0.0.1:${metricsPort}/`)).status).toBe(404);
});

test.each([
  [["--lease", "0.5"], /a number of seconds of at least 1/],
  [["--threads", "0"], /a whole number of at least 1, or auto/],
  [["--metrics", "x"], /a whole number from 1 to 65535/],
  [["--storage", "https://host/model.onnx"], /must end in "\/"/],
])("worker %j is bad usage", (options, message) => {
  const found = run(folder, "worker", "--redis", redis.url, ...options);
  expect(found.status).not.toBe(0);
  expect(found.stderr).toMatch(message);
});
