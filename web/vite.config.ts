// The page as static files in dist/web/: relative addresses, so that any host and any folder will do.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { kernelLibrary, licensesOf } from "../scripts/licenses.mjs";

const root = fileURLToPath(new URL("./", import.meta.url));
const lib = fileURLToPath(new URL("../build/lib/", import.meta.url));
const out = fileURLToPath(new URL("../dist/web/", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8")) as { version: string };

/** The service worker, which knows the name of every file of the page, and a name of its own for their contents. */
function offline(): Plugin {
  const source = "service-worker.js";
  return {
    name: "offline",
    apply: "build",
    generateBundle(_, bundle) {
      const hash = createHash("sha256");
      const names = Object.keys(bundle).sort();
      for (const name of names) {
        const file = bundle[name];
        hash.update(name).update(file.type === "chunk" ? file.code : file.source);
      }
      // Pages, which are made after this, are asked for by their folders.
      const files = JSON.stringify(["./", "picture/", ...names.filter((name) => !name.endsWith(".html")), "icon.svg"]);
      const text = readFileSync(join(root, source), "utf8")
        .replace('"__FILES__"', files)
        .replace("__VERSION__", hash.digest("hex").slice(0, 16));
      this.emitFile({ type: "asset", fileName: source, source: text });
    },
  };
}

/** What is in the scripts, those of workers too, which are built before the page's own. */
const modules = new Set<string>();

function noteModules(): Plugin {
  return {
    name: "note-modules",
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle))
        for (const id of file.type === "chunk" ? file.moduleIds : []) modules.add(id);
    },
  };
}

/** Their licenses, all of which ask to come along. */
function licenses(): Plugin {
  return {
    name: "licenses",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "LICENSES.txt", source: licensesOf([...modules, kernelLibrary]) });
    },
  };
}

/** onnxruntime-web beside the page, which loads it when a model is to be run; it is too large for the package. */
function runtime(): Plugin {
  return {
    name: "onnxruntime-web",
    apply: "build",
    closeBundle() {
      const from = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
      mkdirSync(join(out, "ort"), { recursive: true });
      for (const name of ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]) {
        if (existsSync(join(from, name))) cpSync(join(from, name), join(out, "ort", name));
      }
    },
  };
}

export default defineConfig({
  root,
  base: "./",
  define: { __VERSION__: JSON.stringify(version) },
  resolve: {
    // The modules as tsc leaves them: scripts of workers are found beside them.
    alias: [
      { find: /^loewner$/, replacement: join(lib, "index.js") },
      { find: /^loewner\/(model|formats)$/, replacement: join(lib, "$1/index.js") },
      { find: /^loewner\/(.+\.js)$/, replacement: join(lib, "$1") },
    ],
  },
  build: {
    outDir: out,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // The picture has an address of its own, too.
    rolldownOptions: { input: { index: join(root, "index.html"), picture: join(root, "picture/index.html") } },
  },
  worker: { format: "es", plugins: () => [noteModules()] },
  plugins: [noteModules(), licenses(), offline(), runtime()],
});
