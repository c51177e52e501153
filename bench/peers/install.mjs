// Installs the packages of peers/package.json, in this folder alone, when they are first needed.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const { dependencies } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));

/** The version that is wanted; undefined when it is not installed. */
function installed(name) {
  const file = `${folder}node_modules/${name}/package.json`;
  return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === dependencies[name];
}

/** Versions by name. @throws when npm cannot install them: the message says how to by hand. */
export function install() {
  if (Object.keys(dependencies).every(installed)) return dependencies;
  // The npm that runs this: another may be found first in node_modules/.bin.
  const running = process.env.npm_execpath;
  const [command, first] = running?.endsWith("npm-cli.js") ? [process.execPath, [running]] : ["npm", []];
  const args = ["install", "--prefix", folder, "--no-package-lock", "--no-save", "--no-audit", "--no-fund"];
  try {
    execFileSync(command, [...first, ...args], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  } catch (cause) {
    const reason = String(cause.stderr ?? cause.message)
      .trim()
      .split("\n")[0];
    throw new Error(`npm could not install them (${reason}): cd bench/peers && npm install --no-package-lock`, {
      cause,
    });
  }
  return dependencies;
}
