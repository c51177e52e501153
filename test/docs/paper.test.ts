// docs/paper.md: its commands run as they stand there, against a hub on this machine with small models of the four architectures.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engineFlags } from "../engine-flags.mjs";
import { main, temporaryFolder } from "../cli/run.js";
import { type Architecture, glueModel } from "../model/glue-models.js";
import { uniform } from "../model/onnx-models/random.js";
import { HubServer } from "../node/hub-server.js";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const page = readFileSync(at("../../docs/paper.md"), "utf8");
const tokenizerFile = (name: string) => at(`../fixtures/tokenizers/${name}.json`);
/** Tokens of a file of each kind. */
const tokenizers: Record<Architecture, { name: string; words: number }> = {
  bert: { name: "wordpiece", words: 160 },
  distilbert: { name: "wordpiece", words: 160 },
  roberta: { name: "byte-level-bpe", words: 421 },
  xlnet: { name: "unigram", words: 105 },
};

/** Lines of the page's shell blocks under each of its headings, in order. */
const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block.trim().split("\n"));
const isOurs = (line: string) => line.startsWith("loewner ");

let folder: string;
const hub = new HubServer();
beforeAll(async () => {
  await hub.start();
  folder = temporaryFolder();
  const bytes = (architecture: Architecture) =>
    glueModel({ architecture, words: tokenizers[architecture].words, seed: architecture.length });
  const config = (architecture: Architecture) =>
    Buffer.from(JSON.stringify({ model_type: architecture, id2label: { 0: "LABEL_0", 1: "LABEL_1" } }));
  const commit = "0123456789abcdef0123456789abcdef01234567";
  hub.repositories["Xenova/distilbert-base-uncased-finetuned-sst-2-english"] = {
    refs: { main: commit },
    commits: {
      [commit]: {
        "config.json": Buffer.from(JSON.stringify({ id2label: { 0: "NEGATIVE", 1: "POSITIVE" } })),
        "tokenizer.json": readFileSync(tokenizerFile(tokenizers.distilbert.name)),
        "onnx/model.onnx": bytes("distilbert"),
      },
    },
  };
  // What optimum and xlnet.py would write.
  for (const architecture of ["bert", "roberta", "xlnet"] as const) {
    mkdirSync(join(folder, architecture));
    writeFileSync(join(folder, architecture, "model.onnx"), bytes(architecture));
    writeFileSync(join(folder, architecture, "config.json"), config(architecture));
    const tokenizer = JSON.parse(readFileSync(tokenizerFile(tokenizers[architecture].name), "utf8")) as object;
    // Saved after texts were filled up.
    const padding = architecture === "xlnet" ? { direction: "Left", pad_id: 0, pad_type_id: 3 } : null;
    writeFileSync(join(folder, architecture, "tokenizer.json"), JSON.stringify({ ...tokenizer, padding }));
  }
  const words = "the cat sat on mat and dog low rank matrix what is it in most years words".split(" ");
  const rows = Array.from({ length: 30 }, (_, i) => {
    const text = Array.from({ length: 3 + (i % 5) }, (_, j) => words[Math.floor(words.length * uniform(i, j))]);
    return `${text.join(" ")} \t${Math.floor(2 * uniform(99, i))}`;
  });
  mkdirSync(join(folder, "SST-2"));
  writeFileSync(join(folder, "SST-2", "dev.tsv"), `sentence\tlabel\n${rows.join("\n")}\n`);
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "loewner"), `#!/bin/sh\nexec "${process.execPath}" ${engineFlags.join(" ")} "${main}" "$@"\n`); // prettier-ignore
  chmodSync(join(folder, "bin", "loewner"), 0o755);
});
afterAll(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

function shell(command: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    ...{ HF_ENDPOINT: hub.endpoint, LOEWNER_CACHE: join(folder, "cache") },
    PATH: [join(folder, "bin"), process.env.PATH].join(delimiter),
  };
  const child = spawn("sh", ["-c", command], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (chunk: string) => void (texts[name] += chunk));
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...texts })));
}

test("what is not run here are lines of npm, pip, curl, unzip, optimum-cli and python: seven", () => {
  expect(commands.filter((line) => !isOurs(line)).map((line) => line.split(" ", 1)[0])).toEqual([
    ...["npm", "curl", "unzip", "pip", "optimum-cli", "optimum-cli", "python"],
  ]);
});

describe("every other command of the page, in its order", () => {
  test.each(commands.filter(isOurs))("%s", async (command) => {
    const { status, stdout, stderr } = await shell(command);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const words = command.split(" ");
    for (const option of ["-o", "--svg"]) {
      const place = words.indexOf(option);
      if (place >= 0) expect(existsSync(join(folder, words[place + 1])), words[place + 1]).toBe(true);
    }
    if (words[1] !== "evaluate") return;
    expect(stdout).toContain("sst2, 30 examples; read: logits (batch_size x 2)".replace("batch_size", "batch"));
    if (!words.includes("--curve")) return expect(stdout.trimEnd().split("\n").slice(-2).join()).toMatch(/MB -> .*accuracy .*MB -> .*accuracy/); // prettier-ignore
    const { points, bytes } = JSON.parse(readFileSync(join(folder, words[words.indexOf("-o") + 1]), "utf8")) as {
      bytes: number;
      points: { method: string; keep: number; bytes: number; scores: { metric: string; value: number }[] }[];
    };
    expect(points.map(({ method, keep }) => [method, keep])).toEqual([["svd", 0.72], ["lewis", 0.72]]); // prettier-ignore
    for (const point of points) {
      expect(point.bytes).toBeLessThan(bytes);
      expect(point.scores.map(({ metric }) => metric)).toEqual(["accuracy", "loss"]);
      expect(point.scores.every(({ value }) => Number.isFinite(value))).toBe(true);
    }
  });

  test("the model of the hub came with its tokenizer, and both were loaded once", () => {
    expect(hub.downloads.map(({ path }) => path).sort()).toEqual(["config.json", "onnx/model.onnx", "tokenizer.json"]);
  });
});
