// The licences of packages whose code is in a bundle, with their whole texts: all of them ask to come along.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Of packages that name a licence and bring no text of it. */
const standardTexts = {
  "Apache-2.0": fileURLToPath(new URL("../node_modules/assemblyscript/LICENSE", import.meta.url)),
};

/** In the kernel, which is in every bundle: pow, exp, log and the like are compiled from it. */
export const kernelLibrary = fileURLToPath(new URL("../node_modules/assemblyscript/std/assembly/math.ts", import.meta.url)); // prettier-ignore

const licenseFiles = ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE"];

/**
 * @param {Iterable<string>} modules paths of what was bundled
 * @returns {string} a title and the texts of each package among them, by name
 * @throws {Error} for a licence whose text is not to be found
 */
export function licensesOf(modules) {
  /** @type {Map<string, string[]>} */
  const packages = new Map();
  for (const module of modules) {
    const folder = /^\0?(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(module)?.[1];
    if (folder) packages.set(folder, [...(packages.get(folder) ?? []), module]);
  }
  return [...packages]
    .map(([folder, files]) => {
      const facts = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      return `${titleOf(facts)}\n\n${textsOf(folder, facts, files).join("\n\n")}\n`;
    })
    .sort()
    .join("\n\n");
}

/** Name, version, author and licence, from a package.json. */
export function titleOf({ name, version, license, author }) {
  const by = author ? ` by ${(author.name ?? author).replace(/ [<(].*/, "")}` : "";
  return `${name} ${version}${by}, ${license}`;
}

function textsOf(folder, { name, license }, files) {
  const find = (names) => names.map((file) => join(folder, file)).find(existsSync);
  const own = find(licenseFiles);
  const notice = find(["NOTICE", "NOTICE.md", "NOTICE.txt"]);
  const notices = notice ? [readFileSync(notice, "utf8").trim()] : [];
  if (own) return [readFileSync(own, "utf8").trim(), ...notices];
  const standard = license
    .match(/[\w.-]+/g)
    .filter((word) => !/^(AND|OR|WITH)$/.test(word))
    .map((id) => {
      if (standardTexts[id]) return readFileSync(standardTexts[id], "utf8").trim();
      const heads = new Set(files.map(headOf).filter((head) => /^Copyright[^]*Redistribution and use/.test(head)));
      if (id.startsWith("BSD-") && heads.size > 0) return [...heads].join("\n\n");
      throw new Error(
        `${name} is licensed under ${id}, whose text is neither in the package nor known here: ${folder}`,
      );
    });
  return [...standard, ...notices];
}

/** The comment that a module begins with, where it is one of lines. */
function headOf(file) {
  const lines = readFileSync(file.replace(/^\0|\?.*$/g, ""), "utf8").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines.slice(0, end).map((line) => line.replace(/^\/\/ ?/, "")).join("\n").trim(); // prettier-ignore
}
