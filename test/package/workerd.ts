// workerd, the runtime of Cloudflare Workers, with one worker: bundled as wrangler does it, served on a port that is free.
import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { loadTool, tool } from "./packed.js";

interface Esbuild {
  build(options: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** wrangler's conditions, and what it does with WebAssembly: a file beside the bundle, imported as a compiled module. */
async function bundleForWorkerd(entry: string, outdir: string): Promise<void> {
  const { build } = await loadTool<Esbuild>("esbuild");
  await build({
    entryPoints: { worker: entry },
    outdir,
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker", "browser"],
    loader: { ".wasm": "copy" },
    external: ["node:*"],
    logLevel: "error",
  });
}

export interface Served {
  url: string;
  /** Ends this process. */
  stop(): void;
}

/**
 * @param entry the worker's module, which imports loewner
 * @param outdir an empty folder for the bundle
 */
export async function serveInWorkerd(entry: string, outdir: string): Promise<Served> {
  await bundleForWorkerd(entry, outdir);
  const modules = readdirSync(outdir)
    .sort((a, b) => Number(b === "worker.js") - Number(a === "worker.js")) // the first is the entry
    .map((file) => `(name = "./${file}", ${file.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${file}")`);
  const config = join(outdir, "config.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${modules.join(", ")}], compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  // File 3 is where workerd says which port it got.
  const args = ["serve", config, "--control-fd=3"];
  const workerd = spawn(tool(".bin/workerd"), args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let said = "";
  workerd.stderr!.on("data", (text) => (said += text));
  const port = await new Promise<number>((resolve, reject) => {
    workerd.on("exit", (code) => reject(new Error(`workerd ended with code ${code}: ${said}`)));
    (workerd.stdio[3] as Readable).on("data", (line) => resolve(JSON.parse(String(line)).port));
  });
  return { url: `http://127.0.0.1:${port}/`, stop: () => workerd.kill() };
}
