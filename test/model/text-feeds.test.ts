import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { textFeeds } from "../../src/model/calibrate/texts.js";
import { textTokenizer } from "../../src/model/calibrate/text-tokenizer.js";
import { failure } from "../formats/fixtures.js";
import { model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";

const [INT32, INT64, BOOL] = [6, 7, 9];
const read = (name: string) => readFileSync(new URL(`../fixtures/tokenizers/${name}`, import.meta.url), "utf8");
const recorded = JSON.parse(read("ids.json")) as {
  texts: string[];
  whole: Record<string, number[][]>;
  cut: Record<string, number[][]>;
  left: Record<string, { ids: number[][]; types: number[][]; mask: number[][] }>;
};
const tokenizer = textTokenizer(Tokenizer, read("wordpiece.json"));

/** Numbers of an array of a feed, row by row. */
const rows = ({ data, shape }: { data: ArrayLike<number | bigint>; shape: readonly number[] }) =>
  Array.from({ length: shape[0] }, (_, i) =>
    Array.from({ length: shape[1] }, (_, j) => Number(data[i * shape[1] + j])),
  );

/** A model of token ids with a table of positions; `others` are further inputs. */
const encoder = (others: ReturnType<typeof valueInfo>[] = [], shape: (number | string)[] = ["batch", "sequence"]) =>
  open(
    model({
      inputs: [valueInfo("input_ids", shape, INT64), ...others],
      outputs: [valueInfo("y")],
      initializers: [
        tensor("table", [200, 2], new Float32Array(400)),
        tensor("position_embeddings.weight", [26, 2], new Float32Array(52)),
      ],
      nodes: [node("Gather", ["table", "input_ids"], ["y"])],
    }),
  );
const mask = valueInfo("attention_mask", ["batch", "sequence"], INT64);

describe("the ids of the tokenizers library of Python", () => {
  test.each(["wordpiece", "byte-level-bpe", "unigram", "word-level"])("%s, whole and cut to 8", (name) => {
    const own = textTokenizer(Tokenizer, read(`${name}.json`), name);
    recorded.texts.forEach((text, i) => {
      expect(own.encode(text).ids).toEqual(recorded.whole[name][i]);
      expect(own.encode(text, { maxLength: 8 }).ids).toEqual(recorded.cut[name][i]);
    });
  });
});

describe("feeds of texts", () => {
  test("in order of length, padded, with mask, types and positions as the graph takes them", async () => {
    const file = await encoder([
      valueInfo("attention_mask", ["batch", "sequence"], 1),
      valueInfo("token_type_ids", ["batch", "sequence"], INT32),
      valueInfo("position_ids", ["batch", "sequence"], INT64),
    ]);
    const [feed, ...more] = await textFeeds(file, ["the cat sat on the mat", "", "x"], { tokenizer });
    expect(more).toEqual([]);
    const none = [4, 5];
    const [x, cat] = [recorded.whole.wordpiece[4], recorded.whole.wordpiece[0]];
    const padded = (ids: number[]) => [...ids, ...new Array<number>(8 - ids.length).fill(0)];
    expect(rows(feed.input_ids)).toEqual([none, x, cat].map(padded));
    expect(rows(feed.attention_mask)).toEqual([none, x, cat].map((ids) => padded(ids.map(() => 1))));
    expect(feed.attention_mask.dtype).toBe("float32");
    expect([feed.token_type_ids.dtype, ...new Set(rows(feed.token_type_ids).flat())]).toEqual(["int32", 0]);
    expect(rows(feed.position_ids)[2]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test.each(["wordpiece", "unigram"])("padded on the left where the file says so, as Python pads %s", async (name) => {
    const json = { ...JSON.parse(read(`${name}.json`)), padding: { direction: "Left", pad_id: 3, pad_type_id: 2 } };
    const left = textTokenizer(Tokenizer, JSON.stringify(json), name);
    const inputs = ["attention_mask", "token_type_ids", "position_ids"];
    const file = await encoder(inputs.map((input) => valueInfo(input, ["batch", "sequence"], INT64)));
    const [feed] = await textFeeds(file, recorded.texts, { tokenizer: left, maxLength: 8 });
    const { ids, types, mask } = recorded.left[name];
    const tokens = (i: number) => mask[i].reduce((sum, x) => sum + x);
    const order = [...ids.keys()].sort((a, b) => tokens(a) - tokens(b));
    expect(rows(feed.input_ids)).toEqual(order.map((i) => ids[i]));
    expect(rows(feed.attention_mask)).toEqual(order.map((i) => mask[i]));
    expect(rows(feed.token_type_ids)).toEqual(order.map((i) => types[i]));
    expect(rows(feed.position_ids)).toEqual(
      order.map((i) => ids[i].map((_, j) => Math.max(0, j - ids[i].length + tokens(i)))),
    );
  });

  test("of pairs: the type of each token, where the model takes it", async () => {
    const file = await encoder([mask, valueInfo("token_type_ids", ["batch", "sequence"], INT64)]);
    const [feed] = await textFeeds(file, ["the", ["the cat", "the"]], { tokenizer });
    expect(rows(feed.token_type_ids)).toEqual([
      [0, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 1, 1],
    ]);
    expect(rows(feed.attention_mask).map((row) => row.reduce((sum, x) => sum + x))).toEqual([3, 6]);
  });

  test("cut to the model's positions, to a length that is asked for, or to the tokenizer's own", async () => {
    const long = "the ".repeat(100);
    const width = async (options: Partial<Parameters<typeof textFeeds>[2]> = {}) =>
      (await textFeeds(await encoder([mask]), [long], { tokenizer, ...options }))[0].input_ids.shape;
    expect(await width()).toEqual([1, 24]); // of 26 positions two are taken for padding
    expect(await width({ maxLength: 5 })).toEqual([1, 5]);
    expect(await width({ tokenizer: { ...tokenizer, maxLength: 7 } })).toEqual([1, 7]);
    await failure(width({ maxLength: 0 }), "INVALID_INPUT");
  });

  test("few enough in a batch; without a mask, of one length each", async () => {
    const texts = Array.from({ length: 70 }, (_, i) => "the ".repeat(1 + (i % 2)));
    const shapes = async (...others: (typeof mask)[]) =>
      (await textFeeds(await encoder(others), texts, { tokenizer })).map(({ input_ids }) => input_ids.shape);
    expect(await shapes(mask)).toEqual([
      [32, 3],
      [32, 4],
      [6, 4],
    ]);
    expect(await shapes()).toEqual([
      [32, 3],
      [3, 3],
      [32, 4],
      [3, 4],
    ]);
  });

  test("sizes that the model fixes: rows and columns of padding, which the mask leaves out", async () => {
    const fixed = [2, 6];
    const file = await encoder([valueInfo("attention_mask", fixed, INT64)], fixed);
    const feeds = await textFeeds(file, ["the", "x", "the cat sat on the mat"], { tokenizer });
    expect(feeds.map(({ attention_mask }) => rows(attention_mask))).toEqual([
      [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
      ],
      [
        [1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],
      ],
    ]);
  });

  test("a cache comes empty, and a flag says that it is", async () => {
    const file = await encoder([
      mask,
      valueInfo("past_key_values.0.key", ["batch", 2, "past_sequence_length", 4]),
      valueInfo("use_cache_branch", [1], BOOL),
    ]);
    const [feed] = await textFeeds(file, ["the cat"], { tokenizer });
    expect(feed["past_key_values.0.key"].shape).toEqual([1, 2, 0, 4]);
    expect([...feed.use_cache_branch.data]).toEqual([0]);
  });
});

describe("what is refused, and how", () => {
  const message = async (work: Promise<unknown>) => (await failure(work, "INVALID_INPUT")).message;

  test("no texts, or none with a token in it", async () => {
    const bare = { encode: () => ({ ids: [] }) };
    expect(await message(textFeeds(await encoder(), [], { tokenizer }))).toBe(
      "m.onnx: there is nothing to calibrate on: no texts were given.",
    );
    expect(await message(textFeeds(await encoder(), ["", " "], { tokenizer: bare }))).toMatch(
      "none of 2 texts has a token",
    );
  });
  test("a model of something else than texts, or of more than texts", async () => {
    const pixels = await open(
      model({
        inputs: [valueInfo("pixels", ["n", 3])],
        outputs: [valueInfo("y")],
        nodes: [node("Abs", ["pixels"], ["y"])],
      }),
    );
    expect(await message(textFeeds(pixels, ["x"], { tokenizer }))).toBe(
      "m.onnx takes no token ids of shape batch x sequence, so texts cannot be its inputs; it takes pixels (float32, n x 3). Give arrays instead: an .npz with one for each input.",
    );
    const both = await encoder([valueInfo("pixel_values", ["batch", 3])]);
    expect(await message(textFeeds(both, ["x"], { tokenizer }))).toBe(
      'm.onnx also takes "pixel_values" (float32, such as 1 x 3), which texts do not give. Give arrays instead: an .npz with one for each input.',
    );
  });
  test("as many tokens a text as the model wants, and no way to say which are padding", async () => {
    expect(await message(textFeeds(await encoder([], [1, 6]), ["x"], { tokenizer }))).toMatch(
      "takes exactly 6 tokens a text and has no attention mask",
    );
  });
  test("a tokenizer.json that is none, or has parts that are not known", async () => {
    await failure(() => textTokenizer(Tokenizer, "{}"), "INVALID_FORMAT");
    const strange = JSON.stringify({
      ...(JSON.parse(read("wordpiece.json")) as object),
      pre_tokenizer: { type: "Guess" },
    });
    const error = await failure(() => textTokenizer(Tokenizer, strange, "t.json"), "INVALID_FORMAT");
    expect(error.message).toMatch(
      /^t\.json: @huggingface\/tokenizers cannot use it: .*Guess.* Cut the texts into token ids in Python/,
    );
  });
  test("a signal that has fired", async () => {
    const options = { tokenizer, signal: AbortSignal.abort() };
    await failure(textFeeds(await encoder(), ["x"], options), "ABORTED");
  });
});
