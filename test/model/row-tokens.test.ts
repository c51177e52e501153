// Rows that are kept nearly exactly, named by the tokens of the model's tokenizer.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, readTokenizer, type Model } from "../../src/model/index.js";
import { checkTokenizer } from "../../src/model/tokens/row-tokens.js";
import { failure } from "../formats/fixtures.js";
import { safetensorsOf } from "./in-memory.js";

const [rows, cols] = [3000, 48];
/** Ids from `first` on; those before it have no token. */
const words = (count: number, first = 0) =>
  readTokenizer(
    JSON.stringify({
      model: {
        type: "WordLevel",
        unk_token: "w0",
        vocab: Object.fromEntries(Array.from({ length: count }, (_, i) => [`w${i}`, first + i])),
      },
    }),
  );

let loewner: Loewner;
let model: Model;
beforeAll(async () => {
  loewner = await createLoewner();
  model = await safetensorsOf([
    { name: "wte.weight", rows, cols },
    { name: "transformer.wpe.weight", rows, cols },
  ]);
});
afterAll(() => loewner.dispose());

const compress = (tokenizer?: ReturnType<typeof words>) =>
  compressModel(loewner, model, { keep: 0.07, type: "transform", layers: ["all"], tokenizer });

test("the report names the tokens of exact rows beside their numbers, of tables of tokens alone", async () => {
  const { layers } = await compress(words(rows));
  const [table, positions] = ["wte.weight", "transformer.wpe.weight"].map((name) =>
    layers.find((each) => each.name === name)!,
  );
  expect(table.exactRows!.length).toBeGreaterThan(0);
  expect(table.exactTokens).toEqual(table.exactRows!.map((row) => `w${row}`));
  expect(positions.exactRows!.length).toBeGreaterThan(0);
  expect(positions.exactTokens).toBeUndefined();
});

test("a row without a token is null, and without a tokenizer there are numbers alone", async () => {
  const first = 2000;
  const { layers } = await compress(words(rows - first, first));
  const { exactRows, exactTokens } = layers.find(({ name }) => name === "wte.weight")!;
  expect(exactTokens).toEqual(exactRows!.map((row) => (row < first ? null : `w${row - first}`)));
  expect((await compress()).layers[0].exactTokens).toBeUndefined();
});

test("a tokenizer of another model names nothing, and a check says both sizes", async () => {
  const other = words(500);
  expect((await compress(other)).layers.every(({ exactTokens }) => exactTokens === undefined)).toBe(true);
  const { message } = await failure(
    Promise.resolve().then(() => checkTokenizer(model.layers, other)),
    "INVALID_INPUT",
  );
  expect(message).toMatch(/tokenizer\.json has 500 tokens .* 3000 rows/);
  expect(() => checkTokenizer(model.layers, words(rows))).not.toThrow();
});
