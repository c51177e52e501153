// dist/ from build/lib/, the modules as tsc leaves them: entry points, and in dist/chunks/ what they share. A module file costs
// Node about half a millisecond to find and read, and the library has a hundred.
//
//   node scripts/bundle.mjs
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const lib = fileURLToPath(new URL("../build/lib/", import.meta.url));
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const kernel = fileURLToPath(new URL("../build/kernel.wasm", import.meta.url));

/** What package.json names. */
const entries = ["index", "workerd", "formats/index", "model/index", "node", "cli/main"];
const modules = readdirSync(lib, { recursive: true }).map((path) => path.replaceAll("\\", "/"));
const named = (file) => modules.find((path) => path.endsWith(`/${file}`));

/** Modules that look for these beside themselves end up in chunks/, as deep as they were before. */
const workers = ["node-worker.js", "web-worker.js"];
/** A script that is read as text by inspect --html, and imported by nobody. */
const page = "inspect-page.js";

/** A page without a bundler resolves no package: this one, which the library cannot do without, is in dist/. */
const loader = "@assemblyscript/loader";
const { version, license } = JSON.parse(readFileSync(new URL("package.json", import.meta.resolve(loader)), "utf8"));

/** Without the first two there would be a chunk for each set of entry points that share a module; ONNX brings protobuf. */
const groups = {
  base: /^(index|errors|matrix|options|codes|code-levels|formats\/half)\.js$/,
  onnx: /^(formats|model)\/onnx\/(?!location|http-|node-|types)/,
  kernel: /^(create|kernel\/(inlined|wasm\.generated))\.js$/,
  core: /^(?!(formats|model|cli)\/|(node|workerd)\.js|.*(node|web)-worker\.js|.*node-spawn\.js)/,
};

/** What the text of a license must say, and where Deno finds an entry's types. */
function head({ name, isEntry }) {
  if (name === "core") return `// With parts of ${loader} ${version}, ${license}.`;
  return isEntry && entries.includes(name) && name !== "cli/main" ? `/* @ts-self-types="./${basename(name)}.d.ts" */` : "";
}

const bundle = await rolldown({
  input: {
    ...Object.fromEntries(entries.map((name) => [name, join(lib, `${name}.js`)])),
    ...Object.fromEntries(workers.map((file) => [`chunks/${file.slice(0, -3)}`, join(lib, named(file))])),
  },
  // Other packages stay packages.
  external: (id) => id !== loader && (!/^[./]|^[A-Za-z]:/.test(id) || id.endsWith(".wasm")),
  platform: "neutral",
});
await bundle.write({
  dir: dist,
  format: "es",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name].js",
  banner: head,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: Object.entries(groups).map(([name, files]) => ({
      name,
      test: (id) => files.test(id.startsWith(lib) ? relative(lib, id).replaceAll("\\", "/") : id),
    })),
  },
});
await bundle.close();
copyFileSync(join(lib, named(page)), join(dist, "chunks", page));
copyFileSync(kernel, join(dist, "kernel.wasm"));
// As src/wasm.d.ts has it for every such file, which a package must not do.
const kernelTypes = "declare const kernel: WebAssembly.Module;\nexport default kernel;\n";
writeFileSync(join(dist, "kernel.wasm.d.ts"), kernelTypes);
