import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chooseModelFile, modelFileOrder } from "../../src/model/model-file.js";
import { openModelPath, type OpenModel } from "../../src/node/open.js";
import { httpResolver, onnxTensorChunks, type ReadLimits } from "../../src/formats/index.js";
import { failure, fixturePath } from "../formats/fixtures.js";
import { RangeServer } from "../formats/range-server.js";
import { onnxCases } from "../model/onnx-models.js";

const indexName = "model.safetensors.index.json";
const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-open-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]) => join(folder, ...names);
const put = (name: string, as = name) => copyFileSync(fixturePath(name), at(as));

async function opened<T>(path: string, read: (model: OpenModel) => T | Promise<T>): Promise<T> {
  const model = await openModelPath(path);
  try {
    return await read(model);
  } finally {
    await model.close();
  }
}
const names = (model: OpenModel) =>
  model.kind === "safetensors" ? [...model.file.tensors.keys()] : [...model.file.graph.initializers.keys()];

function putOnnx(name: string, into: string): void {
  const { build, weight } = onnxCases.find((each) => each.name === name)!;
  const { bytes, external = new Map<string, Uint8Array>() } = build(weight.data);
  mkdirSync(at(into), { recursive: true });
  writeFileSync(at(into, "model.onnx"), bytes);
  for (const [location, data] of external) {
    mkdirSync(at(into, location, ".."), { recursive: true });
    writeFileSync(at(into, location), data);
  }
}

test("one file, by its name and without one", async () => {
  put("dtypes.safetensors", "blob");
  const expected = await opened(fixturePath("dtypes.safetensors"), names);
  expect(expected.length).toBeGreaterThan(5);
  expect(await opened(at("blob"), names)).toEqual(expected);
  putOnnx("external data in one file", ".");
  copyFileSync(at("model.onnx"), at("other"));
  expect(await opened(at("other"), (model) => [model.kind, names(model)])).toEqual(["onnx", ["V", "W", "b", "last"]]);
});

describe("by HTTP", () => {
  let server: RangeServer;
  beforeEach(async () => {
    server = await new RangeServer().start();
  });
  afterEach(() => server.stop());
  const address = (path: string) => new URL(path, server.url).href;
  const serve = (name: string, as = name) => {
    server.others[`/m/${as}`] = readFileSync(fixturePath(name));
  };

  test("shards, beside their index, with its config.json", async () => {
    for (const name of [indexName, first, second]) serve(name);
    server.others["/m/config.json"] = new TextEncoder().encode('{"model_type":"bert"}');
    const local = await opened(fixturePath(indexName), (model) => [names(model), model.files.length]);
    await opened(address(`m/${indexName}?signature=1`), async (model) => {
      expect([names(model), model.files.length]).toEqual(local);
      expect([model.kind, model.config]).toEqual(["safetensors", { model_type: "bert" }]);
    });
    delete server.others[`/m/${second}`];
    expect((await failure(openModelPath(address(`m/${indexName}`)), "FILE")).message).toBe(
      `${address(`m/${indexName}`)} has tensors in "${second}": No such file: ${address(`m/${second}`)} (HTTP 404). Check the address.`,
    );
  });

  test("ONNX with external data in a folder, and none outside", async () => {
    const { build, weight } = onnxCases.find(({ name }) => name === "external data in one file")!;
    const { bytes, external = new Map<string, Uint8Array>() } = build(weight.data);
    server.others["/m/model"] = bytes; // known by its first bytes
    for (const [location, data] of external) server.others[`/m/${location}`] = data;
    putOnnx("external data in one file", ".");
    const tensors = async (model: OpenModel) => {
      if (model.kind !== "onnx") return expect.unreachable();
      const chunks: Uint8Array[] = [];
      for await (const chunk of onnxTensorChunks(model.file, model.file.graph.initializers.get("W")!))
        chunks.push(chunk.slice());
      return Buffer.concat(chunks).toString("hex");
    };
    expect(await opened(address("m/model"), tensors)).toBe(await opened(at("model.onnx"), tensors));
    await expect(async () => httpResolver(address("m/model"))("../secret")).rejects.toThrow(
      /data at "\.\.\/secret", which leads out of the model's folder/,
    );
  });

  test("a signal that has fired", async () => {
    serve("dtypes.safetensors");
    await failure(openModelPath(address("m/dtypes.safetensors"), { signal: AbortSignal.abort() }), "ABORTED");
  });
});

test("an index and its shards, read after they were opened, closed with the model", async () => {
  for (const name of [indexName, first, second]) put(name);
  const model = await openModelPath(at(indexName));
  if (model.kind !== "safetensors") return expect.unreachable();
  expect(names(model)).toEqual(["x", "y"]);
  const whole = await model.file.source.slice(0, model.file.source.size);
  expect(whole.length).toBe(model.file.source.size);
  await model.close();
  await expect(model.file.source.slice(0, 8)).rejects.toThrow();
});

test("of a folder with several models, those that were not taken are known", async () => {
  for (const name of [indexName, first, second]) put(name);
  const others = () => opened(folder, (model) => model.others);
  expect(await others()).toEqual([]);
  put(first, "model.safetensors");
  expect(await others()).toEqual([indexName]);
});

test("a shard that is missing is named, with who asked for it", async () => {
  for (const name of [indexName, first]) put(name);
  expect((await failure(openModelPath(at(indexName)), "FILE")).message).toBe(
    `${at(indexName)} has tensors in "${second}": No such file: ${at(second)}; ${folder} has ${first}, ${indexName}. Get the missing file, or give it the name that is asked for.`,
  );
});

test("a shard that is a link out of the folder is refused; links inside it are followed", async () => {
  for (const name of [indexName, first]) put(name);
  symlinkSync(fixturePath(second), at(second));
  expect((await failure(openModelPath(at(indexName)), "INVALID_FORMAT")).message).toMatch(
    /is a link that leads to .*; it must lie in the model's folder/,
  );
  rmSync(at(second));
  put(second, "inside");
  symlinkSync("inside", at(second));
  expect(await opened(at(indexName), names)).toEqual(["x", "y"]);
});

test("a cache of links to blobs, as Hugging Face's own tools keep it", async () => {
  mkdirSync(at("blobs"));
  mkdirSync(at("snapshots", "1"), { recursive: true });
  for (const [i, name] of [indexName, first, second].entries()) {
    put(name, join("blobs", `b${i}`));
    symlinkSync(join("..", "..", "blobs", `b${i}`), at("snapshots", "1", name));
  }
  expect(await opened(at("snapshots", "1", indexName), names)).toEqual(["x", "y"]);
  expect(await opened(at("snapshots", "1"), names)).toEqual(["x", "y"]);
});

test("nothing that a folder holds leads out of it or keeps whoever opens it waiting", async () => {
  mkdirSync(at("model"));
  symlinkSync(fixturePath("dtypes.safetensors"), at("model", "model.safetensors"));
  expect((await failure(openModelPath(at("model")), "INVALID_FORMAT")).message).toMatch(
    /model\.safetensors is a link that leads to .*dtypes\.safetensors, out of its folder\. Copy that file/,
  );
  // Whoever names the link itself means it.
  await opened(at("model", "model.safetensors"), names);
  rmSync(at("model", "model.safetensors"));
  put("dtypes.safetensors", join("model", "model.safetensors"));
  writeFileSync(at("secret"), "{}");
  symlinkSync("../secret", at("model", "config.json"));
  await failure(openModelPath(at("model")), "INVALID_FORMAT");
  rmSync(at("model", "config.json"));
  if (process.platform === "win32") return;
  execFileSync("mkfifo", [at("model", "config.json")]);
  expect(await opened(at("model"), ({ config }) => config)).toBe(undefined);
});

test("limits reach every file of a model", async () => {
  for (const name of [indexName, first, second]) put(name);
  writeFileSync(at("config.json"), JSON.stringify({ text: "x".repeat(1000) }));
  const of = async (limits: Partial<ReadLimits>) =>
    (await failure(openModelPath(at(indexName), { limits }), "LIMIT")).message;
  expect(await of({ jsonBytes: 1000 })).toMatch(/config\.json: a JSON file of \d+ bytes; at most 1000/);
  expect(await of({ files: 1 })).toMatch(/index\.json: it names 2 files/);
  expect(await of({ headerBytes: 20 })).toMatch(/model-00001-of-00002\.safetensors: a header of/);
  putOnnx("external data in several files", ".");
  await failure(openModelPath(at("model.onnx"), { limits: { files: 1 } }), "LIMIT");
});

describe("folders", () => {
  test("the order of modelFileOrder, whatever else lies there", async () => {
    put("dtypes.safetensors", "other.safetensors");
    expect(await opened(folder, ({ path }) => path)).toBe(at("other.safetensors"));
    putOnnx("external data in several files", ".");
    expect(await opened(folder, ({ path }) => path)).toBe(at("model.onnx"));
    putOnnx("external data in several files", "onnx");
    expect(await opened(folder, ({ path, kind }) => [path, kind])).toEqual([at("onnx", "model.onnx"), "onnx"]);
    for (const name of [indexName, first, second]) put(name);
    expect(await opened(folder, ({ path }) => path)).toBe(at(indexName));
    put("dtypes.safetensors", "model.safetensors");
    expect(await opened(folder, ({ path }) => path)).toBe(at("model.safetensors"));
  });

  test("config.json is read beside the model, or above onnx/; one that is no object is not the model's", async () => {
    putOnnx("external data in one file", "onnx");
    writeFileSync(at("config.json"), '{"model_type": "bert"}');
    const config = () => opened(folder, (model) => model.config);
    expect(await config()).toEqual({ model_type: "bert" });
    writeFileSync(at("onnx", "config.json"), '{"model_type": "gpt2"}');
    expect(await config()).toEqual({ model_type: "gpt2" });
    for (const text of ["[1]", "null", "{", ""]) {
      writeFileSync(at("onnx", "config.json"), text);
      expect(await config()).toEqual({ model_type: "bert" });
    }
    rmSync(at("config.json"));
    expect(await config()).toBe(undefined);
  });

  test("without a model, or with several", async () => {
    expect((await failure(openModelPath(folder), "FILE")).message).toBe(
      `${folder} holds no .safetensors or .onnx model; it has no files at all. Convert the model to one of them first.`,
    );
    put("dtypes.safetensors", "a.safetensors");
    put("dtypes.safetensors", "b.safetensors");
    expect((await failure(openModelPath(folder), "FILE")).message).toMatch(/a\.safetensors, b\.safetensors\. Name/);
    expect(readdirSync(folder).length).toBe(2);
  });

  test("the choice says what else there was", () => {
    expect(chooseModelFile([...modelFileOrder].reverse(), "x")).toEqual({
      file: modelFileOrder[0],
      others: modelFileOrder.slice(1),
    });
  });
});

test("a path that is no model is an error that says what it is", async () => {
  expect((await failure(openModelPath(at("missing")), "FILE")).message).toBe(
    `No such file: ${at("missing")}. Check the path.`,
  );
  expect((await failure(openModelPath(fixturePath("round-f4.npy")), "INVALID_INPUT")).message).toMatch(/is a matrix/);
  writeFileSync(at("empty"), "");
  await failure(openModelPath(at("empty")), "INVALID_FORMAT");
  writeFileSync(at("text"), "hello, this is not a model at all");
  await failure(openModelPath(at("text")), "INVALID_FORMAT");
});
