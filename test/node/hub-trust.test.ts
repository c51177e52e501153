// A hub that means harm, and what is kept from it: the token, folders outside the cache, memory, time.
import { getEventListeners } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseHubAddress } from "../../src/model/hub-address.js";
import { resolveModel, type ResolveOptions } from "../../src/node/hub/hub.js";
import { checkToken, isPrivate, request } from "../../src/node/hub/request.js";
import { failure } from "../formats/fixtures.js";

const commit = "0123456789abcdef0123456789abcdef01234567";
const token = "hf_secretSecretSecret";
const file = Buffer.from("the bytes of a model");

type Answer = (request: IncomingMessage, response: ServerResponse, path: string) => void;

let base: string;
let servers: Server[];
/** The Authorization of every request, by the server that got it. */
let seen: { server: string; path: string; authorization?: string }[];
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "loewner-trust-"));
  servers = [];
  seen = [];
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(base, { recursive: true });
});

async function serve(name: string, answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    seen.push({ server: name, path: request.url!, ...(authorization && { authorization }) });
    answer(request, response, request.url!.replace(/\?.*/, ""));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Faults {
  list?: (response: ServerResponse) => void;
  bytes?: Answer;
  revision?: Answer;
}

/** A hub with one model, as good as it is told to be. */
const hub = (entries: object[], { list, bytes, revision }: Faults = {}) =>
  serve("hub", (request, response, path) => {
    if (path.includes("/revision/")) {
      if (revision) return revision(request, response, path);
      return void response.end(JSON.stringify({ _id: "1", id: "o/n", sha: commit }));
    }
    if (path.includes("/tree/")) return list ? list(response) : void response.end(JSON.stringify(entries));
    if (bytes) return bytes(request, response, path);
    response.end(file);
  });
const entry = (path: unknown, size: unknown = file.length) => ({ type: "file", path, size });
const good = [entry("model.safetensors")];

const resolve = (endpoint: string, { address = "hf:o/n", ...options }: ResolveOptions & { address?: string } = {}) =>
  resolveModel(address, { cache: join(base, "cache"), endpoint, token, ...options });
const files = () => (readdirSync(base, { recursive: true }) as string[]).filter((name) => !/\.json$|refs/.test(name));

describe("names from a list are not paths until they are checked", () => {
  const names = [
    ...["../../escape", "/etc/passwd", "a/../../b", "..\\..\\b", "C:\\b", "a\0b", "", ".", "a//b", "a/", "b:stream"],
    ...["\u001b]0;title\u0007model.safetensors", "model\n.safetensors", ".. /b"],
  ];

  test("what leads out, or would talk to a terminal, is left out of the list", async () => {
    const endpoint = await hub([...names.map((name) => entry(name)), ...good]);
    const { path, description } = await resolve(endpoint);
    expect(readFileSync(path)).toEqual(file);
    expect(path.startsWith(join(base, "cache"))).toBe(true);
    expect(description).not.toMatch(/escape|\u001b/);
    const kept = JSON.parse(readFileSync(join(path, "..", "..", `${commit}.json`), "utf8")) as object[];
    expect(kept.length).toBe(1);
    expect(readdirSync(base)).toEqual(["cache"]);
    for (const name of names.slice(0, 3))
      await expect(resolve(endpoint, { address: `hf:o/n/${name}` })).rejects.toThrow(
        /no address of a model|has no file/,
      );
  });

  test("an index of shards that names a file elsewhere", async () => {
    const index = Buffer.from(JSON.stringify({ weight_map: { w: "../../../../escape" } }));
    const endpoint = await hub([entry("model.safetensors.index.json", index.length), entry("escape")], {
      bytes: (_request, response) => void response.end(index),
    });
    await failure(resolve(endpoint), "INVALID_FORMAT");
    expect(readdirSync(base)).toEqual(["cache"]);
  });

  test.each([-1, 1.5, "20", null, 2 ** 60, { toString: 1, valueOf: 1 }])("a size of %j", async (size) => {
    const endpoint = await hub([entry("model.safetensors", size)]);
    expect((await failure(resolve(endpoint), "INVALID_FORMAT")).message).toMatch(/the size of "model\.safetensors" is/);
  });

  test.each([{ error: "no list" }, "x", 7, null])("a list of files that is %j", async (answer) => {
    const endpoint = await hub([], { list: (response) => void response.end(JSON.stringify(answer)) });
    expect((await failure(resolve(endpoint), "INVALID_FORMAT")).message).toMatch(/its list of files is no list/);
  });

  test("entries that are no objects, or of a kind that nobody knows, are no files", async () => {
    const others = [null, 7, "model.onnx", [], {}, { type: "unknown", path: "model.onnx", size: 1 }] as object[];
    expect((await resolve(await hub([...others, ...good]))).path).toMatch(/model\.safetensors$/);
  });

  test.for<unknown>([{ oid: 7, size: 20 }, { oid: "x", size: 20 }, 7, "x", []])(
    "a pointer that is %j announces no digest",
    async (lfs) => {
      const { path } = await resolve(await hub([{ ...entry("model.safetensors"), oid: "f".repeat(40), lfs }]));
      expect(readFileSync(path)).toEqual(file);
    },
  );

  test.for<unknown>([7, null, { a: 1 }, { toString: 1, valueOf: 1 }])("a name that is %j", async (name) => {
    const { message } = await failure(resolve(await hub([entry(name)])), "INVALID_FORMAT");
    expect(message).toMatch(/it lists a file whose name is no text/);
  });

  test.each(["..", "../../x", "0123", commit.toUpperCase(), 7])("a commit %j", async (sha) => {
    const revision: Answer = (_request, response) => void response.end(JSON.stringify({ _id: "1", id: "o/n", sha }));
    await failure(resolve(await hub(good, { revision })), "INVALID_FORMAT");
  });
});

describe("answers of the hub that never end", () => {
  test("a list of files whose pages never end", async () => {
    const page = JSON.stringify(Array.from({ length: 20_000 }, (_, i) => entry(`f${i}`)));
    let pages = 0;
    const endpoint = await hub([], {
      list: (response) => {
        response.setHeader("Link", `<${endpoint}/api/models/o/n/tree/${commit}?cursor=${++pages}>; rel="next"`);
        response.end(page);
      },
    });
    expect((await failure(resolve(endpoint), "INVALID_FORMAT")).message).toMatch(/it lists more than 100000 files/);
    expect(pages).toBe(6);
  });

  /** A hub whose list goes on and on; gives how many pages were asked for and how many listeners the caller's signal had at most. */
  async function turnPages(page: (n: number) => object[], cursor: (n: number) => string | number) {
    let [pages, listeners] = [0, 0];
    const { signal } = new AbortController();
    const endpoint = await hub([], {
      list: (response) => {
        listeners = Math.max(listeners, getEventListeners(signal, "abort").length);
        response.setHeader("Link", `<${endpoint}/api/models/o/n/tree/x?cursor=${cursor(pages)}>; rel="next"`);
        response.end(JSON.stringify(page(pages++)));
      },
    });
    const { message } = await failure(resolve(endpoint, { signal }), "INVALID_FORMAT");
    return { pages, message, listeners, left: getEventListeners(signal, "abort").length };
  }

  test.each<[string, (n: number) => object[], (n: number) => string | number]>([
    ["the same page again and again", () => good, () => "same"],
    ["ever new pages of the same files", () => good, (n) => n],
    ["ever new pages of nothing", () => [], (n) => n],
    ["ever new pages of one folder", () => [{ type: "directory", path: "onnx", size: 0 }], (n) => n],
  ])("a list that is %s ends after five", async (_, page, cursor) => {
    const { pages, message } = await turnPages(page, cursor);
    expect(message).toMatch(
      /does not answer like a model hub: 5 pages in a row of its list of files bring nothing new/,
    );
    expect(pages).toBeLessThan(8);
  });

  test("ever new pages of one new file end too, with one listener at the caller's signal at a time", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    const { pages, message, listeners, left } = await turnPages(
      (n) => [entry(`f${n}`)],
      (n) => n,
    );
    process.off("warning", onWarning);
    expect(message).toMatch(/its list of files has more than 1000 pages/);
    expect([pages, listeners, left, warnings]).toEqual([1000, 1, 0, []]);
  });

  test("pages with few files but many bytes", async () => {
    const page = (n: number) => [entry(`f${n}`), { ...entry(`g${n}`), noise: "x".repeat(20e6) }];
    const { pages, message } = await turnPages(page, (n) => n);
    expect(message).toMatch(/an answer of more than 67108864 bytes/);
    expect(pages).toBe(4);
  });

  test("a hub without ranges that always breaks off early", async () => {
    let requests = 0;
    const bytes: Answer = (_request, response) => {
      response.writeHead(200, { "Content-Length": file.length });
      // Ever one byte more than before would go on for as many requests as the file has bytes.
      response.write(file.subarray(0, 1 + requests++), () => setTimeout(() => response.destroy(), 20));
    };
    const { message } = await failure(resolve(await hub(good, { bytes })), "FILE");
    expect(message).toMatch(
      /broke after \d+ of 20 bytes, 5 times anew from the beginning .*It does not send parts of files: try again/,
    );
    expect(requests).toBe(6);
  });

  /** A byte now and then, for as long as anyone listens. */
  const drip: Answer = (_request, response) => {
    response.flushHeaders();
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(timer));
  };
  const dripping = (endpoint: string, after: number) =>
    `${endpoint} sends less than 1 KB/s: ${after} bytes in 0.4 s.`.replace(/\d+ bytes/, "\\d+ bytes");

  test("a file that only drips", async () => {
    const endpoint = await hub([entry("model.safetensors", 1e6)], { bytes: drip });
    const { message } = await failure(resolve(endpoint, { stallMs: 400 }), "FILE");
    expect(message).toMatch(new RegExp(`^model.safetensors: ${dripping(endpoint, 0)} What came is kept: run the same`));
    expect(files().some((name) => name.endsWith(".part"))).toBe(true);
  });

  test("a file of which each connection brings one byte", async () => {
    const bytes: Answer = ({ headers }, response) => {
      const from = Number(/\d+/.exec(headers.range ?? "0")![0]);
      response.writeHead(from ? 206 : 200, { "Content-Range": `bytes ${from}-999999/1000000` });
      response.write("x", () => setTimeout(() => response.destroy(), 20));
    };
    const endpoint = await hub([entry("model.safetensors", 1e6)], { bytes });
    const { message } = await failure(resolve(endpoint, { stallMs: 400 }), "FILE");
    expect(message).toMatch(new RegExp(dripping(endpoint, 0)));
  });

  test("a commit, or a list of files, that only drips", async () => {
    const endpoint = await hub(good, { revision: drip });
    const { message } = await failure(resolve(endpoint, { stallMs: 400 }), "FILE");
    expect(message).toMatch(new RegExp(`^${dripping(endpoint, 0)} Try again later, .* The cache has no revision main`));
    const list = (response: ServerResponse) => drip(undefined as never, response, "");
    expect((await failure(resolve(await hub(good, { list }), { stallMs: 400 }), "FILE")).message).toMatch(
      /less than 1 KB\/s: .* The cache has no list of files/,
    );
  });

  test("a hub that takes a question and says nothing", async () => {
    const endpoint = await hub(good, { revision: () => undefined });
    expect((await failure(resolve(endpoint, { stallMs: 200 }), "FILE")).message).toMatch(
      /^Cannot reach .* \(nothing came for 0\.2 s\)\. .* The cache has no revision main/,
    );
  });

  test("an answer whose body never ends", async () => {
    const chunk = Buffer.alloc(1 << 20, " ");
    const list = (response: ServerResponse) => {
      const write = () => {
        while (!response.destroyed) if (!response.write(chunk)) return void response.once("drain", write);
      };
      write();
    };
    const endpoint = await hub([], { list });
    expect((await failure(resolve(endpoint), "INVALID_FORMAT")).message).toMatch(
      /an answer of more than 67108864 bytes/,
    );
  });

  test("a file that is longer than was announced is not kept", async () => {
    const endpoint = await hub(good, { bytes: (_request, response) => void response.end(Buffer.concat([file, file])) });
    expect((await failure(resolve(endpoint), "FILE")).message).toMatch(/is longer at .* than the 20 bytes/);
    expect(files().some((name) => name.endsWith("model.safetensors"))).toBe(false);
  });

  test("a range that was not asked for, when a download is taken up again", async () => {
    const ranges = ["bytes 3-19/20", "bytes 7-19/99", "bytes x", undefined];
    for (const range of ranges) {
      const cache = join(base, `cache-${ranges.indexOf(range)}`);
      const endpoint = await hub(good, {
        bytes: (request, response) => {
          response.on("error", () => undefined);
          if (request.headers.range) {
            response.writeHead(206, range === undefined ? {} : { "Content-Range": range }).end("x");
          } else {
            response.writeHead(200, { "Content-Length": file.length });
            response.write(file.subarray(0, 7), () => setTimeout(() => response.destroy(), 20));
          }
        },
      });
      expect((await failure(resolve(endpoint, { cache }), "INVALID_FORMAT")).message).toMatch(
        /for bytes 7 to 20 of model\.safetensors it sent (no range|the range "bytes )/,
      );
    }
  });

  test("redirects in a circle", async () => {
    const bytes: Answer = (_request, response) => void response.writeHead(302, { Location: "?again" }).end();
    const endpoint = await hub(good, { bytes });
    expect((await failure(resolve(endpoint), "INVALID_FORMAT")).message).toMatch(/it redirects more than 5 times/);
  });
});

describe("the token", () => {
  test("goes to the hub, and not where files or questions are redirected to", async () => {
    const elsewhere = await serve("elsewhere", (_request, response, path) => {
      response.end(
        path === "/bytes" ? file : JSON.stringify(path === "/list" ? good : { _id: "1", id: "o/n", sha: commit }),
      );
    });
    const to = (path: string) => (response: ServerResponse) =>
      void response.writeHead(307, { Location: `${elsewhere}${path}` }).end();
    const endpoint = await hub([], {
      list: to("/list"),
      bytes: (_request, response) => to("/bytes")(response),
      revision: (_request, response) => to("/revision")(response),
    });
    await resolve(endpoint);
    expect(seen.filter(({ server }) => server === "hub").map(({ authorization }) => authorization)).toEqual(
      Array(3).fill(`Bearer ${token}`),
    );
    const there = seen.filter(({ server }) => server === "elsewhere");
    expect(there.map(({ path, authorization }) => [path, authorization])).toEqual([
      ["/revision", undefined],
      ["/list", undefined],
      ["/bytes", undefined],
    ]);
  });

  test("nor to the host of a list's next page", async () => {
    const elsewhere = await serve("elsewhere", (_request, response) => void response.end(JSON.stringify(good)));
    const list = (response: ServerResponse) => {
      response.setHeader("Link", `<${elsewhere}/next>; rel="next"`);
      response.end("[]");
    };
    await resolve(await hub([], { list }));
    const there = seen.filter(({ server }) => server === "elsewhere");
    expect(there.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  const notFollowed = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "data:text/plain,x",
    "http://user:pass@127.0.0.1/",
    "http://[",
  ];

  test.each(notFollowed)("a next page at %s is not asked for, and not left out in silence", async (address) => {
    const list = (response: ServerResponse) => {
      response.setHeader("Link", `<${address}>; rel="next"`);
      response.end(JSON.stringify(good));
    };
    const { message } = await failure(resolve(await hub([], { list })), "INVALID_FORMAT");
    expect(message).toMatch(/its list goes on at .*, which is not followed/);
    expect(message).not.toMatch(/user:pass/);
  });

  test("a next page by an address without a host, and other links beside it", async () => {
    const list = (response: ServerResponse) => {
      if (response.req.url!.includes("cursor")) return void response.end(JSON.stringify(good));
      response.setHeader("Link", `</first>; rel="first", </api/models/o/n/tree/x?cursor=1>; rel="next"`);
      response.end("[]");
    };
    expect((await resolve(await hub([], { list }))).path).toMatch(/model\.safetensors$/);
  });

  test.each(notFollowed)("a redirect to %s is not followed", async (Location) => {
    const bytes: Answer = (_request, response) => void response.writeHead(302, { Location }).end();
    const { message } = await failure(resolve(await hub(good, { bytes })), "INVALID_FORMAT");
    expect(message).toMatch(/redirects to .*, which is not followed/);
    expect(message).not.toMatch(/user:pass/);
  });

  test("from https nothing goes on to http; over http a token goes to this machine alone", async () => {
    const asked: [string, string | null][] = [];
    vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
      asked.push([String(url), new Headers(init?.headers).get("Authorization")]);
      return new Response(null, { status: 302, headers: { Location: "http://hub.example/x" } });
    });
    const credentials = (origin: string) => ({ origin, token });
    const downgraded = request(new URL("https://hub.example/x"), credentials("https://hub.example"), {});
    expect((await failure(downgraded, "INVALID_FORMAT")).message).toMatch(
      /redirects to http:\/\/hub\.example, which is/,
    );
    await failure(request(new URL("http://hub.example/x"), credentials("http://hub.example"), {}), "INVALID_FORMAT");
    expect(asked[0]).toEqual(["https://hub.example/x", `Bearer ${token}`]);
    expect(asked.slice(1).every(([, authorization]) => authorization === null)).toBe(true);
    for (const host of ["http://localhost:1", "http://127.0.0.9", "http://[::1]", "https://a"])
      expect(isPrivate(new URL(host))).toBe(true);
    for (const host of ["http://a", "http://127.0.0.1.example", "http://localhost.example"])
      expect(isPrivate(new URL(host))).toBe(false);
  });

  test("is in no error, whatever goes wrong", async () => {
    const noise: Answer = (_request, response) => void response.writeHead(500, { "X-Error-Message": token }).end(token);
    const answers: Faults[] = [
      { revision: (_request, response) => void response.end(`<html>${"x".repeat(1000)}`) },
      { revision: noise },
      ...[401, 403, 404, 418].map((status) => ({
        revision: ((_request, response) => void response.writeHead(status).end()) as Answer,
      })),
    ];
    for (const faults of answers) {
      const error = (await resolve(await hub(good, faults)).catch((error: unknown) => error)) as Error;
      expect(error).toBeInstanceOf(Error);
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(token);
    }
  });

  test("with characters that no token has is refused, and not repeated", async () => {
    const endpoint = await hub(good);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("\n", "\r\n", " ", "\0", "é", "\u2026"), async (odd) => {
        const bad = `hf_first${odd}second`;
        const error = await failure(resolve(endpoint, { token: bad }), "INVALID_INPUT");
        expect(error.message).not.toMatch(/hf_|first|second/);
      }),
      { numRuns: 12 },
    );
    expect(seen).toEqual([]);
    expect([checkToken(`${token}\n`), checkToken(""), checkToken(" "), checkToken(undefined)]).toEqual([
      token,
      undefined,
      undefined,
      undefined,
    ]);
    vi.stubEnv("HF_TOKEN", `${token}\n`); // as a file of a secret ends
    await resolve(endpoint, { token: undefined });
    expect(seen[0].authorization).toBe(`Bearer ${token}`);
  });

  test.each([
    "https://me:hidden@hub.example",
    "https://hub.example?key=hidden",
    "https://hub.example#hidden",
    "me:hidden@x",
  ])("HF_ENDPOINT %s: what may be a secret is not repeated", async (endpoint) => {
    const { message } = await failure(resolve(endpoint), "INVALID_INPUT");
    expect(message).toMatch(/^HF_ENDPOINT has a name, password, query or fragment/);
    expect(message).not.toMatch(/hidden/);
  });
});

test("a web address is no address of a model on a hub", async () => {
  expect(
    (await failure(resolve("https://hub.example", { address: "https://hub.example/o/n" }), "INVALID_INPUT")).message,
  ).toMatch(/is a web address; write hf:owner\/name/);
});

test.each(["hf:o/n@..", "hf:o/n@.", "hf:o/n@%2e%2e", "hf:o/n@%00", "hf:o/n@a%0Ab"])(
  "%s names no revision",
  (address) => {
    expect(() => parseHubAddress(address)).toThrow(/is no revision/);
  },
);
