// Inputs as files: one file, or a folder where an input has several.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** An input: its files by name. */
/** @typedef {Record<string, Uint8Array>} Input */

/** @param {string} path without ending @param {string} main name of the only file of most inputs @returns {string} what was written */
export function saveInput(path, main, input) {
  const names = Object.keys(input);
  if (names.length === 1 && names[0] === main) {
    const file = `${path}${/\.[^.]+$/.exec(main)?.[0] ?? ""}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, input[main]);
    return file;
  }
  for (const name of names) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), input[name]);
  }
  return path;
}

/** @returns {Input} */
export function readInput(path, main) {
  if (!statSync(path).isDirectory()) return { [main]: new Uint8Array(readFileSync(path)) };
  return Object.fromEntries(readdirSync(path).map((name) => [name, new Uint8Array(readFileSync(join(path, name)))]));
}

/** Paths of saved inputs below a folder that has one folder a target: target name -> paths, sorted. */
export function savedInputs(folder) {
  return new Map(
    readdirSync(folder)
      .filter((name) => statSync(join(folder, name)).isDirectory())
      .sort()
      .map((name) => [
        name,
        readdirSync(join(folder, name))
          .sort()
          .map((each) => join(folder, name, each)),
      ]),
  );
}
