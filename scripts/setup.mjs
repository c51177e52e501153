// Brings a checkout to where it can run: dependencies when the lock file is newer than what is installed, the wasm binary
// and dist/ when their sources are newer. Does nothing, quickly, when all is up to date. `--force` builds anyway, `--page` the page too;
// `--tests` brings what only the tests need, and nothing else.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync, rmSync, chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => join(root, ...parts);

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : -Infinity);

/** Newest modification below a folder. */
function newest(path) {
  if (!statSync(path).isDirectory()) return modified(path);
  return Math.max(modified(path), ...readdirSync(path).map((name) => newest(join(path, name))));
}

function run(what, command, args, env = {}) {
  process.stderr.write(`${what} ...\n`);
  try {
    execFileSync(command, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
      env: { ...process.env, ...env },
    });
  } catch (error) {
    process.stderr.write(`${error.stdout ?? ""}${error.stderr ?? ""}`);
    throw new Error(`${what}: "${command} ${args.join(" ")}" failed; its output is above.`, { cause: error });
  }
}

/**
 * The npm that runs this script. "npm" would be found in node_modules/.bin first: of a checkout that was
 * installed before the overrides that is version 6, which empties node_modules and then fails on this lock file.
 */
function npm(what, args, env) {
  const running = process.env.npm_execpath;
  if (running?.endsWith("npm-cli.js")) run(what, process.execPath, [running, ...args], env);
  else run(what, "npm", args, env);
}

const node = (what, script, ...args) =>
  run(what, process.execPath, [at("node_modules", ...script.split("/")), ...args]);

function stamp(name, sources, targets, force, build) {
  const done = at(".setup", name);
  const stale = force || targets.some((t) => !existsSync(at(t))) || sources.some((s) => newest(at(s)) > modified(done));
  if (!stale) return;
  build();
  mkdirSync(at(".setup"), { recursive: true });
  writeFileSync(done, "");
}

/** What builds the docs site. */
export function setupDocs() {
  const folder = "scripts/docs";
  // typedoc asks for TypeScript, which the checkout has.
  const options = ["--prefix", folder, "--no-package-lock", "--legacy-peer-deps"];
  stamp("docs", [`${folder}/package.json`], [`${folder}/node_modules`], false, () =>
    npm("installing what builds the docs", ["install", ...options]),
  );
}

/** What only the tests need: other runtimes, from npm, and a browser. */
function setupTests() {
  const folder = "test/runtimes";
  stamp("runtimes", [`${folder}/package.json`], [`${folder}/node_modules`], false, () =>
    npm("installing runtimes for the tests", ["install", "--prefix", folder, "--no-package-lock"], {
      ONNXRUNTIME_NODE_INSTALL: "skip", // the package holds what a CPU needs; its script downloads libraries for GPUs
    }),
  );
  setupDocs();
  setupSystem("CHROMIUM", "/usr/bin/chromium", "chromium", "run models in Chromium");
  setupSystem("REDIS_SERVER", "/usr/bin/redis-server", "redis-server", "run a cluster on a Redis server");
}

let isListed = false;

/** A program that the tests start: Debian's, or the one that the variable names. */
function setupSystem(variable, usual, name, what) {
  const path = process.env[variable] ?? usual;
  if (existsSync(path)) return;
  if (process.env[variable]) throw new Error(`${variable} is ${path}, but there is no such file.`);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new Error(
      `The tests ${what}, and there is no ${path}. Install it (Debian: sudo apt-get install ${name}), or set ${variable} to its path.`,
    );
  }
  if (!isListed) run("updating package lists", "apt-get", ["update"]);
  isListed = true;
  const options = ["install", "--yes", "--no-install-recommends", name];
  // A server that its package starts by itself is not wanted.
  run(`installing ${name}`, "apt-get", options, { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" });
}

/** `page`: builds web/ too, which nothing but the page itself needs. */
export function setup({ force = false, page = false } = {}) {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20) throw new Error(`loewner needs Node 20 or newer; this is ${process.version}.`);
  stamp("install", ["package-lock.json"], ["node_modules"], false, () =>
    npm("installing dependencies", ["ci", "--ignore-scripts"]),
  );
  const wasmText = "src/kernel/wasm.generated.ts";
  stamp("wasm", ["assembly", "asconfig.json", "package-lock.json", "scripts/setup.mjs"], [wasmText], force, () => {
    mkdirSync(at("build"), { recursive: true });
    node("building kernel.wasm", "assemblyscript/bin/asc.js", "--target", "release");
    // Hexadecimal is longer than base64 and shorter once compressed, 20 kB instead of 25: bytes keep their bounds.
    const hex = readFileSync(at("build/kernel.wasm")).toString("hex");
    writeFileSync(
      at(wasmText),
      `// Made from assembly/ by scripts/setup.mjs.\nexport const kernelHex =\n  "${hex}";\n`,
    );
  });
  const sources = ["src", "tsconfig.json", "package.json", "scripts/bundle.mjs", "scripts/licenses.mjs"];
  stamp("dist", sources, ["dist/index.js", "build/lib/index.js"], force, () => {
    for (const folder of ["dist", "build/lib"]) rmSync(at(folder), { recursive: true, force: true });
    node("building dist/", "typescript/bin/tsc", "-p", "tsconfig.json");
    run("bundling dist/", process.execPath, [at("scripts/bundle.mjs")]);
    if (existsSync(at("dist/cli/main.js"))) chmodSync(at("dist/cli/main.js"), 0o755);
  });
  if (!page) return;
  stamp("page", [...sources, "web", "scripts/setup.mjs"], ["dist/web/index.html"], force, () =>
    node("building dist/web/", "vite/bin/vite.js", "build", "web", "--logLevel", "warn"),
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    if (process.argv.includes("--tests")) setupTests();
    else setup({ force: process.argv.includes("--force"), page: process.argv.includes("--page") });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
