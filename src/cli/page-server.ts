// The page's own files over HTTP, to this machine alone.
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { contains } from "../node/files/inner-path.js";

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

/** A browser on this machine sends a short request at once; whoever does not keeps a connection from others. */
const patience = {
  maxHeaderSize: 8192,
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
};
const mostConnections = 100;
/** Of a connection on which nothing moves, such as a download that nobody takes. */
const idleMs = 60_000;

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
 *
 * Files whose names begin with a dot, and links that lead out of the folder, are not there. A connection has ten seconds for the head of
 * a request, and ends when nothing moves on it for a minute.
 */
export function pageServer(folder: string): Server {
  const server = createServer(patience, (request, response) => {
    answer(folder, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500, headers);
      response.end();
    });
  });
  server.maxConnections = mostConnections;
  server.timeout = idleMs;
  return server;
}

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, text: string, more = {}) => {
    const about = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...more };
    response.writeHead(status, { ...headers, ...about, connection: "close" }).end(`${text}\n`);
  };
  if (!isLocal(request.headers.host)) return refuse(421, "This server answers to localhost and 127.0.0.1 alone.");
  if (request.method !== "GET" && request.method !== "HEAD")
    return refuse(405, "Only GET and HEAD are answered.", { allow: "GET, HEAD" });
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
  // Closes the file also when whoever asked for it goes away.
  await pipeline(createReadStream(found.path), response).catch(() => response.destroy());
}

function isLocal(host = ""): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
}

/** Decoded, without query; undefined for what is no plain path downwards, or has a name that begins with a dot. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.replace(/[?#].*$/s, ""));
    if (!path.startsWith("/") || /[\\\0]|\/\./.test(path)) return undefined;
    return path.endsWith("/") ? `${path}index.html` : path;
  } catch {
    return undefined;
  }
}

async function find(folder: string, path: string): Promise<{ path: string; size: number } | undefined> {
  const places = [{ root: folder, name: path }];
  const runtime = /^\/ort\/(\w[\w.-]*\.(?:mjs|wasm))$/.exec(path);
  if (runtime) {
    const installed = runtimeFolder();
    if (installed !== undefined) places.push({ root: installed, name: runtime[1] });
  }
  for (const { root, name } of places) {
    try {
      const real = await realpath(join(root, name));
      const facts = await stat(real);
      if (facts.isFile() && contains(await realpath(root), real)) return { path: real, size: facts.size };
    } catch {
      continue; // no such file
    }
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
