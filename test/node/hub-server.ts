// A hub on this machine that speaks the protocol of huggingface.co as far as downloads need it, with faults on demand.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubRepository {
  /** Branch or tag -> commit. */
  refs: Record<string, string>;
  /** Commit -> path -> content. */
  commits: Record<string, Record<string, Uint8Array>>;
  /** Only this token may read it. */
  token?: string;
  gated?: boolean;
}

/** Files of this size and more are stored as LFS does: announced by SHA-256, served by another host. */
const LFS_FROM = 1000;
/** Entries on one page of the list of files. */
const PAGE = 3;

export class HubServer {
  repositories: Record<string, HubRepository> = {};
  /** "GET /path" of each request for bytes, with the range that was asked for. */
  downloads: { path: string; range?: string }[] = [];
  /** Requests to the API. */
  questions = 0;
  /** Requests with a token that reached the host of the files. */
  leakedTokens = 0;
  /** Path -> bytes after which the connection is cut; one entry for each request. */
  cuts = new Map<string, number[]>();
  /** Path -> what is sent in place of the content. */
  instead = new Map<string, Uint8Array>();
  /** Answer every range with the whole file. */
  ignoresRanges = false;
  /** Answer every question with this status. */
  broken: number | undefined;
  /** Called when a body is about to be sent. */
  beforeBody: (path: string) => void = () => undefined;

  private hub: Server = createServer((request, response) => this.answer(request, response));
  private files: Server = createServer((request, response) => this.serve(request, response));

  async start(): Promise<void> {
    for (const server of [this.hub, this.files])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    for (const server of [this.hub, this.files]) {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.hub.address() as AddressInfo).port}`;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.endpoint);
    const path = url.pathname.split("/").map(decodeURIComponent).join("/");
    const fail = (status: number, code?: string, error = code) => {
      response.writeHead(status, { "Content-Type": "application/json", ...(code && { "X-Error-Code": code }) });
      response.end(JSON.stringify({ error }));
    };
    if (this.broken) return fail(this.broken);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(url.pathname);
    const bytes = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const name = (api ?? bytes)?.[1] ?? "";
    const repository = this.repositories[name];
    const allowed = repository?.token === undefined || request.headers.authorization === `Bearer ${repository.token}`;
    if (request.headers.authorization === "Bearer expired") return fail(401, undefined, "Invalid credentials");
    if (!repository || (!allowed && !repository.gated))
      return fail(401, "RepoNotFound", "Invalid username or password.");
    if (!allowed) return fail(403, "GatedRepo");
    const revision = decodeURIComponent((api?.[3] ?? bytes?.[2])!);
    const commit = repository.refs[revision] ?? revision;
    const content = repository.commits[commit];
    if (!content) return fail(404, "RevisionNotFound");
    if (api) {
      this.questions++;
      response.setHeader("Content-Type", "application/json");
      if (api[2] === "revision") return void response.end(JSON.stringify({ _id: "1", id: name, sha: commit }));
      return this.list(url, content, response);
    }
    const file = content[bytes![3]];
    if (!file) return fail(404, "EntryNotFound");
    if (file.length < LFS_FROM) return this.send(bytes![3], file, request, response);
    response.writeHead(302, {
      Location: `http://127.0.0.1:${(this.files.address() as AddressInfo).port}/${name}/${commit}/${encodeURIComponent(bytes![3])}`,
      "X-Repo-Commit": commit,
      "X-Linked-Size": String(file.length),
      "X-Linked-ETag": `"${createHash("sha256").update(file).digest("hex")}"`,
    });
    response.end();
  }

  private list(url: URL, content: Record<string, Uint8Array>, response: ServerResponse): void {
    const entries = Object.entries(content).map(([path, file]) => {
      const lfs = { oid: createHash("sha256").update(file).digest("hex"), size: file.length, pointerSize: 134 };
      const oid = createHash("sha1").update(`blob ${file.length}\0`).update(file).digest("hex");
      const isLfs = file.length >= LFS_FROM;
      return { type: "file", path, size: file.length, oid: isLfs ? "f".repeat(40) : oid, ...(isLfs && { lfs }) };
    });
    const folders = new Set(Object.keys(content).flatMap((path) => (path.includes("/") ? [path.split("/")[0]] : [])));
    const all = [...[...folders].map((path) => ({ type: "directory", path, size: 0, oid: "d" })), ...entries];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    if (from + PAGE < all.length) {
      url.searchParams.set("cursor", String(from + PAGE));
      response.setHeader("Link", `<${url.href}>; rel="next"`);
    }
    response.end(JSON.stringify(all.slice(from, from + PAGE)));
  }

  /** The host of large files: its addresses are signed, no token is wanted there. */
  private serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization) this.leakedTokens++;
    const [, owner, repo, commit, name] = request.url!.split("/").map(decodeURIComponent);
    this.send(name, this.repositories[`${owner}/${repo}`].commits[commit][name], request, response);
  }

  private send(path: string, file: Uint8Array, request: IncomingMessage, response: ServerResponse): void {
    const { range } = request.headers;
    this.downloads.push({ path, ...(range && { range }) });
    const content = this.instead.get(path) ?? file;
    const [, from] = (this.ignoresRanges ? undefined : /^bytes=(\d+)-$/.exec(range ?? "")) ?? [];
    const start = Number(from ?? 0);
    const body = content.subarray(start);
    const etag = `"${createHash("sha1").update(content).digest("hex")}"`;
    response.writeHead(from === undefined ? 200 : 206, {
      "Content-Length": body.length,
      ETag: etag,
      "Accept-Ranges": "bytes",
      ...(from !== undefined && { "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    this.beforeBody(path);
    const cut = this.cuts.get(path)?.shift();
    if (cut === undefined || cut >= body.length) return void response.end(body);
    if (cut === 0) return void response.socket!.destroy();
    response.write(body.subarray(0, cut), () => setTimeout(() => response.socket?.destroy(), 20));
  }
}
