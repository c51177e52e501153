// dist/ from build/lib/, the modules as tsc leaves them: entry points, and in dist/chunks/ what they share. A module file costs
// Node about half a millisecond to find and read, and the library has a hundred.
//
//   node scripts/bundle.mjs
import { copyFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const lib = fileURLToPath(new URL("../build/lib/", import.meta.url));
const dist = fileURLToPath(new URL("../dist/", import.meta.url));

/** What package.json names. */
const entries = ["index", "formats/index", "model/index", "node", "cli/main"];
/** Modules that look for these beside themselves end up in chunks/, as deep as they were before. */
const workers = {
  "chunks/node-worker": "engine/threads/node-worker",
  "chunks/web-worker": "engine/threads/web-worker",
};
const page = { "chunks/inspect-page.js": "cli/inspect-page.js" };

/** Without the first two there would be a chunk for each set of entry points that share a module; ONNX brings protobuf. */
const groups = {
  base: /^(errors|matrix|options|codes|code-levels)\.js$/,
  core: /^(loewner|low-rank)\.js$|^(kernel|engine|geometry|low-rank)\/(?!threads\/(node|web)-worker|threads\/node-spawn)/,
  onnx: /^(formats|model)\/onnx\/(?!location|node-|types)/,
};

const bundle = await rolldown({
  input: {
    ...Object.fromEntries(entries.map((name) => [name, join(lib, `${name}.js`)])),
    ...Object.fromEntries(Object.entries(workers).map(([to, from]) => [to, join(lib, `${from}.js`)])),
  },
  // Packages stay packages.
  external: (id) => !/^[./]|^[A-Za-z]:/.test(id),
  platform: "neutral",
});
await bundle.write({
  dir: dist,
  format: "es",
  entryFileNames: "[name].js",
  chunkFileNames: "chunks/[name].js",
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: Object.entries(groups).map(([name, files]) => ({
      name,
      test: (id) => files.test(relative(lib, id).replaceAll("\\", "/")),
    })),
  },
});
await bundle.close();
// Read as text by inspect --html, imported by nobody.
for (const [to, from] of Object.entries(page)) copyFileSync(join(lib, from), join(dist, to));
