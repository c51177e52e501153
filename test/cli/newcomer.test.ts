// What a newcomer types: words of other tools, units, shells; each is understood, or answered by what is here in its place.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listing, run, smallModel, temporaryFolder, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compressed = (...args: string[]) =>
  JSON.parse(run(folder, "compress", "model.safetensors", "--json", "--dry-run", ...args).stdout) as {
    layers: { dtype: string; keep: number }[];
    bytesAfter: number;
  };

describe("values as people write them", () => {
  test.each([
    ["--keep", "50%", "0.5"],
    ["--keep", "12.5 %", "0.125"],
    ["--bytes", "30k", "30000"],
    ["--bytes", "30KB", "30000"],
    ["--bytes", "32Ki", "32768"],
    ["--budget", "60%", "0.6"],
    ["--max-error", "20%", "0.2"],
  ])("%s %s is %s", (option, text, plain) => {
    expect(compressed(option, text)).toEqual(compressed(option, plain));
  });

  test.each([
    ["fp16", "f16"],
    ["float32", "f32"],
    ["bfloat16", "bf16"],
    ["INT8", "int8"],
    ["q4", "int4"],
    ["4bit", "int4"],
    ["8-bit", "int8"],
  ])("--dtype %s is %s", (text, dtype) => {
    expect(compressed("--keep", "0.3", "--dtype", text).layers[0].dtype).toBe(dtype);
  });

  test.each([
    [["--keep", "50"], /did you mean 50%\?/],
    [["--keep", "12MB"], /for a size in bytes use --bytes/],
    [["--bytes", "50%"], /for a share of the size use --budget/],
    [["--rank", "50%"], /for a share of the size use --keep/],
    [["--dtype", "int5"], /one of f64, f32, .* was expected/],
  ])("%j is answered by what was meant", (args, answer) => {
    const { status, stderr } = run(folder, "compress", "model.safetensors", ...args);
    expect(stderr).toMatch(answer);
    expect(status).toBe(2);
  });
});

describe("words of other tools", () => {
  test.each([
    [["compress", "model.safetensors", "--quantize", "int8"], /--dtype says how numbers are stored .*--quality/],
    [["compress", "model.safetensors", "--bits", "4"], /--dtype says how numbers are stored/],
    [["compress", "model.safetensors", "--int8"], /--dtype says how numbers are stored/],
    [["compress", "model.safetensors", "--overwrite"], /--force replaces an output/],
    [["compress", "model.safetensors", "--output-dir", "x"], /-o FILE names the output/],
    [["compress", "model.safetensors", "-v"], /--verbose says more; "loewner --version"/],
    [["compress", "--model", "model.safetensors"], /named without an option/],
    [["compress", "model.safetensors", "small.safetensors"], /an output is named by -o: -o small\.safetensors/],
    [["compress"], /compress needs a model, such as: loewner compress model\.onnx/],
    [
      ["verify", "model.safetensors"],
      /verify needs the compressed model too, such as: loewner verify model\.onnx small\.onnx/,
    ],
    [["expand", "model.safetensors"], /expand needs -o, --output <file>/],
    [["compress", "model.safetensors", "--keep"], /--keep <share> needs/],
    [["quantize", "model.safetensors"], /did you mean compress\?/],
    [["info", "model.safetensors"], /did you mean inspect\?/],
    [["help", "compres"], /did you mean compress\?/],
    [["lewis"], /did you mean lewis-weights\?/],
    [["model.safetensors"], /say what to do with it: loewner compress model\.safetensors/],
  ])("loewner %j", (args, answer) => {
    const { status, stdout, stderr } = run(folder, ...args);
    expect(stderr).toMatch(answer);
    expect(stderr).toMatch(/^loewner: [^\n]+ says more\.\n$/);
    expect([status, stdout]).toEqual([2, ""]);
  });

  test("the version and help by every name, on stdout", () => {
    for (const name of ["-v", "--version"]) expect(run(folder, name).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const { stdout } = run(folder, "compress", "--help");
    for (const args of [
      ["help", "compress"],
      ["compress", "-h"],
    ])
      expect(run(folder, ...args).stdout).toBe(stdout);
    for (const name of ["help", "--help", "-h"])
      expect(run(folder, name)).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/Start with/) });
    expect(stdout).toMatch(/\nMemory, threads, and a cluster [^\n]*\n( +-[^]*)--memory[^]*--redis/);
  });
});

describe("models that are not where they are looked for", () => {
  test("owner/name may be one of the hub", () => {
    const { status, stderr } = run(folder, "compress", "owner/name-of.it");
    expect(stderr).toContain("For the model of that name on the hub write hf:owner/name-of.it.");
    expect(status).toBe(1);
  });

  test("a misspelt file is answered by those that are there", () => {
    mkdirSync(join(folder, "deep"), { recursive: true });
    writeFileSync(join(folder, "deep", "net.onnx"), "");
    expect(run(folder, "inspect", "deep/nte.onnx").stderr).toContain(`There is ${join("deep", "net.onnx")}.`);
    expect(run(folder, "inspect", "none.onnx").stderr).toContain("There is model.safetensors.");
  });

  test.each([
    ["x.gguf", "GGUF" + "x".repeat(40), /x\.gguf: not a safetensors file\. It is a GGUF file/],
    ["x.pt", "PK\x03\x04" + "x".repeat(40), /x\.pt: not a safetensors file\. .*PyTorch checkpoint/],
    ["x.tflite", "\x1c\0\0\0TFL3" + "x".repeat(40), /x\.tflite: .*It is a TensorFlow Lite model: convert/],
  ])("%s is recognised", (name, bytes, answer) => {
    writeFileSync(join(folder, name), bytes, "latin1");
    const { status, stderr } = run(folder, "compress", name);
    expect(stderr).toMatch(answer);
    expect(status).toBe(1);
  });

  test("stdin and stdout are no files", () => {
    expect(run(folder, "compress", "-").stderr).toMatch(/stdin does not have\. Name a file/);
    const { status, stderr } = run(folder, "compress", "model.safetensors", "-o", "-");
    expect(stderr).toMatch(/Nothing is written to stdout.* Name a file in place of -/);
    expect(status).toBe(2);
    expect(listing(folder)).not.toContain("-");
  });
});

test("compressing what is compressed says so", () => {
  const args = ["compress", "model.safetensors", "--layers", "all", "--keep", "0.5", "--dtype", "f32", "--force"];
  expect(run(folder, ...args, "-o", "all.safetensors").status).toBe(0);
  const again = run(folder, "compress", "all.safetensors");
  expect(again.stderr).toMatch(
    /^loewner: Nothing was written: all\.safetensors was compressed by loewner before: 3 layers stay as they are\. For another size or quality start from the original/,
  );
  expect(again.status).toBe(1);
  run(folder, ...args, "--layers", "layer.*", "--exclude", "*embeddings*", "-o", "one.safetensors");
  expect(run(folder, "compress", "one.safetensors", "--force").stdout).toMatch(/was compressed by loewner before/);
});

describe("loewner completion", () => {
  const scriptFor = (shell: string) => run(folder, "completion", shell).stdout;

  /** What bash offers for the last of some words. */
  function offered(...words: string[]): string[] {
    const program = `${scriptFor("bash")}
COMP_WORDS=(loewner "$@"); COMP_CWORD=$#; _loewner; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", program, "bash", ...words], { encoding: "utf8" })
      .trim()
      .split("\n");
  }

  test.runIf(process.platform !== "win32")("bash offers commands, options and the words that an option takes", () => {
    expect(offered("comp")).toEqual(["compress", "completion"]);
    expect(offered("compress", "--qu")).toEqual(["--quality", "--quiet"]);
    expect(offered("compress", "model.onnx", "--quality", "")).toEqual(["lossless", "high", "small"]);
    // bash takes "--quality=h" for three words.
    expect(offered("compress", "model.onnx", "--quality", "=")).toEqual(["lossless", "high", "small"]);
    expect(offered("compress", "model.onnx", "--quality", "=", "h")).toEqual(["high"]);
    expect(offered("--v")).toEqual(["--version"]);
    expect(offered("compress", "model.onnx", "--dtype", "int")).toEqual(["int8", "int4", "int3", "int2"]);
    expect(offered("completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(offered("compress", "mod")).toEqual([""]); // files, which bash has by itself
  });

  test.each(["bash", "zsh", "fish"])("%s knows every option that --help lists", (shell) => {
    const script = scriptFor(shell);
    const commands = [...run(folder, "--help").stdout.matchAll(/^ {2}([a-z-]+) (?=\[|<| {2})/gm)].map(
      ([, name]) => name,
    );
    expect(commands.length).toBeGreaterThan(15);
    for (const command of commands) {
      const help = run(folder, command, "--help").stdout;
      for (const [, long] of help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
        if (shell === "fish") expect(script).toMatch(new RegExp(`from ${command}" -l ${long} `));
        else expect(script).toContain(`--${long}`);
      }
    }
    expect(script).not.toContain("undefined");
  });

  test("another shell is refused by the names of those that there are", () => {
    expect(run(folder, "completion", "tcsh")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/one of bash, zsh, fish was expected/),
    });
  });
});
