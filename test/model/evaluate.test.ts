// Scores of models on tasks, beside what the same numbers give by hand.
import { beforeAll, describe, expect, test } from "vitest";
import { createLoewner } from "../../src/index.js";
import type { NpyTensor } from "../../src/formats/npy-array.js";
import type { OnnxModel } from "../../src/formats/onnx/types.js";
import type { Text, TextTokenizer } from "../../src/model/calibrate/text-tokenizer.js";
import { evaluateCurve } from "../../src/model/evaluate/curve.js";
import { evaluateModel, evaluateModels, type EvaluateOptions } from "../../src/model/evaluate/evaluate.js";
import { guessTask } from "../../src/model/evaluate/guess.js";
import { readTable } from "../../src/model/evaluate/table.js";
import type { EvaluationData, Task } from "../../src/model/evaluate/task.js";
import { type InstalledRuntime, loadRuntime } from "../../src/node/onnxruntime.js";
import { failure } from "../formats/fixtures.js";
import { model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "./onnx-models/random.js";

const INT64 = 7;
const [words, width] = [60, 8];
let runtime: InstalledRuntime;
beforeAll(async () => void (runtime = await loadRuntime("web")));

const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => uniform(seed, i) - 0.5);
const table = numbers(words * width, 1);
const head = numbers(width * 3, 2);
const ids = valueInfo("input_ids", ["batch", "sequence"], INT64);
const mask = valueInfo("attention_mask", ["batch", "sequence"], INT64);

/** Mean of the rows of a text times a head of three classes; texts of one length, as nothing tells padding. */
const classifier = (rows = table) =>
  open(
    model({
      inputs: [ids],
      outputs: [valueInfo("logits", ["batch", 3])],
      initializers: [tensor("table", [words, width], rows), tensor("head", [width, 3], head)],
      nodes: [
        node("Gather", ["table", "input_ids"], ["x"]),
        node("ReduceMean", ["x"], ["m"], { axes: [1], keepdims: 0 }),
        node("MatMul", ["m", "head"], ["logits"]),
      ],
    }),
  );
/** The rows themselves as hidden states. */
const encoder = () =>
  open(
    model({
      inputs: [ids, mask],
      outputs: [valueInfo("last_hidden_state", ["batch", "sequence", width])],
      initializers: [tensor("table", [words, width], table)],
      nodes: [node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
    }),
  );
/** Every word's product with every other. */
const language = () =>
  open(
    model({
      inputs: [ids, mask],
      outputs: [valueInfo("logits", ["batch", "sequence", words])],
      initializers: [tensor("table", [words, width], table)],
      nodes: [
        node("Gather", ["table", "input_ids"], ["x"]),
        node("Transpose", ["table"], ["t"], { perm: [1, 0] }),
        node("MatMul", ["x", "t"], ["logits"]),
      ],
    }),
  );

/** "w7" is 7, any other word 50; 1 stands before a text and 2 behind it. */
const tokenizer: TextTokenizer = {
  padId: 0,
  maskId: 3,
  encode(text, { specialTokens: isAround = true, maxLength = Infinity } = {}) {
    const plain = (each: string) => (each.match(/\w+/g) ?? []).map((word) => Number(/\d+/.exec(word)?.[0] ?? 50));
    const both = [text].flat().map(plain);
    const all = isAround ? [1, ...both.flatMap((each) => [...each, 2])] : both.flat();
    return { ids: all.slice(0, maxLength), isCut: all.length > maxLength };
  },
};

const row = (word: number) => [...table.subarray(word * width, (word + 1) * width)];
const meanOf = (text: readonly number[]) =>
  Array.from({ length: width }, (_, j) => text.reduce((sum, word) => sum + row(word)[j], 0) / text.length);
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const cosine = (a: readonly number[], b: readonly number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const scoresOf = (text: readonly number[]) => [0, 1, 2].map((c) => dot(meanOf(text), [0, 1, 2, 3, 4, 5, 6, 7].map((j) => head[3 * j + c]))); // prettier-ignore
const lossOf = (scores: readonly number[], label: number) =>
  Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[label];

const texts = Array.from({ length: 40 }, (_, i) =>
  Array.from({ length: 5 }, (_, j) => 4 + Math.floor((words - 4) * uniform(7, 5 * i + j))),
);
const labels = texts.map((_, i) => Math.floor(3 * uniform(8, i)));
const tsv = (columns: readonly string[], rows: readonly (readonly unknown[])[]) =>
  readTable([columns, ...rows].map((fields) => fields.join("\t")).join("\n"), "data.tsv");
const text = (own: readonly number[]) => own.map((word) => `w${word}`).join(" ");
const around = (own: readonly number[]) => [1, ...own, 2];
const int64 = (shape: readonly number[], values: readonly number[]): NpyTensor => ({
  ...{ dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) },
});
const options = (more: Partial<EvaluateOptions> = {}): EvaluateOptions => ({
  runtime,
  tokenizer,
  samples: 50,
  ...more,
});
const valueOf = ({ scores }: { scores: readonly { metric: string; value: number }[] }, metric: string) =>
  scores.find((score) => score.metric === metric)?.value;

describe("classes", () => {
  const wanted = texts.map((own) => scoresOf(around(own)));
  const right = wanted.filter((scores, i) => scores.indexOf(Math.max(...scores)) === labels[i]).length / texts.length;
  const loss = wanted.reduce((sum, scores, i) => sum + lossOf(scores, labels[i]), 0) / texts.length;

  test("accuracy and loss of texts in a table, and of the same as token ids", async () => {
    const data = { name: "data.tsv", table: await tsv(["text", "label"], texts.map((own, i) => [text(own), labels[i]])) }; // prettier-ignore
    const arrays = { input_ids: int64([40, 7], texts.flatMap(around)), labels: int64([40], labels) };
    for (const each of [data, { name: "folder", arrays }]) {
      const found = await evaluateModel(await classifier(), each, "classification", options());
      expect(found.reads).toBe("logits (batch x 3)");
      expect(found.examples).toBe(40);
      expect(valueOf(found, "accuracy")).toBe(right);
      expect(valueOf(found, "loss")).toBeCloseTo(loss, 6);
      const [{ interval, value }] = found.scores;
      expect(interval!.low).toBeLessThan(value);
      expect(interval!.high).toBeGreaterThan(value);
    }
  });

  test("names of classes are looked up, whatever their case and marks", async () => {
    const names = ["low", "Not Sure", "high"];
    const rows = texts.map((own, i) => [text(own), names[labels[i]].toUpperCase().replace(" ", "_")]);
    const data = { name: "data.tsv", table: await tsv(["text", "label"], rows) };
    const found = await evaluateModel(await classifier(), data, "classification", options({ labels: names }));
    expect(valueOf(found, "accuracy")).toBe(right);
    const error = await failure(evaluateModel(await classifier(), data, "classification", options()), "INVALID_INPUT");
    expect(error.message).toMatch(/^data\.tsv: line 2 has "\w+" in "label", which is no number of a class\. Say the classes .* --labels/); // prettier-ignore
  });

  test("padding on the left, where the tokenizer has it: who reads the last token reads the text's, however many are run at once", async () => {
    const reader = await open(
      model({
        inputs: [ids, mask],
        outputs: [valueInfo("logits", ["batch", 3])],
        initializers: [
          tensor("table", [words, width], table),
          tensor("head", [width, 3], head),
          tensor("last", [], BigInt64Array.of(-1n)),
        ],
        nodes: [
          node("Gather", ["table", "input_ids"], ["x"]),
          node("Gather", ["x", "last"], ["m"], { axis: 1 }),
          node("MatMul", ["m", "head"], ["logits"]),
        ],
      }),
    );
    const bare: TextTokenizer = { ...tokenizer, encode: (given, own) => tokenizer.encode(given, { ...own, specialTokens: false }) }; // prettier-ignore
    const long = texts.map((own, i) => own.slice(0, 1 + (i % 5)));
    const file = { name: "d", table: await tsv(["text", "label"], long.map((own, i) => [text(own), labels[i]])) }; // prettier-ignore
    const losses = async (padSide: TextTokenizer["padSide"], batch: number) =>
      valueOf(await evaluateModel(reader, file, "classification", options({ tokenizer: { ...bare, padSide }, batch })), "loss")!; // prettier-ignore
    const wanted = long.reduce((sum, own, i) => {
      const scores = [0, 1, 2].map((c) => dot(row(own.at(-1)!), [0, 1, 2, 3, 4, 5, 6, 7].map((j) => head[3 * j + c]))); // prettier-ignore
      return sum + lossOf(scores, labels[i]) / long.length;
    }, 0);
    expect(await losses("left", 64)).toBeCloseTo(wanted, 5);
    expect(await losses("left", 1)).toBeCloseTo(wanted, 5);
    expect(await losses("right", 64)).not.toBeCloseTo(wanted, 5);
  });

  test("labels past the outputs: the example, and how many classes there are", async () => {
    const data = { name: "d", table: await tsv(["text", "label"], [["w4", 1], ["w5", 7]]) }; // prettier-ignore
    const error = await failure(evaluateModel(await classifier(), data, "classification", options()), "INVALID_INPUT");
    expect(error.message).toBe(
      "d: example 2 has the label 7, but the model tells 3 classes, 0 to 2, apart. Give the data of this model's task.",
    );
  });

  test("labels that are all equal are told", async () => {
    const data = { name: "d", table: await tsv(["text", "label"], [["w4", 1], ["w5", 1]]) }; // prettier-ignore
    const { notes } = await evaluateModel(await classifier(), data, "classification", options());
    expect(notes).toEqual(["All 2 labels are class 1: a score on one class says little."]);
  });

  test("a smaller model beside the first: the difference, and its interval", async () => {
    const data = { name: "d", table: await tsv(["text", "label"], texts.map((own, i) => [text(own), labels[i]])) }; // prettier-ignore
    const [first, second] = [await classifier(), await classifier(table.map((x) => Math.round(3 * x) / 3))];
    const { models } = await evaluateModels([{ model: first }, { model: second }], data, "classification", options());
    const [a, b] = models.map(({ scores }) => scores[0]);
    expect(a.difference).toBeUndefined();
    expect(b.difference!.value).toBe(b.value - a.value);
    const { low, high } = b.difference!.interval!;
    expect(low).toBeLessThanOrEqual(b.difference!.value);
    expect(high).toBeGreaterThanOrEqual(b.difference!.value);
    const same = await evaluateModels([{ model: first }, { model: first }], data, "classification", options());
    expect(same.models[1].scores[0].difference).toMatchObject({ value: 0, interval: { low: 0, high: 0 } });
  });
});

describe("likeness of two texts", () => {
  const pairs = Array.from({ length: 20 }, (_, i) => [texts[i], texts[i + 20].slice(0, 1 + (i % 5))] as const);
  const gold = pairs.map((_, i) => uniform(9, i));
  const rows = pairs.map(([a, b], i) => [text(a), text(b), gold[i]]);

  test.each([
    ["mean", (all: readonly number[]) => meanOf(all)],
    ["cls", (all: readonly number[]) => row(all[0])],
    ["max", (all: readonly number[]) => row(0).map((_, j) => Math.max(...all.map((word) => row(word)[j])))],
  ] as const)("Pearson of cosines, vectors by %s", async (pooling, vector) => {
    const data = { name: "d", table: await tsv(["sentence1", "sentence2", "score"], rows) };
    const own = { ...tokenizer, encode: (each: Text) => tokenizer.encode(each, { specialTokens: false }) };
    const found = await evaluateModel(await encoder(), data, "stsb", options({ pooling, tokenizer: own }));
    const cosines = pairs.map(([a, b]) => cosine(vector(a), vector(b)));
    const centred = (x: readonly number[]) => x.map((each) => each - x.reduce((sum, y) => sum + y, 0) / x.length);
    expect(valueOf(found, "pearson")).toBeCloseTo(cosine(centred(cosines), centred(gold)), 5);
    expect(found.reads).toMatch(/^last_hidden_state \(batch x sequence x 8\), the /);
  });

  test("hidden states of texts that are padded on the left are those of their tokens", async () => {
    const pairs = texts.slice(1).map((own, i) => [text(own.slice(0, 1 + (i % 5))), text(texts[i]), (i * 7) % 5]);
    const file = { name: "d", table: await tsv(["sentence1", "sentence2", "score"], pairs) };
    const run = async (padSide: TextTokenizer["padSide"], pooling: "mean" | "cls") =>
      evaluateModel(await encoder(), file, "stsb", options({ tokenizer: { ...tokenizer, padSide }, pooling }));
    for (const pooling of ["mean", "cls"] as const)
      expect((await run("left", pooling)).scores).toEqual((await run("right", pooling)).scores);
  });

  test("equal labels: correlations are undefined, and that is said", async () => {
    const data = { name: "d", table: await tsv(["sentence1", "sentence2", "score"], rows.map(([a, b]) => [a, b, 3])) }; // prettier-ignore
    const found = await evaluateModel(await encoder(), data, "stsb", options());
    expect(found.scores[0].value).toBeNaN();
    expect(found.notes).toEqual(["All labels are equal: correlations are undefined."]);
  });
});

describe("words", () => {
  const arrays = { input_ids: int64([2, 4], [4, 5, 6, 7, 8, 9, 0, 0]), attention_mask: int64([2, 4], [1, 1, 1, 1, 1, 1, 0, 0]) }; // prettier-ignore
  const all = Array.from({ length: words }, (_, i) => i);
  const foretold = (at: number, next: number) =>
    lossOf(
      all.map((word) => dot(row(at), row(word))),
      next,
    );

  test("hidden ones, as labels ask for them: loss and accuracy of these alone", async () => {
    const data = { name: "d", arrays: { ...arrays, labels: int64([2, 4], [-100, 5, -100, 9, 10, -100, -100, -100]) } };
    const found = await evaluateModel(await language(), data, "masked", options());
    expect(valueOf(found, "loss")).toBeCloseTo((foretold(5, 5) + foretold(7, 9) + foretold(8, 10)) / 3, 5);
    expect(found.notes).toEqual(["3 words are hidden."]);
  });

  test("hidden by seed: others by another, none of those around a text", async () => {
    const data = { name: "d", table: await tsv(["text"], texts.map((own) => [text(own)])) }; // prettier-ignore
    const scores = async (seed: number) => {
      const found = await evaluateModel(await language(), data, "masked", options({ seed, maskShare: 0.4 }));
      expect(found.notes).toEqual(["80 words are hidden."]);
      return valueOf(found, "loss");
    };
    const [one, again, other] = [await scores(1), await scores(1), await scores(2)];
    expect(one).toBe(again);
    expect(one).not.toBe(other);
  });

  test("perplexity: of each token by the one before, over all texts, long ones in parts", async () => {
    const found = await evaluateModel(await language(), { name: "d", arrays }, "causal", options());
    const loss = (foretold(4, 5) + foretold(5, 6) + foretold(6, 7) + foretold(8, 9)) / 4;
    expect(valueOf(found, "perplexity")).toBeCloseTo(Math.exp(loss), 3);
    const data = { name: "d", table: await tsv(["text"], [["w4 w5 w6 w7 w8"]]) };
    const cut = await evaluateModel(await language(), data, "causal", options({ maxLength: 4 }));
    // 1 stands before every part of three.
    const parts = (foretold(1, 4) + foretold(4, 5) + foretold(5, 6) + foretold(1, 7) + foretold(7, 8)) / 5;
    expect(valueOf(cut, "perplexity")).toBeCloseTo(Math.exp(parts), 3);
    expect(cut.notes).toEqual(["Texts longer than the model are read in parts: 2 of 1 texts."]);
  });
});

describe("retrieval", () => {
  test("recall and nDCG of passages ranked by cosine, in files as BEIR has them", async () => {
    const jsonl = (rows: readonly object[]) => rows.map((each) => JSON.stringify(each)).join("\n");
    const found = texts.slice(0, 30);
    const asked = texts.slice(30, 34);
    const relevant = asked.map((_, i) => [i, i + 4]);
    const data: EvaluationData = {
      name: "queries.jsonl",
      table: await readTable(jsonl(asked.map((own, i) => ({ _id: `q${i}`, text: text(own) }))), "queries.jsonl"),
      passages: await readTable(jsonl(found.map((own, i) => ({ _id: `p${i}`, text: text(own) }))), "corpus.jsonl"),
      relevance: await readTable(
        ["query-id\tcorpus-id\tscore", ...relevant.flatMap((own, q) => own.map((p) => `q${q}\tp${p}\t1`))].join("\n"),
        "test.tsv",
      ),
    };
    const result = await evaluateModel(await encoder(), data, "retrieval", options({ k: 5 }));
    const recalls = asked.map((own, q) => {
      const scores = found.map((each, p) => [cosine(meanOf(around(own)), meanOf(around(each))), p] as const);
      const best = scores.sort(([a], [b]) => b - a).slice(0, 5); // prettier-ignore
      return best.filter(([, p]) => relevant[q].includes(p)).length / 2;
    });
    expect(valueOf(result, "recall@5")).toBeCloseTo(recalls.reduce((sum, x) => sum + x, 0) / 4, 12);
    expect(result.examples).toBe(4);
  });
});

describe("tasks", () => {
  test("one of your own is an object", async () => {
    const longest: Task = {
      name: "longest",
      description: "how long texts are",
      prepare: ({ data, encoder: code, output }) => {
        const sequences = data.table!.column("text").map((each) => code().encode(each));
        const rows = new Float64Array(sequences.length);
        return {
          ...{ sequences, output: output("states"), examples: rows.length, notes: [] },
          answers: () => ({
            take: (at, { cols }) => void (rows[at] = cols),
            metrics: () => [{ name: "columns", better: "higher", score: () => Math.max(...rows) }],
          }),
        };
      },
    };
    const data = { name: "d", table: await tsv(["text"], [["w4"], ["w5 w6"]]) };
    expect(valueOf(await evaluateModel(await encoder(), data, longest, options()), "columns")).toBe(width);
  });

  test("are told by the data where nobody says which", async () => {
    const of = async (file: OnnxModel, data: EvaluationData) => guessTask(file, data, {});
    const likeness = { name: "d", table: await tsv(["sentence1", "sentence2", "score"], [["a", "b", 1]]) };
    const labelled = { name: "d", table: await tsv(["text", "label"], [["a", 1]]) };
    expect(await of(await encoder(), likeness)).toBe("stsb");
    expect(await of(await classifier(), labelled)).toBe("classification");
    expect(await of(await encoder(), { ...labelled, passages: likeness.table })).toBe("retrieval");
    const arrays = { input_ids: int64([1, 2], [4, 5]) };
    expect(await of(await language(), { name: "d", arrays })).toBe("causal");
    expect(await of(await language(), { name: "d", arrays: { ...arrays, labels: arrays.input_ids } })).toBe("masked");
    const error = await failure(async () => of(await encoder(), labelled), "INVALID_INPUT");
    expect(error.message).toBe(
      "d has the columns text, label, which do not tell its task. Say it with --task, and the columns with --text and --label.",
    );
  });
});

describe("what does not fit", () => {
  const data = async () => ({ name: "d", table: await tsv(["text", "label"], [["w4 w77", 1]]) });

  test("a task that reads what the model does not put out: what it does", async () => {
    const error = await failure(evaluateModel(await encoder(), await data(), "sst2", options()), "INVALID_INPUT");
    expect(error.message).toMatch(/does not put out a score for each class .*it puts out last_hidden_state/);
  });

  test("token ids past the table: the tokenizer of another model", async () => {
    const error = await failure(evaluateModel(await classifier(), await data(), "classification", options()), "INVALID_INPUT"); // prettier-ignore
    expect(error.message).toMatch(/has 77 in "input_ids".*the table that it indexes has 60 rows.*tokenizer\.json/);
  });

  test("texts without a tokenizer", async () => {
    const error = await failure(evaluateModel(await classifier(), await data(), "classification", options({ tokenizer: undefined })), "INVALID_INPUT"); // prettier-ignore
    expect(error.message).toBe(
      "d holds texts, which a tokenizer must cut into tokens: give the model's tokenizer.json too (--tokenizer).",
    );
  });

  test("a task that is not there: those that are", async () => {
    const error = await failure(evaluateModel(await classifier(), await data(), "sst3", options()), "INVALID_INPUT");
    expect(error.message).toMatch(/^There is no task "sst3".* there are classification, cola, sst2, /);
  });
});

describe("curves", () => {
  test("every method at every size, differences from the model as it is; known points are not made again", async () => {
    const loewner = await createLoewner({ threads: 1 });
    try {
      const arrays = { input_ids: int64([40, 7], texts.flatMap(around)), labels: int64([40], labels) };
      const run = async (more: object = {}) =>
        evaluateCurve(loewner, { model: await classifier() }, { name: "d", arrays }, "classification", {
          ...{ runtime, samples: 20, methods: ["svd", "lewis"], sizes: [0.9, 0.5], layers: ["table"], ...more },
        });
      const made: string[] = [];
      const curve = await run({ onPoint: ({ method, keep }: { method: string; keep: number }) => void made.push(`${method} ${keep}`) }); // prettier-ignore
      expect(made).toEqual(["svd 0.9", "svd 0.5", "lewis 0.9", "lewis 0.5"]);
      for (const { bytes, scores } of curve.points) {
        expect(bytes).toBeGreaterThan(0);
        expect(scores![0].difference!.value).toBe(scores![0].value - curve.scores[0].value);
      }
      const known = curve.points.map((point) => ({ ...point, seconds: { compress: -1, run: -1 } }));
      const again = await run({ known });
      expect(again.points).toEqual(known);
    } finally {
      loewner.dispose();
    }
  });
});
