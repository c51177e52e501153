// A model that was made smaller before, dropped on the page: it is known again, compared with its original, or written out whole.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bytesOf, run, temporaryFolder } from "../cli/run.js";
import { drop, file, until, untilText } from "./browser.js";
import { freshTab, hash, onCommandLine, saved } from "./fresh-tab.js";
import { classifier, encoder, slowModel } from "./models.js";

const fresh = freshTab();

/** What the command line makes of a model. */
function compressed(name: string, bytes: Uint8Array, ...options: string[]): Uint8Array {
  const folder = temporaryFolder();
  writeFileSync(join(folder, name), bytes);
  const small = `small${/\.\w+$/.exec(name)![0]}`;
  const { status, stderr } = run(folder, "compress", name, "-o", small, ...options);
  expect(status, stderr).toBe(0);
  return bytesOf(folder, small);
}

test("of ONNX: it runs beside the original that is chosen, and a model that is no original is told as such", async () => {
  const { tab } = fresh;
  const original = classifier();
  await drop(tab, [file("mine.small.onnx", compressed("mine.onnx", original, "--quality", "lossless"))]);
  await untilText(tab, "stored", /made smaller before/);
  await untilText(tab, "stored", /of mine\.small\.onnx (is|are) stored as loewner writes them/);
  expect(await tab.isVisible("#expand")).toBe(false);
  await tab.setInputFiles("#original-files", [file("mine.onnx", original)]);
  await untilText(tab, "stored", /Yes, it answers the same: \d\.\d{3} over \d+ inputs?/);
  await until(tab, "!document.getElementById('original-files').disabled");
  await tab.setInputFiles("#original-files", [file("other.onnx", encoder())]);
  await until(tab, "document.querySelector('#stored .fault').textContent");
  expect(await tab.textContent("#stored .fault")).toMatch(/logits|hidden|attention_mask/);
  // Another model takes its place.
  await drop(tab, [file("mine.onnx", original)]);
  await untilText(tab, "model-name", /^mine\.onnx$/);
  expect(await tab.textContent("#stored")).toBe("");
});

test("of safetensors: written out whole, with the bytes of the command that is shown", async () => {
  const { tab } = fresh;
  const small = compressed("table.safetensors", await slowModel(600, 40), "--keep", "0.3", "--dtype", "f32");
  await drop(tab, [file("table.small.safetensors", small)]);
  await untilText(tab, "stored", /made smaller before/);
  const { name, bytes } = await saved(tab, "#expand");
  expect(name).toBe("table.whole.safetensors");
  const folder = onCommandLine(await tab.textContent("#stored code"), "table.small.safetensors", small);
  expect(hash(bytes)).toBe(hash(bytesOf(folder, name)));
});
