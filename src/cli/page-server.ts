// The page's own files over HTTP, to this machine alone.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join, sep } from "node:path";

/** Nothing from elsewhere, nothing inline, no eval but WebAssembly. */
export const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join("; ");

const headers = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * A server, not listening yet. It answers GET and HEAD for files below `folder`, when asked for by a name of this machine: a page
 * elsewhere whose name was made to lead here (DNS rebinding) is refused. Of onnxruntime-web, below /ort/, it has what is installed.
 */
export function pageServer(folder: string): Server {
  return createServer((request, response) => {
    answer(folder, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500, headers);
      response.end();
    });
  });
}

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, text: string) =>
    void response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
  if (!isLocal(request.headers.host)) return refuse(421, "This server answers to localhost and 127.0.0.1 alone.");
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "Only GET and HEAD are answered.");
  const path = pathOf(request.url ?? "/");
  const found = path === undefined ? undefined : await find(folder, path);
  if (!found) return refuse(404, "There is no such file.");
  const type = types[extname(found.path)] ?? "application/octet-stream";
  const hashed = path!.startsWith("/assets/");
  response.writeHead(200, {
    ...headers,
    "content-type": type,
    "content-length": found.size,
    // Names in assets/ change with their contents.
    "cache-control": hashed ? "public, max-age=31536000, immutable" : "no-cache",
  });
  if (request.method === "HEAD") return void response.end();
  createReadStream(found.path)
    .on("error", () => response.destroy())
    .pipe(response);
}

function isLocal(host = ""): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
}

/** Decoded, without query; undefined for what is no plain path downwards. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.replace(/[?#].*$/s, ""));
    if (!path.startsWith("/") || /[\\\0]|(^|\/)\.\.?(\/|$)/.test(path)) return undefined;
    return path.endsWith("/") ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}

async function find(folder: string, path: string): Promise<{ path: string; size: number } | undefined> {
  const places = [join(folder, path)];
  const runtime = /^\/ort\/([\w.-]+\.(?:mjs|wasm))$/.exec(path);
  if (runtime) {
    const installed = runtimeFolder();
    if (installed !== undefined) places.push(join(installed, runtime[1]));
  }
  for (const place of places) {
    const facts = await stat(place).catch(() => undefined);
    if (facts?.isFile()) return { path: place, size: facts.size };
  }
  return undefined;
}

/** Beside this package, or in the current folder's node_modules. */
function runtimeFolder(): string | undefined {
  for (const from of [import.meta.url, `${process.cwd()}${sep}package.json`]) {
    try {
      return dirname(createRequire(from).resolve("onnxruntime-web"));
    } catch {
      continue;
    }
  }
  return undefined;
}
