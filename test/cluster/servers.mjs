// A Redis server and workers as processes of their own, on this machine, for tests and for the search for faults.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = process.env.REDIS_SERVER ?? "/usr/bin/redis-server";
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A port that nobody listens on, from below those that the system gives to connections: none of them can take it before a server does,
 * or while one is away.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** A server that writes all it is told to an append-only file, in a folder of its own. */
export async function startRedis({ settings = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "loewner-redis-"));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child;
  async function start() {
    const options = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"];
    child = spawn(program, [...options, ...settings].map(String), { stdio: ["ignore", "pipe", "inherit"] });
    child.unref();
    await new Promise((resolve, reject) => {
      let text = "";
      child.stdout.on("data", (data) => {
        text += data;
        if (/Ready to accept connections/.test(text)) resolve();
      });
      child.once("error", (cause) => {
        const way = "run npm test, which installs redis-server, or name one in REDIS_SERVER";
        reject(new Error(`Cannot start ${program}: ${way}.`, { cause }));
      });
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}:\n${text}`)));
    });
    child.stdout.removeAllListeners("data");
    child.stdout.resume();
    child.stdout.unref?.();
  }
  async function stop(signal = "SIGTERM") {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref(); // whoever waits for its end is not to end before
    child.kill(signal);
    await once(child, "exit");
  }
  await start();
  return {
    url,
    port,
    folder,
    /** Ends it, and starts it again from its file. */
    async restart({ signal = "SIGKILL", downMs = 200 } = {}) {
      await stop(signal);
      await wait(downMs);
      await start();
    },
    stop,
    start,
    async remove() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A worker as the command line starts it; `lines`: what it has printed. Resolves once it is there. */
export async function startWorker(url, { storage, threads = 1, lease = 2, name, more = [] }) {
  const child = spawn(
    process.execPath,
    [
      main,
      "worker",
      "--redis",
      url,
      "--storage",
      storage,
      "--threads",
      threads,
      "--lease",
      lease,
      "--name",
      name,
      ...more,
    ].map(String),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const lines = [];
  const isThere = new Promise((resolve, reject) => {
    child.stderr.on("data", (data) => {
      lines.push(...String(data).split("\n").filter(Boolean));
      if (lines.some((line) => /reads below/.test(line))) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code}:\n${lines.join("\n")}`)));
  });
  await isThere;
  return {
    child,
    name,
    lines,
    /** With "SIGKILL" it does not know; with "SIGTERM" it gives back what it holds. */
    async end(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(signal);
      await once(child, "exit");
      return child.exitCode;
    },
  };
}
