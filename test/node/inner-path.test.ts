// Paths that strangers wrote: none of them leads anywhere but below its folder, whatever the system and the source.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix, win32 } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, httpResolver, openOnnx, openSafetensorsIndex } from "../../src/formats/index.js";
import { readSafetensorsIndex } from "../../src/formats/safetensors-index.js";
import { innerPathFault, staysInFolder } from "../../src/formats/inner-path.js";
import { checkOutputsIn } from "../../src/node/files/inner-path.js";
import { onnxFolderResolver } from "../../src/node/files/onnx-external.js";
import { failure, safetensorsBytes } from "../formats/fixtures.js";
import { externalTensor, model } from "../formats/onnx/build.js";
import { RangeServer } from "../formats/range-server.js";

const bad: [string, RegExp][] = [
  ["", /is empty/],
  ["/etc/passwd", /is absolute/],
  ["//server/share/a", /is absolute/],
  ["../a", /leads out/],
  ["a/../../b", /leads out/],
  ["..", /leads out/],
  ["a/..", /leads out/],
  ["..\\a", /backslash/],
  ["\\\\server\\share", /backslash/],
  ["a\\..\\..\\b", /backslash/],
  ["C:a", /drive/],
  ["c:/a", /drive/],
  ["file:a", /colon/],
  ["http://evil.example/a", /colon/],
  ["a.bin:stream", /colon/],
  ["a\0.bin", /NUL/],
  ["a\u001b[2J", /control character/],
  ["a\nb", /control character/],
  [".. /a", /dots and spaces/],
  ["a/.../b", /dots and spaces/],
  ["a/", /names a folder/],
];
const good = ["a", "a.bin", "sub/a.bin", "..a", "a..b", "a b", "%2e%2e/a", "~/a", "ä", "$HOME", "-rf", "a?b#c"];

test.each(bad)("%j does not name a file inside the folder", (path, fault) => {
  expect(innerPathFault(path)).toMatch(fault);
  expect(staysInFolder(path)).toBe(false);
});

test.each(good)("%j leads inside", (path) =>
  expect([innerPathFault(path), staysInFolder(path)]).toEqual([undefined, true]),
);

test('"." and empty parts: in external data only', () => {
  for (const path of ["./a", "a//b", "a/./b"])
    expect([innerPathFault(path), staysInFolder(path)]).toEqual([undefined, false]);
});

test("whatever passes lies below its folder on every system, and below its address", () => {
  const unit = fc.constantFrom("a", "b", ".", "..", "/", "\\", ":", "%", "2e", " ", "C", "\0", "?", "#", "@", "é");
  const folders = [
    [posix, "/models/x"],
    [win32, "C:\\models\\x"],
    [win32, "\\\\server\\share\\x"],
  ] as const;
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 8 }), (path) => {
      if (innerPathFault(path) !== undefined) return;
      for (const [system, folder] of folders) {
        const way = system.relative(folder, system.resolve(folder, path));
        expect(way === ".." || way.startsWith(`..${system.sep}`) || system.isAbsolute(way)).toBe(false);
      }
      const { href } = new URL(path.split("/").map(encodeURIComponent).join("/"), "https://host/models/x/model.onnx?q");
      expect(href.startsWith("https://host/models/x/")).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

describe("every place that joins such a path refuses it", () => {
  const paths = bad.map(([path]) => path).filter((path) => path !== "");

  test("ONNX external data, while the model is read", async () => {
    for (const location of paths) {
      const bytes = model({ initializers: [externalTensor("w", [2], { location })] });
      const asked: string[] = [];
      const external = (at: string) => {
        asked.push(at);
        return bytesSource(new Uint8Array(8));
      };
      await failure(openOnnx(bytesSource(bytes, "m.onnx"), { external }), "INVALID_FORMAT");
      expect(asked).toEqual([]);
    }
  });

  test("an index of shards", async () => {
    for (const shard of [...paths, "", "./", "a/./b", "a//b"]) {
      const text = JSON.stringify({ weight_map: { w: shard } });
      const asked: string[] = [];
      const resolve = (at: string) => {
        asked.push(at);
        return bytesSource(safetensorsBytes("{}", 0));
      };
      await failure(openSafetensorsIndex(bytesSource(new TextEncoder().encode(text), "i"), resolve), "INVALID_FORMAT");
      expect(asked).toEqual([]);
    }
  });

  test("an index of shards takes ./ before a name for what it is: nothing", async () => {
    const text = JSON.stringify({ weight_map: { w: "././a" } });
    const { weightMap } = await readSafetensorsIndex(bytesSource(new TextEncoder().encode(text), "i"));
    expect([...weightMap]).toEqual([["w", "a"]]);
  });

  test("files beside a model on disk and at an address", async () => {
    const server = await new RangeServer().start();
    try {
      const resolvers = [
        onnxFolderResolver("/nowhere/m.onnx"),
        httpResolver(`${new URL("m/m.onnx", server.url).href}?key=secret`),
      ];
      for (const location of paths) {
        for (const resolver of resolvers) {
          const error = await failure(async () => resolver(location), "INVALID_FORMAT");
          expect(error.message).not.toMatch(/secret/);
        }
      }
      expect(server.requests).toEqual([]);
    } finally {
      await server.stop();
    }
  });

  test("what looks encoded is a name: it is encoded once more, and asked for below the model's folder", async () => {
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request) => {
      asked.push(String(url));
      return new Response(null, { status: 404 });
    };
    const resolver = httpResolver("https://host/m/x/model.onnx?key=1", { fetch });
    for (const location of ["%2e%2e/a", "..%2fa", "a?b#c", "@host/a"])
      await failure(async () => resolver(location), "FILE");
    expect(asked).toEqual([
      "https://host/m/x/%252e%252e/a",
      "https://host/m/x/..%252fa",
      "https://host/m/x/a%3Fb%23c",
      "https://host/m/x/%40host/a",
    ]);
  });
});

describe("outputs beside a main file", () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "loewner-out-"));
    mkdirSync(join(base, "out", "real"), { recursive: true });
    mkdirSync(join(base, "elsewhere"));
  });
  afterEach(() => rmSync(base, { recursive: true }));
  const main = () => join(base, "out", "small.safetensors.index.json");
  const refused = async (name: string) => (await failure(checkOutputsIn(main(), [name]), "INVALID_INPUT")).message;

  test("names that lead out", async () => {
    for (const [name, fault] of bad) expect(await refused(name)).toMatch(fault);
    await checkOutputsIn(main(), ["a", "real/a", "missing/a", "..a"]);
    await checkOutputsIn("small.index.json", ["a"]);
  });

  test("links that are there already: folders, and files that would be replaced", async () => {
    symlinkSync("../elsewhere", join(base, "out", "sub"));
    symlinkSync("real", join(base, "out", "inside"));
    writeFileSync(join(base, "elsewhere", "mine"), "mine");
    symlinkSync("../elsewhere/mine", join(base, "out", "a.safetensors"));
    expect(await refused("sub/a")).toMatch(/"sub\/a" beside .* is a link that leads to .*elsewhere; every file/);
    expect(await refused("a.safetensors")).toMatch(/is a link that leads to .*mine; .*Write to another folder/);
    await checkOutputsIn(main(), ["inside/a"]);
  });
});
