// The page's server as someone who means harm meets it: on raw sockets, with links planted in its folder.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pageServer } from "../../src/cli/page-server.js";

let base: string;
let server: Server;
let port: number;
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "loewner-page-"));
  for (const folder of ["page/assets", "page/.git", "elsewhere"]) mkdirSync(join(base, folder), { recursive: true });
  const files = [
    "page/index.html",
    "page/assets/a-1.js",
    "page/.env",
    "page/.git/config",
    "page/what",
    "elsewhere/secret.js",
  ];
  for (const name of files) writeFileSync(join(base, name), `this is ${name}`);
  writeFileSync(join(base, "page/large.wasm"), new Uint8Array(64 << 20));
  symlinkSync("../elsewhere/secret.js", join(base, "page/link.js"));
  symlinkSync("../elsewhere", join(base, "page/folder"));
  symlinkSync("assets/a-1.js", join(base, "page/inside.js"));
  server = pageServer(join(base, "page"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(base, { recursive: true });
});

/** Sends bytes as they are; all that comes back until the other side closes. */
async function raw(text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(text); // not end(): Node gives up on whoever has nothing more to say
  let answer = "";
  for await (const chunk of socket) answer += (chunk as Buffer).toString("latin1");
  return answer;
}
const ask = (path: string, { method = "GET", host = `localhost:${port}`, more = "" } = {}) =>
  raw(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`);
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

test("listens where nobody else can reach it", async () => {
  expect((server.address() as AddressInfo).address).toBe("127.0.0.1");
  const others = Object.values(networkInterfaces()).flatMap((some = []) => some.filter(({ internal }) => !internal));
  for (const { address, family, scopeid } of others) {
    if (scopeid) continue;
    const socket = connect({ port, host: address, family: family === "IPv6" ? 6 : 4 });
    expect((await once(socket, "error").catch((error: Error) => [error]))[0]).toBeInstanceOf(Error);
    socket.destroy();
  }
});

test("its own files, and no others", async () => {
  for (const path of [
    "/",
    "/index.html",
    "/?x=/../../secret",
    "/assets/a-1.js",
    "/inside.js",
    "/assets%2fa-1.js",
    "/what",
  ])
    expect([path, statusOf(await ask(path))]).toEqual([path, 200]);
  for (const path of [
    ...["/../elsewhere/secret.js", "/assets/../../elsewhere/secret.js", "//../elsewhere/secret.js", "/..", "/."],
    ...["/%2e%2e/elsewhere/secret.js", "/%2e%2e%2felsewhere/secret.js", "/..%5celsewhere%5csecret.js", "/%252e%252e/x"],
    ...["/..\\elsewhere\\secret.js", "/index.html%00.js", "/%", "/%ff", "/%c0%ae%c0%ae/x"],
    ...["/.env", "/.git/config", "/%2eenv", "/assets/.hidden"],
    ...["/link.js", "/folder/secret.js", "/folder/", "/folder"],
    ...["/assets/", "/assets", "/missing", "/ort/../index.html", "/ort/", "/ort/.npmrc", "/ort/package.json"],
    ...["http://evil.example/", `http://localhost:${port}/../elsewhere/secret.js`, "index.html", "*", "/etc/passwd"],
  ]) {
    const answer = await ask(path);
    expect([path, [400, 404].includes(statusOf(answer))]).toEqual([path, true]);
    expect(answer).not.toMatch(/this is|secret\.js<|Index of/);
  }
});

test("of onnxruntime-web what a page loads, by its plain name", async () => {
  const answer = await ask("/ort/ort-wasm-simd-threaded.wasm", { method: "HEAD" });
  expect([statusOf(answer), /content-type: application\/wasm/i.test(answer)]).toEqual([200, true]);
  for (const name of ["missing.wasm", "ort.min.js", "..%2fpackage.json", "sub/ort.mjs", "x.wasm%00.js"])
    expect([name, statusOf(await ask(`/ort/${name}`))]).toEqual([name, 404]);
});

describe("names of this machine", () => {
  test.each(["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9"])("%s", async (host) =>
    expect(statusOf(await ask("/", { host }))).toBe(200),
  );

  test.each([
    ...[
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.nip.io",
      "evil.example:80#localhost",
      "localhost@evil.example",
    ],
    ...["0.0.0.0", "127.0.0.2", "2130706433", "localhost.", "localhost:80:80", "127.0.0.1, evil.example", "[::]", ""],
  ])("%j is none", async (host) => {
    const answer = await ask("/", { host });
    expect([400, 421]).toContain(statusOf(answer));
    expect(answer).not.toMatch(/this is/);
  });

  test("a request without Host, or with two", async () => {
    expect(statusOf(await raw("GET / HTTP/1.1\r\n\r\n"))).toBe(400);
    expect(statusOf(await raw("GET / HTTP/1.0\r\n\r\n"))).toBe(421);
    const two = await raw(`GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect([400, 421]).toContain(statusOf(two));
  });
});

test("GET and HEAD alone; what is refused ends the connection and is not kept", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
    const answer = await ask("/", { method, more: "Content-Length: 1000000000\r\n" });
    expect([method, statusOf(answer)]).toEqual([method, 405]);
    expect(answer).toMatch(/\r\nallow: GET, HEAD\r\n/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  }
  expect(await raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n")).toBe("");
  const upgraded = await ask("/", { more: "Upgrade: websocket\r\n" });
  expect(upgraded).not.toMatch(/ 101 /);
});

test("the headers of every answer, also of those that refuse", async () => {
  const paths: [string, object][] = [
    ["/", {}],
    ["/missing", {}],
    ["/", { method: "POST" }],
    ["/", { host: "evil.example" }],
  ];
  for (const [path, options] of paths) {
    const head = (await ask(path, options)).split("\r\n\r\n")[0];
    for (const line of [
      /^content-security-policy: default-src 'self'; .*frame-ancestors 'none'/im,
      /^x-content-type-options: nosniff/im,
      /^referrer-policy: no-referrer/im,
      /^cross-origin-opener-policy: same-origin/im,
      /^cross-origin-resource-policy: same-origin/im,
    ])
      expect(head).toMatch(line);
    expect(head).not.toMatch(/access-control|^server:|^x-powered-by/im);
  }
  expect(await ask("/what")).toMatch(/content-type: application\/octet-stream/i);
});

describe("whoever keeps it waiting", () => {
  const ended = (socket: Socket) =>
    once(
      socket.resume().on("error", () => undefined),
      "close",
    );

  test("a head that is too long", async () => {
    const answer = await ask("/", { more: `X: ${"x".repeat(20_000)}\r\n` });
    expect(statusOf(answer)).toBe(431);
  });

  test("a head that never ends is cut off, and others are answered meanwhile", async () => {
    const quick = pageServer(join(base, "page"));
    quick.headersTimeout = quick.requestTimeout = 300;
    await new Promise<void>((resolve) => quick.listen(0, "127.0.0.1", resolve));
    const slow = connect((quick.address() as AddressInfo).port, "127.0.0.1");
    slow.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-");
    let drops = 0;
    const drip = setInterval(() => (++drops, slow.write("a")), 50).unref();
    await ended(slow);
    clearInterval(drip);
    // Of the 200 in ten seconds; on a busy machine they come slower, as the server's clock does.
    expect(drops).toBeLessThan(200);
    await new Promise((resolve) => quick.close(resolve));
    expect([server.headersTimeout, server.requestTimeout, server.timeout]).toEqual([10_000, 20_000, 60_000]);
  });

  test("many connections at once: no more than a hundred are kept", async () => {
    let refused = 0;
    server.on("drop", () => ++refused);
    const sockets = Array.from({ length: 130 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await expect.poll(() => refused).toBeGreaterThanOrEqual(30);
    const count = await new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n)));
    expect(count).toBeLessThanOrEqual(100);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => new Promise<number>((r) => server.getConnections((_, n) => r(n)))).toBe(0);
    expect(statusOf(await ask("/"))).toBe(200);
  });

  test.runIf(process.platform === "linux")("downloads that are left do not keep the file open", async () => {
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    for (let i = 0; i < 20; ++i) {
      const socket = connect(port, "127.0.0.1");
      socket.write("GET /large.wasm HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await once(socket, "data");
      socket.destroy();
    }
    await expect.poll(open).toBeLessThanOrEqual(before + 2);
  });
});
