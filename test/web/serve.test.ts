// loewner serve: the page's own files, to this machine alone.
import { request } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, start, temporaryFolder } from "../cli/run.js";

let child: ReturnType<typeof start>;
let port: number;
beforeAll(async () => {
  child = start(temporaryFolder(), "serve", "--port", "0");
  // Nothing more once it has ended, as it does at an error.
  const [text = ""] = (await Promise.race([once(child.stdout!, "data"), once(child.stdout!, "end")])) as [Buffer?];
  port = Number(/^The page is at http:\/\/127\.0\.0\.1:(\d+)\/\n/.exec(String(text))?.[1]);
  expect(port).toBeGreaterThan(0);
});
afterAll(() => void child.kill("SIGKILL"));

/** `fetch` would tidy up paths and refuse other hosts. */
function ask(path: string, { method = "GET", host = `127.0.0.1:${port}` } = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method, headers: { host } }, (response) => {
      let text = "";
      response.on("data", (piece: Buffer) => (text += piece.toString("latin1")));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    })
      .on("error", reject)
      .end();
  });
}

test("has the page, under a strict policy, and its files", async () => {
  const { status, headers, text } = await ask("/");
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(headers["x-content-type-options"]).toBe("nosniff");
  const policy = String(headers["content-security-policy"]);
  expect(policy).toMatch(/default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:/);
  expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
  const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(text)![1];
  const found = await ask(script);
  expect(found.status).toBe(200);
  expect(found.headers["content-type"]).toBe("text/javascript; charset=utf-8");
  expect(found.headers["cache-control"]).toMatch(/immutable/);
  // The page holds to it on any host.
  expect(text).toMatch(
    /http-equiv="Content-Security-Policy"\s+content="default-src 'self'; script-src 'self' 'wasm-unsafe-eval'/,
  );
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
});

test("HEAD has the length and no body", async () => {
  const [head, get] = [await ask("/", { method: "HEAD" }), await ask("/")];
  expect(head.text).toBe("");
  expect(Number(head.headers["content-length"])).toBe(get.text.length);
});

describe("refuses", () => {
  test.each(["/../index.js", "/%2e%2e/index.js", "/..%2findex.js", "/assets/../../index.js", "/.hidden", "/%00", "/%"])(
    "%s, which is no file of the page",
    async (path) => expect((await ask(path)).status).toBe(404),
  );

  test("other names for this machine: a page elsewhere could have its name lead here", async () => {
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example"])
      expect((await ask("/", { host })).status).toBeGreaterThanOrEqual(400);
    expect((await ask("/", { host: `localhost:${port}` })).status).toBe(200);
  });

  test("to take anything", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) expect((await ask("/", { method })).status).toBe(405);
  });
});

test("a port that is taken, or none, is an error in one line", () => {
  const taken = run(temporaryFolder(), "serve", "--port", String(port));
  expect(taken.status).toBe(1);
  expect(taken.stderr).toMatch(new RegExp(`^loewner: Port ${port} cannot be used \\(EADDRINUSE\\); .*--port.*\\n$`));
  const wrong = run(temporaryFolder(), "serve", "--port", "80a");
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatch(/a whole number from 0 to 65535/);
});

test("ends at SIGTERM", async () => {
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
});
