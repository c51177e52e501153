// dist/ from build/lib/, the modules as tsc leaves them: entry points, and in dist/chunks/ what they share. A module file costs
// Node about half a millisecond to find and read, and the library has a hundred.
//
//   node scripts/bundle.mjs [--source-maps]
//
// The maps, which only coverage.mjs wants, go to build/maps/: what npm packs is the same with and without.
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { kernelLibrary, licensesOf, titleOf } from "./licenses.mjs";

const lib = fileURLToPath(new URL("../build/lib/", import.meta.url));
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const kernel = fileURLToPath(new URL("../build/kernel.wasm", import.meta.url));

/** What package.json names. */
const entries = ["index", "workerd", "formats/index", "model/index", "node", "cluster/index", "cli/main"];
const modules = readdirSync(lib, { recursive: true }).map((path) => path.replaceAll("\\", "/"));
const named = (file) => modules.find((path) => path.endsWith(`/${file}`));

// Modules that look for workers' scripts beside themselves end up in chunks/, as deep as they were before. A page's worker is one file with
// every method: Vite builds no other unless it is told to.
/** A script that is read as text by inspect --html, and imported by nobody: it goes beside uPlot, with which it is put into the page. */
const page = "inspect-page.js";
const chart = "uplot";

/**
 * A page without a bundler resolves no package: those that the library, formats and models need are in dist/. By the chunk that they
 * are in; all of their licenses ask to be named.
 */
const packages = { core: "@assemblyscript/loader", picomatch: "picomatch", protobuf: "@bufbuild/protobuf" };
const isBundled = (id) => Object.values(packages).some((name) => id === name || id.startsWith(`${name}/`));

/**
 * Without the first two there would be a chunk for each set of entry points that share a module; ONNX brings protobuf. What a command
 * needs for its options comes without the work itself. What names the workers' scripts is beside the kernel's text, which no worker
 * loads: see worker-script.ts.
 */
const groups = {
  base: /^(index|errors|matrix|options|codes|code-levels|half|option-names|nearest)\.js$/,
  onnx: /^(formats|model)\/onnx\/(?!location|http-|types)/,
  // What the command line says of scores, without what makes them.
  scores: /^model\/evaluate\/(pooling|curve-methods)\.js$/,
  calibrate: /^model\/calibrate\//,
  protobuf: /@bufbuild\/protobuf/,
  picomatch: /node_modules\/picomatch\//,
  kernel: /^(create|schedule\/worker-script|kernel\/(inlined|wasm\.generated))\.js$/,
  // Methods, each with the operations that it sweeps with: loaded when one of them is called.
  "method-low-rank":
    /^(low-rank\b|schedule\/(primitives\/low-rank|low-rank-needs)|geometry\/(lewis\/(?!check)|ellipsoid\/|entrywise\/work|subspace\/(row-groups|starts)|codes\/decoded-rows))/,
  "method-codes":
    /^(geometry\/codes|schedule\/primitives\/codes|engine\/operations\/(codes|quantise|transform|trellis|levels)\b)/,
  "method-coresets":
    /^(schedule\/primitives\/coresets|engine\/operations\/coreset|geometry\/coreset\/(?!check|stream|far-weights))/,
  "method-level-set": /^(schedule\/primitives\/ellipsoids|geometry\/level-set\/|engine\/operations\/level-set)/,
  "method-entrywise": /^(geometry\/entrywise\/|engine\/operations\/entrywise)/,
  "method-clusters": /^geometry\/subspace\/cluster/,
  "method-robust": /^(geometry\/subspace\/|engine\/operations\/subspace|schedule\/primitives\/robust)/,
  // Dense steps that threads share.
  "method-threads": /^engine\/threads\/(thread-(dense|eigen|reduction)|team|share-steps|eigen-share)\.js$/,
  worker: /^(engine\/threads\/(serve|worker-rows)|schedule\/call-server)\.js$/,
  core: /^(?!(formats|model|node|cli|cluster)\/|(node|workerd)\.js|.*(node|web)-worker\.js|.*node-spawn\.js)/,
};

/** Whose work is in a chunk, and where Deno finds an entry's types. */
function head({ name, isEntry }) {
  const inside = packages[name === "chunks/web-worker" ? "core" : name];
  if (inside) return `// With ${titleOf(factsOf(inside))}: see LICENSES.txt.`;
  return isEntry && entries.includes(name) && name !== "cli/main"
    ? `/* @ts-self-types="./${basename(name)}.d.ts" */`
    : "";
}

const fileOf = (name, file) => new URL(`../node_modules/${name}/${file}`, import.meta.url);

const factsOf = (name) => JSON.parse(readFileSync(fileOf(name, "package.json"), "utf8"));

const withMaps = process.argv.includes("--source-maps");

/** tsc's own maps, from build/mapped/: the modules in build/lib/ do not name any. */
const sources = {
  name: "sources",
  load(id) {
    const file = join(lib, "../mapped", `${relative(lib, id)}.map`);
    return existsSync(file) ? { code: readFileSync(id, "utf8"), map: readFileSync(file, "utf8") } : undefined;
  },
};

/** Files of dist/ from entry points, which are modules of build/lib/ by the name of what is made of them. */
async function bundled(input, codeSplitting) {
  const bundle = await rolldown({
    plugins: withMaps ? [sources] : [],
    input: Object.fromEntries(Object.entries(input).map(([name, file]) => [name, join(lib, file)])),
    // Other packages stay packages.
    external: (id) => !isBundled(id) && (!/^[./]|^[A-Za-z]:/.test(id) || id.endsWith(".wasm")),
    platform: "neutral",
  });
  const { output } = await bundle.write({
    dir: dist,
    format: "es",
    sourcemap: withMaps && "hidden",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    banner: head,
    codeSplitting,
  });
  await bundle.close();
  return output;
}

const output = await bundled(
  { ...Object.fromEntries(entries.map((name) => [name, `${name}.js`])), "chunks/node-worker": named("node-worker.js") },
  {
    includeDependenciesRecursively: false,
    groups: Object.entries(groups).map(([name, files]) => ({
      name,
      test: (id) => files.test(id.startsWith(lib) ? relative(lib, id).replaceAll("\\", "/") : id),
    })),
  },
);
output.push(...(await bundled({ "chunks/web-worker": named("web-worker.js") }, false)));
for (const { fileName } of output.filter(({ fileName }) => fileName.endsWith(".map"))) {
  const to = join(lib, "../maps", fileName);
  mkdirSync(dirname(to), { recursive: true });
  renameSync(join(dist, fileName), to);
}
copyFileSync(join(lib, named(page)), join(dist, "chunks", page));
// Every copy of the page has uPlot's license in it, and no address, which uPlot's first comment is.
const chartScript = readFileSync(fileOf(chart, "dist/uPlot.iife.min.js"), "utf8").replace(/^\s*\/\*![^]*?\*\/\s*/, "");
const chartLicense = readFileSync(fileOf(chart, "LICENSE"), "utf8").trim();
writeFileSync(join(dist, "chunks/uplot.js"), `/* uPlot. ${chartLicense} */\n${chartScript}`);
copyFileSync(fileOf(chart, "dist/uPlot.min.css"), join(dist, "chunks/uplot.css"));
copyFileSync(kernel, join(dist, "kernel.wasm"));
// As src/wasm.d.ts has it for every such file, which a package must not do.
const kernelTypes = "declare const kernel: WebAssembly.Module;\nexport default kernel;\n";
writeFileSync(join(dist, "kernel.wasm.d.ts"), kernelTypes);
const modulesIn = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
writeFileSync(
  join(dist, "LICENSES.txt"),
  licensesOf([...modulesIn, kernelLibrary, fileURLToPath(fileOf(chart, "dist/uPlot.iife.min.js"))]),
);
