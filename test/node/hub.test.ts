import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseHubAddress } from "../../src/model/hub-address.js";
import { cacheFolder } from "../../src/node/hub/cache.js";
import { openModelPath } from "../../src/node/open.js";
import { resolveModel, type ResolveOptions } from "../../src/node/hub/hub.js";
import type { Progress } from "../../src/types/index.js";
import { failure } from "../formats/fixtures.js";
import { HubServer } from "./hub-server.js";
import { onnxCases } from "../model/onnx-models.js";

vi.mock("node:fs/promises", async (original) => ({ ...(await original<typeof promises>()) })); // so that statfs can be spied on

const commit = "0123456789abcdef0123456789abcdef01234567";
const older = "fedcba9876543210fedcba9876543210fedcba98";
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const weights = new Uint8Array(randomBytes(300_000));

let hub: HubServer;
let cache: string;
beforeEach(async () => {
  hub = new HubServer();
  await hub.start();
  cache = mkdtempSync(join(tmpdir(), "loewner-hub-"));
  hub.repositories["some/model"] = {
    refs: { main: commit, "v1.0": older, "refs/pr/7": older },
    commits: {
      [commit]: {
        "README.md": bytes("# A model\n"),
        "config.json": bytes("{}"),
        "model.safetensors": weights,
        "onnx/model.onnx": weights.subarray(5),
        "onnx/model_quantized.onnx": weights.subarray(7),
      },
      [older]: { "model.safetensors": weights.subarray(9) },
    },
  };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await hub.stop();
  rmSync(cache, { recursive: true, force: true });
});

const resolve = (address: string, options: ResolveOptions = {}) =>
  resolveModel(address, { cache, ...options, endpoint: options.endpoint ?? hub.endpoint });
const message = async (address: string, options?: ResolveOptions) =>
  (await failure(resolve(address, options), "FILE")).message;
const paths = () => hub.downloads.map(({ path }) => path);
/** Far quicker than toEqual on large arrays. */
const holds = (path: string, content: Uint8Array) => readFileSync(path).equals(content);
const zoo = (name: string) => {
  const { build, weight } = onnxCases.find((each) => each.name === name)!;
  return build(weight.data);
};
const partials = (folder = cache): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith(".part"));

describe("addresses", () => {
  test("owner and name, revision, file", () => {
    expect(parseHubAddress("model.safetensors")).toBe(undefined);
    expect(parseHubAddress("hf:o/n")).toEqual({ repo: "o/n", revision: "main", file: undefined });
    expect(parseHubAddress("hf:o/n.v-1_x@v1.0")).toEqual({ repo: "o/n.v-1_x", revision: "v1.0", file: undefined });
    expect(parseHubAddress("hf:o/n/onnx/model.onnx")).toEqual({
      repo: "o/n",
      revision: "main",
      file: "onnx/model.onnx",
    });
    expect(parseHubAddress("hf:o/n@refs/pr/7/a.onnx")).toEqual({ repo: "o/n", revision: "refs/pr/7", file: "a.onnx" });
    expect(parseHubAddress("hf:o/n@fix%2Fit/a@b")).toEqual({ repo: "o/n", revision: "fix/it", file: "a@b" });
  });

  test.each([
    "hf:",
    "hf:name",
    "hf:o/n@",
    "hf:../n",
    "hf:o/..",
    "hf:o/n/../x",
    "hf:o/n//x",
    "hf:o/n@%zz",
    "hf:o/n/a\\b",
  ])("%s is refused", (address) => {
    expect(() => parseHubAddress(address)).toThrow(/is no address of a model: .* Write hf:owner\/name/);
  });

  test("nothing that is accepted leaves its folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", ".", "/", "@", "\\", ":", "%", "2") }), (text) => {
        let parsed;
        try {
          parsed = parseHubAddress(`hf:${text}`)!;
        } catch {
          return;
        }
        for (const part of `${parsed.repo}/${parsed.file ?? "x"}`.split("/")) expect(part).not.toMatch(/^\.{0,2}$/);
      }),
      { numRuns: 2000 },
    );
  });

  test("the cache: LOEWNER_CACHE, XDG_CACHE_HOME, the home folder", () => {
    expect(cacheFolder({ LOEWNER_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe(join("/b", "loewner"));
    expect(cacheFolder({})).toMatch(/[/\\]\.cache[/\\]loewner$/);
  });
});

describe("which file of a repository is the model", () => {
  test("other paths pass through", async () => {
    expect(await resolve("dir/model.onnx")).toEqual({ path: "dir/model.onnx", description: "dir/model.onnx" });
  });

  test("model.safetensors first, with config.json; regular files in one folder", async () => {
    const { path, description } = await resolve("hf:some/model");
    expect(holds(path, weights)).toBe(true);
    expect(description).toBe("model.safetensors of some/model at main (commit 01234567; also there: onnx/model.onnx)");
    expect(readdirSync(dirname(path)).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(readdirSync(dirname(path)).every((name) => lstatSync(join(dirname(path), name)).isFile())).toBe(true);
    expect(hub.leakedTokens).toBe(0);
  });

  test("a named ONNX file comes with the files that it names, and config.json of the repository", async () => {
    const { bytes: onnx, external } = zoo("external data in several files");
    const files = hub.repositories["some/model"].commits[commit];
    files["onnx/model.onnx"] = onnx;
    for (const [location, data] of external!) files[`onnx/${location}`] = data;
    const { path } = await resolve("hf:some/model/onnx/model.onnx");
    expect(holds(path, onnx)).toBe(true);
    expect(external!.size).toBe(3);
    for (const [location, data] of external!) expect(holds(join(dirname(path), location), data)).toBe(true);
    expect(readdirSync(dirname(path)).sort()).toEqual(["model.onnx", "weights"]);
    expect(readdirSync(join(dirname(path), ".."))).toEqual(["config.json", "onnx"]);

    const model = await openModelPath(path);
    expect([model.kind, model.config]).toEqual(["onnx", {}]);
    await model.close();

    delete files["onnx/weights/W.bin"];
    rmSync(cache, { recursive: true });
    expect(await message("hf:some/model/onnx/model.onnx")).toBe(
      "onnx/model.onnx of some/model names onnx/weights/W.bin, which the repository does not have.",
    );
  });

  test("an index comes with all its shards", async () => {
    const files = hub.repositories["some/model"].commits[older];
    delete files["model.safetensors"];
    const map = { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" };
    files["model.safetensors.index.json"] = bytes(JSON.stringify({ weight_map: map }));
    files[map.a] = weights.subarray(1);
    files[map.b] = weights.subarray(2);
    files["model.onnx"] = weights;
    const { path, description } = await resolve("hf:some/model@v1.0");
    expect(description).toMatch(/^model\.safetensors\.index\.json of some\/model at v1\.0 .*also there: model\.onnx/);
    expect(readdirSync(dirname(path)).sort()).toEqual([map.a, map.b, "model.safetensors.index.json"]);

    delete files[map.b];
    rmSync(cache, { recursive: true });
    expect(await message("hf:some/model@v1.0")).toBe(
      `model.safetensors.index.json of some/model names ${map.b}, which the repository does not have.`,
    );
  });

  test("a revision with slashes; a commit", async () => {
    const first = await resolve("hf:some/model@refs/pr/7");
    const second = await resolve(`hf:some/model@${older}`);
    expect(second.path).toBe(first.path);
    expect(holds(first.path, weights.subarray(9))).toBe(true);
  });

  test("names with characters that addresses escape", async () => {
    hub.repositories["some/model"].commits[older] = { "a b#%?é.safetensors": weights };
    const { path } = await resolve("hf:some/model@v1.0");
    expect(holds(path, weights)).toBe(true);
  });

  test("none, or several that the order does not tell apart", async () => {
    const { commits } = hub.repositories["some/model"];
    commits[older] = { "a.safetensors": weights, "b.safetensors": weights, "c.onnx": weights };
    expect(await message("hf:some/model@v1.0")).toMatch(
      /^some\/model at v1\.0 holds several models .*: a\.safetensors, b\.safetensors\. Name the one you mean\.$/,
    );
    commits["1".repeat(40)] = { "README.md": bytes("x") };
    expect(await message(`hf:some/model@${"1".repeat(40)}`)).toMatch(/holds no .* model; it has README\.md\./);
  });
});

describe("downloads", () => {
  test("progress never goes back and ends at the whole; a second run asks for no bytes and reports none", async () => {
    const reports: Progress[] = [];
    const onProgress = (progress: Progress) => reports.push(progress);
    await resolve("hf:some/model", { onProgress });
    expect(reports.length).toBeGreaterThan(2);
    reports.forEach(({ done, total }, i) => {
      expect(done).toBeGreaterThan(reports[i - 1]?.done ?? -1);
      expect(total).toBe(300_002);
    });
    expect(reports.at(-1)).toEqual({ stage: "downloading model.safetensors", done: 300_002, total: 300_002 });
    const { questions } = hub;
    reports.length = hub.downloads.length = 0;
    await resolve("hf:some/model", { onProgress });
    expect([reports, hub.downloads, hub.questions - questions]).toEqual([[], [], 1]);
    await resolve(`hf:some/model@${commit}`, { onProgress });
    expect([reports, hub.downloads, hub.questions - questions]).toEqual([[], [], 1]);
  });

  test("a connection cut in the middle is taken up where it broke", async () => {
    hub.cuts.set("model.safetensors", [100_000, 0, 50_000]);
    const dones: number[] = [];
    const { path } = await resolve("hf:some/model", { onProgress: ({ done }) => dones.push(done) });
    expect(holds(path, weights)).toBe(true);
    const ranges = hub.downloads.filter((each) => each.path === "model.safetensors").map(({ range }) => range);
    expect(ranges).toEqual([undefined, "bytes=100000-", "bytes=100000-", "bytes=150000-"]);
    expect(dones).toEqual([...dones].sort((a, b) => a - b));
    expect(partials()).toEqual([]);
  });

  test("a hub that ignores ranges sends everything again, and the file is right", async () => {
    hub.ignoresRanges = true;
    hub.cuts.set("model.safetensors", [100_000]);
    const dones: number[] = [];
    const { path } = await resolve("hf:some/model", { onProgress: ({ done }) => dones.push(done) });
    expect(holds(path, weights)).toBe(true);
    expect(dones).toEqual([...dones].sort((a, b) => a - b));
  });

  test("when it breaks for good, what came stays for the next run", async () => {
    hub.cuts.set("model.safetensors", [70_000, 0, 0, 0, 0, 0, 0]);
    expect(await message("hf:some/model")).toMatch(
      /^model\.safetensors of some\/model: the connection to .* broke after 70000 of 300000 bytes, 5 times without progress .* run the same command again/,
    );
    expect(partials().length).toBe(1);
    hub.cuts.clear();
    hub.downloads.length = 0;
    const reports: Progress[] = [];
    const { path } = await resolve("hf:some/model", { onProgress: (progress) => reports.push(progress) });
    expect(hub.downloads).toEqual([{ path: "model.safetensors", range: "bytes=70000-" }]);
    expect(reports[0].done).toBe(70_002);
    expect(holds(path, weights)).toBe(true);
    expect(partials()).toEqual([]);
  });

  test("an interrupted download is taken up by another process; a running one is left alone", async () => {
    const { path } = await resolve("hf:some/model");
    rmSync(path);
    const gone = spawnSync(process.execPath, ["--version"]).pid;
    writeFileSync(join(dirname(path), `.model.safetensors.${gone}.part`), weights.subarray(0, 60_000));
    writeFileSync(join(dirname(path), `.model.safetensors.${process.ppid}.part`), weights.subarray(0, 90_000));
    hub.downloads.length = 0;
    await resolve("hf:some/model");
    expect(hub.downloads).toEqual([{ path: "model.safetensors", range: "bytes=60000-" }]);
    expect(partials(dirname(path))).toEqual([`.model.safetensors.${process.ppid}.part`]);
  });

  test("two calls at once do not write to one file", async () => {
    const [a, b] = await Promise.all([resolve("hf:some/model"), resolve("hf:some/model")]);
    expect(a.path).toBe(b.path);
    expect(holds(a.path, weights)).toBe(true);
    expect(partials()).toEqual([]);
  });

  test("an abort stops it, and the next run goes on", async () => {
    const abort = new AbortController();
    hub.cuts.set("model.safetensors", [40_000]);
    const onProgress = ({ done }: Progress) => void (done >= 40_002 && abort.abort());
    await failure(resolve("hf:some/model", { signal: abort.signal, onProgress }), "ABORTED");
    expect(partials().length).toBe(1);
    await resolve("hf:some/model");
    expect(hub.downloads.at(-1)).toEqual({ path: "model.safetensors", range: "bytes=40000-" });
    await failure(resolve("hf:some/model", { signal: AbortSignal.abort() }), "ABORTED");
  });

  test("wrong bytes are refused, large or small, and not kept", async () => {
    hub.instead.set(
      "model.safetensors",
      weights.map((byte) => byte ^ 1),
    );
    expect(await message("hf:some/model")).toMatch(
      /^model\.safetensors of some\/model came damaged from http.*: its SHA-256 is [0-9a-f]{64}, and [0-9a-f]{64} was announced\./,
    );
    expect(partials()).toEqual([]);
    hub.instead = new Map([["config.json", bytes("[]")]]);
    rmSync(cache, { recursive: true });
    expect(await message("hf:some/model")).toMatch(/^config\.json .* its git blob id is [0-9a-f]{40}, and/);
    hub.instead = new Map([["model.safetensors", new Uint8Array(300_001)]]);
    expect(await message("hf:some/model")).toMatch(/is longer at .* than the 300000 bytes that were announced/);
  });

  test("a damaged beginning left by an earlier run is thrown away", async () => {
    const { path } = await resolve("hf:some/model");
    rmSync(path);
    writeFileSync(join(dirname(path), `.model.safetensors.${process.pid}.part`), new Uint8Array(50_000));
    await resolve("hf:some/model");
    expect(holds(path, weights)).toBe(true);
  });

  test("a cached file that lost its end is brought again", async () => {
    const { path } = await resolve("hf:some/model");
    writeFileSync(path, weights.subarray(0, 10));
    await resolve("hf:some/model");
    expect(holds(path, weights)).toBe(true);
  });

  test("a full disk is said before the download", async () => {
    const found = await promises.statfs(cache);
    vi.spyOn(promises, "statfs").mockResolvedValue({ ...found, bavail: 1, bsize: 4096 });
    expect(await message("hf:some/model")).toMatch(
      /^some\/model takes 300002 bytes, and .* has room for 4096\. Free some space, or name another folder in LOEWNER_CACHE\.$/,
    );
    expect(hub.downloads).toEqual([]);
  });

  test("a disk that fills up meanwhile leaves nothing behind", async () => {
    const open = promises.open;
    vi.spyOn(promises, "open").mockImplementation(async (path, flags, mode) => {
      const handle = await open(path, flags, mode);
      if (String(path).endsWith(".part"))
        handle.write = () => Promise.reject(Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }));
      return handle;
    });
    expect(await message("hf:some/model/model.safetensors")).toMatch(/no space left \(ENOSPC\); needed \d+ bytes/);
    expect(partials()).toEqual([]);
  });
});

describe("refusals", () => {
  test("no such model, revision or file", async () => {
    const { endpoint } = hub;
    expect(await message("hf:no/such")).toBe(
      `${endpoint} has no model no/such, or it is private: set HF_TOKEN. Check the name.`,
    );
    expect(await message("hf:some/model@v9")).toBe(
      "some/model has no revision v9. Name a branch, a tag or a commit of it.",
    );
    expect(await message(`hf:some/model@${"a".repeat(40)}`)).toMatch(/^some\/model has no revision a{40}\./);
    expect(await message("hf:some/model/nope.onnx")).toBe(
      "some/model at main has no file nope.onnx; it has README.md, config.json, model.safetensors, onnx/model.onnx, onnx/model_quantized.onnx.",
    );
  });

  test("private and gated models; the token goes to the hub and to no other host", async () => {
    const repository = hub.repositories["some/model"];
    repository.token = "hf_secret";
    expect(await message("hf:some/model")).toMatch(/it is private: set HF_TOKEN/);
    expect(await message("hf:some/model", { token: "hf_other" })).toMatch(/the token that was given may not read it/);
    expect(await message("hf:some/model", { token: "expired" })).toMatch(
      /refuses the token for some\/model \(HTTP 401\)/,
    );
    await resolve("hf:some/model", { token: "hf_secret" });
    expect(hub.leakedTokens).toBe(0);
    repository.gated = true;
    expect(await message("hf:some/model@v1.0")).toMatch(
      /^some\/model is not open to everyone, and no token was given \(HTTP 403\)\. Ask for access at http.*\/some\/model, then set HF_TOKEN\.$/,
    );
  });

  test("HF_ENDPOINT and HF_TOKEN of the environment", async () => {
    vi.stubEnv("HF_ENDPOINT", `${hub.endpoint}/`);
    vi.stubEnv("HF_TOKEN", "hf_env");
    hub.repositories["some/model"].token = "hf_env";
    await resolveModel("hf:some/model", { cache });
    vi.stubEnv("HF_ENDPOINT", "somewhere");
    const error = await failure(resolveModel("hf:some/model", { cache }), "INVALID_INPUT");
    expect(error.message).toBe('HF_ENDPOINT is "somewhere"; an address such as https://huggingface.co was expected.');
    vi.unstubAllEnvs();
  });

  test("something else than a hub", async () => {
    vi.stubGlobal("fetch", async () => new Response("<html>", { headers: { "Content-Type": "text/html" } }));
    const error = await failure(resolve("hf:some/model"), "INVALID_FORMAT");
    expect(error.message).toMatch(/does not answer like a model hub: .* Check HF_ENDPOINT\./);
    vi.unstubAllGlobals();
  });

  test("a cache that cannot be made", async () => {
    writeFileSync(join(cache, "file"), "");
    expect(await message("hf:some/model", { cache: join(cache, "file") })).toMatch(/^Cannot write .*file/);
  });
});

describe("without the network", () => {
  test("offline: what is in the cache, or an error that says what is not", async () => {
    expect(await message("hf:some/model", { offline: true })).toBe(
      "Offline, and the cache has no revision main of some/model. Run it once with the network.",
    );
    const { path } = await resolve("hf:some/model");
    const { questions } = hub;
    const again = await resolve("hf:some/model", { offline: true });
    expect(again.path).toBe(path);
    expect(again.description).toMatch(/from the cache: offline\)$/);
    expect(hub.questions).toBe(questions);
    expect(await message("hf:some/model/onnx/model_quantized.onnx", { offline: true })).toBe(
      "The cache lacks onnx/model_quantized.onnx of some/model (from the cache: offline). Run it once with the network.",
    );
    expect(await message(`hf:some/model@${older}`, { offline: true })).toMatch(
      /has no list of files at commit fedcba98/,
    );
  });

  test("a hub that is down, or has troubles: the cached revision, and the description says so", async () => {
    const { path } = await resolve("hf:some/model");
    const { endpoint } = hub;
    hub.broken = 503;
    expect((await resolve("hf:some/model")).description).toMatch(/from the cache: .* does not answer\)$/);
    expect(await message("hf:some/model@v1.0")).toMatch(
      /cannot answer now \(HTTP 503\)\. Try again later\. The cache has no revision v1\.0 of some\/model/,
    );
    await hub.stop();
    const again = await resolve("hf:some/model", { endpoint });
    expect(again.path).toBe(path);
    expect(await message("hf:some/model@v1.0", { endpoint })).toMatch(
      /^Cannot reach http.* \(ECONNREFUSED\)\. Check the network/,
    );
  });

  test("a branch that moved is followed when the hub answers", async () => {
    const first = await resolve("hf:some/model");
    hub.repositories["some/model"].refs.main = older;
    const second = await resolve("hf:some/model");
    expect(second.path).not.toBe(first.path);
    expect((await resolve("hf:some/model", { offline: true })).path).toBe(second.path);
    expect(paths().filter((path) => path === "model.safetensors").length).toBe(2);
  });
});
