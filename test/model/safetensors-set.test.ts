import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesSource, memorySink, writeSafetensors, type SafetensorsInput } from "../../src/formats/index.js";
import { editedFiles, type SafetensorsEdits } from "../../src/model/safetensors/set-write.js";
import { openSafetensorsSet, type SafetensorsSet } from "../../src/model/safetensors/set.js";
import { failure, fixture, fixtureSource } from "../formats/fixtures.js";

const indexName = "model.safetensors.index.json";
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function tensor(name: string, numbers: number[], shape = [1, numbers.length]): SafetensorsInput {
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  return { name, dtype: "F32", shape, byteLength: bytes.length, chunks: () => [bytes] };
}

type Files = Record<string, Uint8Array>;

/** A model in memory: shard name -> tensors. */
async function files(
  shards: Record<string, SafetensorsInput[]>,
  { metadata = {}, index = {} }: { metadata?: Record<string, Record<string, string>>; index?: object } = {},
): Promise<Files> {
  const made: Files = {};
  const map: Record<string, string> = {};
  for (const [name, tensors] of Object.entries(shards)) {
    const sink = memorySink();
    await writeSafetensors(sink, { tensors, metadata: metadata[name] });
    made[name] = sink.bytes();
    for (const tensor of tensors) map[tensor.name] = name;
  }
  made[indexName] = new TextEncoder().encode(
    JSON.stringify({ metadata: { total_size: 0 }, weight_map: map, ...index }),
  );
  return made;
}

const open = (made: Files, name = indexName) =>
  openSafetensorsSet(bytesSource(made[name], name), (shard) => bytesSource(made[shard], shard));

async function write(set: SafetensorsSet, edits: SafetensorsEdits, target = indexName): Promise<Files> {
  const made: Files = {};
  for (const file of await editedFiles(set, edits, target)) {
    const sink = memorySink();
    await file.write(sink);
    expect(sink.size).toBe(file.byteLength);
    made[file.name || target] = sink.bytes();
  }
  return made;
}

async function bytesOf(set: SafetensorsSet, name: string): Promise<number[]> {
  const all: number[] = [];
  for await (const chunk of set.chunks(name)) all.push(...chunk);
  return all;
}

const two = () =>
  files(
    {
      "model-00001-of-00002.safetensors": [tensor("b", [1, 2, 3, 4], [2, 2]), tensor("a", [5])],
      "model-00002-of-00002.safetensors": [tensor("c", [6, 7, 8], [3, 1])],
    },
    {
      metadata: {
        "model-00001-of-00002.safetensors": { format: "pt", by: "one" },
        "model-00002-of-00002.safetensors": { format: "pt", by: "two", only: "second" },
      },
      index: { metadata: { total_size: 999, total_parameters: 8, kept: "as it is" } },
    },
  );

describe("reading", () => {
  test("shards written by the reference implementation", async () => {
    const set = await openSafetensorsSet(fixtureSource(indexName), fixtureSource);
    expect([...set.tensors.values()].map(({ name, shard }) => [name, shard])).toEqual([
      ["x", "model-00001-of-00002.safetensors"],
      ["y", "model-00002-of-00002.safetensors"],
    ]);
    for (const { name, shard } of set.tensors.values()) {
      const alone = await openSafetensorsSet(fixtureSource(shard), () => expect.unreachable());
      expect(await bytesOf(set, name)).toEqual(await bytesOf(alone, name));
    }
    expect(set.source.size).toBe(
      fixture("model-00001-of-00002.safetensors").length + fixture("model-00002-of-00002.safetensors").length,
    );
    expect(set.index?.metadata.get("total_size")).toBe(76);
  });

  test("a single file is a set of one", async () => {
    const set = await openSafetensorsSet(fixtureSource("dtypes.safetensors"), () => expect.unreachable());
    expect([set.index, [...set.shards.keys()], set.source.name]).toEqual([
      undefined,
      ["dtypes.safetensors"],
      "dtypes.safetensors",
    ]);
    expect([...set.tensors.values()].every(({ shard }) => shard === "dtypes.safetensors")).toBe(true);
  });

  test("a file whose header has 123 bytes begins with a brace, and is no index", async () => {
    const header = JSON.stringify({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }).padEnd(123);
    const bytes = new Uint8Array(8 + 123 + 4);
    bytes[0] = 123;
    bytes.set(new TextEncoder().encode(header), 8);
    const set = await openSafetensorsSet(bytesSource(bytes, "odd"), () => expect.unreachable());
    expect([...set.tensors.keys()]).toEqual(["a"]);
  });

  test("metadata of all shards, the first one's where they differ; rows by name from any shard", async () => {
    const set = await open(await two());
    expect({ ...set.metadata }).toEqual({ format: "pt", by: "one", only: "second" });
    const rows = set.rows("c");
    expect([rows.rows, rows.cols]).toEqual([3, 1]);
    expect(await rows.read(1, 2)).toEqual(new Uint8Array(Float32Array.of(7, 8).buffer));
  });

  test("a range over the seam of two shards", async () => {
    const made = await two();
    const set = await open(made);
    const whole = [...Object.values(made).slice(0, 2)].flatMap((bytes) => [...bytes]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), fc.nat(whole.length), async (x, y) => {
        const [start, end] = [Math.min(x, y), Math.max(x, y)];
        expect([...(await set.source.slice(start, end))]).toEqual(whole.slice(start, end));
      }),
    );
    await failure(set.source.slice(0, whole.length + 1), "INVALID_INPUT");
  });

  test("a tensor in two shards, and factors described twice, are errors that name both", async () => {
    const twice = await files({ one: [tensor("a", [1]), tensor("b", [1])], two: [tensor("c", [2]), tensor("b", [2])] });
    expect((await failure(open(twice), "INVALID_FORMAT")).message).toBe(
      `${indexName}: tensor "b" stands in "one" and again in "two"; each tensor was expected in one shard. Save the model again.`,
    );
    const described = await files(
      { one: [tensor("a", [1])], two: [tensor("b", [2])] },
      { metadata: { one: { loewner: "{}" }, two: { loewner: "{}" } } },
    );
    expect((await failure(open(described), "INVALID_FORMAT")).message).toMatch(/"one" and "two" both describe factors/);
  });
});

describe("writing", () => {
  test("without changes every shard is the same file again, the index last", async () => {
    const made = await two();
    const written = await write(await open(made), { replaced: new Map() });
    expect(Object.keys(written)).toEqual([...Object.keys(made)]);
    for (const name of Object.keys(made).slice(0, 2)) expect(written[name]).toEqual(made[name]);
    expect(JSON.parse(text(written[indexName]))).toEqual({
      metadata: { total_size: 32, total_parameters: 8, kept: "as it is" },
      weight_map: {
        a: "model-00001-of-00002.safetensors",
        b: "model-00001-of-00002.safetensors",
        c: "model-00002-of-00002.safetensors",
      },
    });
  });

  test("factors stay in the shard of their tensor; the description is found again", async () => {
    const made = await two();
    const replaced = new Map([["c", [tensor("c.left", [1, 2, 3], [3, 1]), tensor("c.right", [4], [1, 1])]]]);
    const metadata = new Map([["loewner", "described"]]);
    const written = await write(await open(made), { replaced, metadata });
    const set = await open(written);
    expect([...set.tensors.values()].map(({ name, shard }) => `${name} ${shard.slice(6, 11)}`).sort()).toEqual([
      "a 00001",
      "b 00001",
      "c.left 00002",
      "c.right 00002",
    ]);
    expect(set.metadata.loewner).toBe("described");
    expect({ ...set.shards.get("model-00002-of-00002.safetensors")!.metadata }).toEqual({
      format: "pt",
      by: "two",
      only: "second",
    });
    expect(JSON.parse(text(written[indexName])).metadata).toMatchObject({ total_size: 36, total_parameters: 9 });
    expect(await bytesOf(set, "b")).toEqual(await bytesOf(await open(made), "b"));

    // And back: the key leaves whichever shard has it.
    const back = await write(set, {
      replaced: new Map([
        ["c.left", [tensor("c", [6, 7, 8], [3, 1])]],
        ["c.right", []],
      ]),
      metadata: new Map([["loewner", undefined]]),
    });
    for (const name of Object.keys(made).slice(0, 2)) expect(back[name]).toEqual(made[name]);
  });

  test("a set into one file", async () => {
    const written = await write(await open(await two()), { replaced: new Map([["a", []]]) }, "one.safetensors");
    const set = await open(written, "one.safetensors");
    expect([...set.tensors.keys()]).toEqual(["b", "c"]);
    expect({ ...set.metadata }).toEqual({ format: "pt", by: "one", only: "second" });
  });

  test("names that collide over shards, unknown tensors and impossible targets are refused", async () => {
    const set = await open(await two());
    const refused = async (replaced: [string, SafetensorsInput[]][], target = indexName) =>
      (await failure(editedFiles(set, { replaced: new Map(replaced) }, target), "INVALID_INPUT")).message;
    expect(await refused([["a", [tensor("c", [1])]]])).toMatch(/already has a tensor "c"/);
    expect(await refused([["z", []]])).toBe(`${indexName} has no tensor "z"; it has "a", "b", "c".`);
    const odd = await open(await files({ "shard.json": [tensor("a", [1])] }));
    expect((await failure(editedFiles(odd, { replaced: new Map() }, "shard.json"), "INVALID_INPUT")).message).toBe(
      "shard.json cannot be the index: one of the model's shards has that name.",
    );
    await failure(editedFiles(odd, { replaced: new Map() }, "Shard.JSON"), "INVALID_INPUT");
    const alike = await open(await files({ "caf\u00e9": [tensor("a", [1])], "Cafe\u0301": [tensor("b", [1])] }));
    expect((await failure(editedFiles(alike, { replaced: new Map() }, indexName), "INVALID_INPUT")).message).toMatch(
      /^The shards "caf\u00e9" and "Cafe\u0301" would be one file on systems that do not tell their names apart/,
    );
  });

  test("a single file cannot become an index", async () => {
    const set = await openSafetensorsSet(fixtureSource("dtypes.safetensors"), () => expect.unreachable());
    const error = await failure(editedFiles(set, { replaced: new Map() }, indexName), "INVALID_INPUT");
    expect(error.message).toBe(
      `${indexName} names an index, but dtypes.safetensors is a single file. Name an output that ends with .safetensors.`,
    );
  });

  test("random shards, random replacements: read back, every tensor is what it should be", async () => {
    const name = fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom("a", "b", "_", "é", "0") });
    const numbers = fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 5 });
    const model = fc.uniqueArray(fc.tuple(name, numbers, fc.nat(2), fc.boolean()), {
      minLength: 1,
      maxLength: 12,
      selector: ([each]) => each,
    });
    await fc.assert(
      fc.asyncProperty(model, async (tensors) => {
        const shards: Record<string, SafetensorsInput[]> = {};
        for (const [each, data, shard] of tensors) (shards[`s${shard}`] ??= []).push(tensor(each, data));
        const replaced = new Map(
          tensors
            .filter(([, , , changes]) => changes)
            .map(([each, data]) => [each, [tensor(`${each}.left`, [...data, 1]), tensor(`${each}.right`, data)]]),
        );
        const set = await open(await write(await open(await files(shards)), { replaced }));
        expect(set.tensors.size).toBe(tensors.length + replaced.size);
        let total = 0;
        for (const [each, data, shard, changes] of tensors) {
          const expected = changes ? { [`${each}.left`]: [...data, 1], [`${each}.right`]: data } : { [each]: data };
          for (const [wanted, values] of Object.entries(expected)) {
            expect(set.index!.weightMap.get(wanted)).toBe(`s${shard}`);
            expect(await bytesOf(set, wanted)).toEqual([...new Uint8Array(Float32Array.from(values).buffer)]);
            total += 4 * values.length;
          }
        }
        expect(set.index!.metadata.get("total_size")).toBe(total);
      }),
      { numRuns: 60 },
    );
  });
});
