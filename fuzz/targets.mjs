// Everything that takes bytes or words from outside. A new target is a module in targets/ and a line here.
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} Target
 * @property {string} main name of the file that most inputs consist of
 * @property {(seed: number | string, index: number) => import("./inputs.mjs").Input} input the same for the same arguments
 * @property {(input: import("./inputs.mjs").Input) => Promise<string | undefined> | string | undefined} run
 *   hands the input to what is tested; returns what came of it in a word or two, throws what was thrown, and Mismatch when a
 *   result does not come back the same from being written and read again
 * @property {(input: import("./inputs.mjs").Input) => number} bufferLimit bytes of the largest buffer that it may ask for
 * @property {number} [limit] milliseconds that an input may take, where it needs more than others
 * @property {(error: unknown) => boolean} [allows] errors on purpose that are no LoewnerError
 */

/** @type {Record<string, () => Promise<{ open: () => Promise<Target> }>>} */
export const targets = {
  npy: () => import("./targets/npy.mjs"),
  safetensors: () => import("./targets/safetensors.mjs"),
  "safetensors-index": () => import("./targets/safetensors-index.mjs"),
  onnx: () => import("./targets/onnx.mjs"),
  "onnx-external": () => import("./targets/onnx-external.mjs"),
  tokenizer: () => import("./targets/tokenizer.mjs"),
  plan: () => import("./targets/plan.mjs"),
  description: () => import("./targets/description.mjs"),
  "onnx-description": () => import("./targets/onnx-description.mjs"),
  json: () => import("./targets/json.mjs"),
  "python-literal": () => import("./targets/python-literal.mjs"),
  http: () => import("./targets/http.mjs"),
  arguments: () => import("./targets/arguments.mjs"),
  commands: () => import("./targets/commands.mjs"),
};

/** @param {string} name @param {string} [planted] path of a module that exports more of them, as `targets` */
export async function openTarget(name, planted) {
  const more = planted ? (await import(pathToFileURL(planted).href)).targets : {};
  const load = Object.hasOwn(more, name) ? more[name] : Object.hasOwn(targets, name) ? targets[name] : undefined;
  if (!load)
    throw new Error(
      `There is no target ${name}; there are ${[...Object.keys(targets), ...Object.keys(more)].join(", ")}.`,
    );
  const { open } = await load();
  return { bufferLimit, ...(await open()) };
}

/** Seeds are small, so what is asked for beyond this was asked for by a number in the input. */
function bufferLimit(input) {
  return (16 << 20) + 16 * Object.values(input).reduce((sum, bytes) => sum + bytes.length, 0);
}
