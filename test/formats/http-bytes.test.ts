import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openHttp, openNpy } from "../../src/formats/index.js";
import { failure, fixturePath } from "./fixtures.js";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { RangeServer } from "./range-server.js";

let server: RangeServer;
const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3);
beforeEach(async () => {
  server = await new RangeServer().start();
  server.bytes = content;
});
afterEach(async () => {
  vi.useRealTimers();
  await server.stop();
});

const messageOf = async (promise: Promise<unknown>) =>
  (await failure(promise, "FILE")).message.replace(server.url, "URL");

describe("openHttp", () => {
  test("any range is the file's own bytes, by one request each", async () => {
    const source = await openHttp(server.url);
    expect([source.size, source.name]).toEqual([5000, server.url]);
    expect(server.requests).toEqual(["GET bytes=0-0"]);
    await fc.assert(
      fc.asyncProperty(fc.nat(5000), fc.nat(5000), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        expect(await source.slice(start, end)).toEqual(content.slice(start, end));
        const target = new Uint8Array(end - start);
        await source.readInto!(target, start);
        expect(target).toEqual(content.slice(start, end));
      }),
      { numRuns: 30 },
    );
    await source.slice(10, 20);
    expect(server.requests.at(-1)).toBe("GET bytes=10-19");
    await failure(source.slice(4990, 5001), "INVALID_INPUT");
  });

  test("serves the parsers: a matrix of NumPy's", async () => {
    server.bytes = readFileSync(fixturePath("matrix-f8.npy"));
    const rows = await openNpy(await openHttp(new URL(server.url)));
    const local = readFileSync(fixturePath("matrix-f8.npy"));
    expect(rows.name).toBe(server.url);
    const bytes = await rows.read(0, rows.rows);
    expect(Buffer.compare(bytes, local.subarray(local.length - bytes.length))).toBe(0);
  });

  test("an empty file opens; what is in it is for the parsers to judge", async () => {
    server.bytes = new Uint8Array();
    expect((await openHttp(server.url)).size).toBe(0);
  });

  test("headers go with every request, and a body is never asked for compressed", async () => {
    const seen: unknown[] = [];
    server.instead = ({ headers }) => {
      // fetch may add another of its own.
      seen.push([headers.authorization, new Set(headers["accept-encoding"]?.split(", "))]);
      return false;
    };
    const source = await openHttp(server.url, { headers: { Authorization: "Bearer x" } });
    await source.slice(0, 5);
    expect(seen).toEqual([
      ["Bearer x", new Set(["identity"])],
      ["Bearer x", new Set(["identity"])],
    ]);
  });

  test("where a page may not see Content-Range, HEAD tells the size", async () => {
    const blind: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const headers = new Headers(response.headers);
      headers.delete("Content-Range");
      headers.delete("ETag");
      const body = init?.method === "HEAD" ? null : response.body;
      return new Response(body, { status: response.status, headers });
    };
    const source = await openHttp(server.url, { fetch: blind });
    expect(source.size).toBe(5000);
    expect(await source.slice(7, 9)).toEqual(content.slice(7, 9));
    expect(server.requests.slice(0, 2)).toEqual(["GET bytes=0-0", "HEAD all"]);
  });

  test.each([
    ["not an address", "is no address"],
    ["ftp://host/A.npy", "is no http or https address"],
    ["http://name:secret@host/A.npy", "holds a name and password"],
  ])("%s is refused", async (address, what) => {
    expect((await failure(openHttp(address), "INVALID_INPUT")).message).toContain(what);
  });

  test.each([
    [404, /^No such file: URL \(HTTP 404\)/],
    [403, /^URL may not be read \(HTTP 403\)/],
    [405, /^URL cannot be read: the server answered HTTP 405/],
  ])("HTTP %i is said once", async (status, message) => {
    server.failing(status, 9);
    expect(await messageOf(openHttp(server.url))).toMatch(message);
    expect(server.requests.length).toBe(1);
  });

  test("a query, which may hold a signature, is sent and not shown", async () => {
    let asked = "";
    server.instead = ({ url }, response) => {
      asked = url!;
      response.writeHead(403).end();
      return true;
    };
    const { message } = await failure(openHttp(`${server.url}?signature=secret`), "FILE");
    expect(asked).toContain("signature=secret");
    expect(message).not.toContain("secret");
  });

  test("a server that ignores ranges", async () => {
    server.instead = (_request, response) => {
      response.writeHead(200, { "Content-Length": 5000 }).end(content);
      return true;
    };
    expect(await messageOf(openHttp(server.url))).toBe(
      "URL: the server does not answer ranges; it sent the whole file (HTTP 200) where a part was asked for. Download the file and name the copy, or serve it by one that does, such as nginx or an object store.",
    );
  });

  test("a server that packs what it sends, though asked not to", async () => {
    const source = await openHttp(server.url);
    server.instead = (_request, response) => {
      const headers = { "Content-Range": "bytes 10-19/5000", ETag: '"1"', "Content-Encoding": "gzip" };
      response.writeHead(206, headers).end(gzipSync(content.subarray(10, 20)));
      return true;
    };
    for (const reading of [source.slice(10, 20), openHttp(server.url)])
      expect(await messageOf(reading)).toBe(
        "URL: the server packs what it sends (Content-Encoding: gzip), though it was asked not to; ranges of that are not of the file. Turn that off for this file, or download it and name the copy.",
      );
  });

  test("a server that sends another range, or more", async () => {
    const source = await openHttp(server.url);
    const sending = (range: string, length: number) => {
      server.instead = (_request, response) => {
        response.writeHead(206, { "Content-Range": range, ETag: '"1"' }).end(content.subarray(0, length));
        return true;
      };
      return messageOf(source.slice(10, 20));
    };
    expect(await sending("bytes 0-9/5000", 10)).toMatch(/^URL: the server sent the range from byte 0 on where byte 10/);
    expect(await sending("bytes 10-29/5000", 20)).toMatch(/^URL: the server sent more than the 10 bytes/);
  });
});

describe("the file changes while it is read", () => {
  test.each<[string, () => void, RegExp]>([
    ["another ETag", () => (server.etag = '"2"'), /its ETag was "1" and is "2" now/],
    ["longer", () => (server.bytes = new Uint8Array(5001)), /it had 5000 bytes and has 5001 now/],
    ["shorter", () => (server.bytes = new Uint8Array(4000)), /it had 5000 bytes and has 4000 now/],
    ["shorter than where it is read", () => (server.bytes = new Uint8Array(50)), /it had 5000 bytes and has 50 now/],
  ])("%s", async (_, change, how) => {
    const source = await openHttp(server.url);
    await source.slice(100, 200);
    change();
    const message = await messageOf(source.slice(100, 200));
    expect(message).toMatch(how);
    expect(message).toMatch(
      /^URL changed while it was being read: .*\. Let whatever writes it finish, then start again\.$/,
    );
  });

  test("without ETags, Last-Modified tells", async () => {
    server.etag = undefined;
    server.modified = "Mon, 02 Jan 2023 00:00:00 GMT";
    const source = await openHttp(server.url);
    await source.slice(0, 10);
    server.modified = "Tue, 03 Jan 2023 00:00:00 GMT";
    expect(await messageOf(source.slice(0, 10))).toMatch(/last modified Mon, 02 .*, and again Tue, 03/);
  });
});

describe("transient faults", () => {
  test("5xx, 429 and a server that is asked too early: again, after what it asks for", async () => {
    server.failing(503, 2);
    const source = await openHttp(server.url);
    server.failing(429, 1, { "Retry-After": "0.2" });
    const start = performance.now();
    expect(await source.slice(0, 3)).toEqual(content.slice(0, 3));
    expect(performance.now() - start).toBeGreaterThan(150);
  });

  test("a body that is cut short is gone on with where it broke", async () => {
    const source = await openHttp(server.url);
    server.cuts = [1000, 500];
    expect(await source.slice(100, 4100)).toEqual(content.slice(100, 4100));
    expect(server.requests.slice(1)).toEqual(["GET bytes=100-4099", "GET bytes=1100-4099", "GET bytes=1600-4099"]);
  });

  test("a body that stalls is gone on with where it stopped; an answer that never comes is given up", async () => {
    const source = await openHttp(server.url, { stallMs: 150 });
    server.instead = ({ headers }, response) => {
      const [, start, end] = /(\d+)-(\d+)/.exec(headers.range!)!.map(Number);
      if (start >= 2100) return false;
      response.writeHead(206, { "Content-Range": `bytes ${start}-${end}/5000`, ETag: '"1"' });
      response.write(content.subarray(start, start + 1000)); // and no more
      return true;
    };
    expect(await source.slice(100, 4100)).toEqual(content.slice(100, 4100));
    // On a busy machine an answer may be late by itself: then it is asked for again.
    expect([...new Set(server.requests.slice(1))]).toEqual([
      ...["GET bytes=100-4099", "GET bytes=1100-4099", "GET bytes=2100-4099"],
    ]);
    server.instead = () => true;
    expect(await messageOf(source.slice(0, 3))).toBe(
      "URL cannot be read: nothing came for 0.15 s, 5 times in a row. Check the network and the server, then try again.",
    );
  });

  test("a range that only drips, by one connection or by many, is an error that says so", async () => {
    const source = await openHttp(server.url, { stallMs: 300 });
    const dripping = (bytesOfEach: number) => {
      server.instead = ({ headers }, response) => {
        const [, start, end] = /(\d+)-(\d+)/.exec(headers.range!)!.map(Number);
        response.writeHead(206, { "Content-Range": `bytes ${start}-${end}/5000`, ETag: '"1"' });
        let sent = 0;
        const timer = setInterval(() => {
          if (sent === bytesOfEach) response.destroy();
          else response.write(content.subarray(start + sent, start + ++sent));
        }, 20);
        response.on("close", () => clearInterval(timer));
        return true;
      };
    };
    for (const bytesOfEach of [1, Infinity]) {
      dripping(bytesOfEach);
      expect(await messageOf(source.slice(100, 4100))).toMatch(
        /^URL cannot be read: the server sends less than 1 KB\/s: \d+ bytes in 0\.3 s\. Try again later, or download/,
      );
    }
  });

  test("a fault that does not pass ends in an error that says so", async () => {
    const source = await openHttp(server.url);
    server.failing(500, 99);
    expect(await messageOf(source.slice(0, 3))).toBe(
      "URL cannot be read: it answered HTTP 500, 5 times in a row. Check the network and the server, then try again.",
    );
    expect(server.requests.length).toBe(6);
  });

  test("a server that does not listen is an error that names it", async () => {
    const { url } = server;
    await server.stop();
    expect((await failure(openHttp(url), "FILE")).message).toMatch(
      /cannot be read: the connection failed \(ECONNREFUSED\), 5 times in a row/,
    );
    server = await new RangeServer().start();
  });
});

describe("abort", () => {
  test.each(["while a body comes", "between two attempts"])("%s: at once", async (when) => {
    const abort = new AbortController();
    const source = await openHttp(server.url, { signal: abort.signal });
    if (when === "between two attempts") server.failing(503, 99, { "Retry-After": "20" });
    else server.instead = () => true; // never answers
    const reading = failure(source.slice(0, 100), "ABORTED");
    await expect.poll(() => server.requests.length).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 50)); // the pause begins
    abort.abort("enough");
    expect((await reading).cause).toBe("enough");
    expect(server.requests.length).toBe(2);
    await failure(source.slice(0, 1), "ABORTED");
  });
});

test("a server that does not say how long the file is", async () => {
  const statuses = (head: number, headers: Record<string, string> = {}) =>
    (async (_url: unknown, init?: RequestInit) =>
      init?.method === "HEAD"
        ? new Response(null, { status: head, headers })
        : new Response("x", { status: 206 })) as typeof fetch;
  expect((await openHttp("https://host/A.npy", { fetch: statuses(200, { "Content-Length": "12" }) })).size).toBe(12);
  for (const fetch of [statuses(200), statuses(200, { "Content-Length": "lots" }), statuses(206)]) {
    const { message } = await failure(openHttp("https://host/A.npy", { fetch }), "FILE");
    expect(message).toMatch(/the server does not say how long the file is\. Have it expose the header Content-Range/);
  }
});

describe("what others must not see or do", () => {
  test("a password in an address is not repeated", async () => {
    const { message, place } = await failure(openHttp("https://me:hidden@host/A.npy?key=hidden"), "INVALID_INPUT");
    expect(message).toMatch(/^https:\/\/host\/A\.npy holds a name and password, which fetch does not take/);
    expect(`${message}${place.file}`).not.toMatch(/hidden/);
  });

  test("a redirect from https to http", async () => {
    const fetch = async () => {
      const response = new Response("x", { status: 206, headers: { "Content-Range": "bytes 0-0/1" } });
      return Object.defineProperty(response, "url", { value: "http://host/A.npy" });
    };
    const { message } = await failure(openHttp("https://host/A.npy?key=hidden", { fetch }), "FILE");
    expect(message).toMatch(/^https:\/\/host\/A\.npy: the server redirects from https to http, where anyone/);
    expect((await openHttp("http://host/A.npy", { fetch })).size).toBe(1);
  });
});
