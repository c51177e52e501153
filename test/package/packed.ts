// The package as npm makes it, in an empty folder: what is not in `files` is missing here, too.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { once } from "../once.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A program that is installed for the tests alone. */
export const tool = (path: string) => join(root, "test/runtimes/node_modules", path);

/** A package that is installed for the tests alone; its types are not there when only src/ is checked. */
export async function loadTool<T>(name: string): Promise<T> {
  const { resolve } = createRequire(tool("package.json"));
  return (await import(pathToFileURL(resolve(name)).href)) as T;
}

/**
 * Packs dist/ as it stands and unpacks it as node_modules/loewner of a new folder, with the packages that it depends on: those of this
 * checkout, so that no registry is asked.
 * @param parent where the folder is made
 * @returns the folder, which also holds program.mjs, and the archive, which all files of tests share
 */
export async function installPacked(parent = tmpdir()): Promise<{ folder: string; tarball: string }> {
  const packed = await once("packed", (destination) => {
    const args = ["pack", "--ignore-scripts", "--silent", "--pack-destination", destination];
    execFileSync("npm", args, { cwd: root, shell: process.platform === "win32" });
  });
  const [name] = readdirSync(packed);
  const tarball = join(packed, name);
  const folder = mkdtempSync(join(parent, "loewner-package-"));
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "loewner"), { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", join(modules, "loewner"), "--strip-components=1"]);
  const { dependencies } = JSON.parse(readFileSync(join(modules, "loewner/package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, dependency)), { recursive: true });
    symlinkSync(join(root, "node_modules", dependency), join(modules, dependency), "junction");
  }
  cpSync(join(root, "test/package/program.mjs"), join(folder, "program.mjs"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  return { folder, tarball };
}
