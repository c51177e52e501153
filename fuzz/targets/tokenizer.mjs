// tokenizer.json: what it tells of token frequencies. Read as text and as bytes, and once more as JSON.stringify writes it.
import { readTokenizer } from "../../build/lib/model/tokens/tokenizer.js";
import { tokenWeights } from "../../build/lib/model/tokens/weights.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import { mutateBytes } from "../mutate/bytes.mjs";
import { copyOf, jsonTree, mutateJson, writeJson } from "../mutate/json.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { fixtureFiles, rewritten, textOf, utf8 } from "./seeds.mjs";

const words = [
  ...[
    "model",
    "vocab",
    "merges",
    "type",
    "Unigram",
    "BPE",
    "WordPiece",
    "WordLevel",
    "added_tokens",
    "content",
    "id",
    "special",
  ],
  ...[
    "unk_id",
    "unk_token",
    "continuing_subword_prefix",
    "post_processor",
    "processors",
    "single",
    "cls",
    "sep",
    "SpecialToken",
  ],
  ...[
    "special_tokens",
    "tokens",
    "[CLS]",
    "[MASK]",
    "<unk>",
    "##",
    "a b",
    "[unused1]",
    "<0x0a>",
    "tokenizer_class",
    "model_type",
  ],
];

export async function open() {
  const seeds = Object.values(fixtureFiles("tokenizers", /^(byte|uni|word).*\.json$/));
  const trees = seeds.map((bytes) => jsonTree(textOf(bytes)));
  return {
    main: "tokenizer.json",
    input(seed, index) {
      const random = new Random(seed, "tokenizer", index);
      if (random.chance(0.3)) return { "tokenizer.json": mutateBytes(random, random.pick(seeds), seeds, words) };
      const tree = copyOf(random.pick(trees));
      mutateJson(random, tree, words);
      return { "tokenizer.json": utf8(writeJson(tree)) };
    },
    run: (input) => run(input["tokenizer.json"]),
  };
}

function run(bytes) {
  const read = readTokenizer(bytes);
  const text = rewritten(textOf(bytes));
  if (text !== undefined && summary(readTokenizer(text)) !== summary(read))
    throw new Mismatch("another tokenizer after writing");
  // As the command does: its own size first, then that of a table.
  const outcomes = [read.size, 60, 512].map((rows) => weightsFor(read, rows));
  return `${read.kind}${outcomes.includes("weights") ? ", weights" : ""}`;
}

function weightsFor(tokenizer, rows) {
  try {
    const { weights, tokens } = tokenWeights(tokenizer, rows);
    if (weights.length !== rows || tokens.length !== rows)
      throw new Mismatch(`${weights.length} weights for ${rows} rows`);
    const bad = weights.findIndex((weight) => !(weight > 0 && weight < Infinity));
    if (bad >= 0) throw new Mismatch(`the weight of row ${bad} is ${weights[bad]}`);
    return "weights";
  } catch (error) {
    if (!isLoewnerError(error)) throw error;
    return error.code;
  }
}

function summary({ kind, size, tokens, scores, merges, framing, special, unknown }) {
  return JSON.stringify([
    kind,
    size,
    [...tokens],
    scores && [...scores],
    merges && [...merges],
    [...framing],
    [...special],
    unknown,
  ]);
}
