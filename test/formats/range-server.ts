// A server of A.npy, and what else it is given, that answers range requests as RFC 9110 says, with faults on demand.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export class RangeServer {
  bytes: Uint8Array = new Uint8Array();
  /** More files, by their paths. */
  readonly others: Record<string, Uint8Array> = {};
  etag: string | undefined = '"1"';
  modified: string | undefined;
  /** What each request asked for: "GET bytes=0-0". */
  readonly requests: string[] = [];
  /** Takes a request in place of the server; true when it has answered. */
  instead: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** Bytes after which the body of the next answers is cut, one entry a request. */
  cuts: (number | undefined)[] = [];

  private readonly server: Server = createServer((request, response) => this.answer(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/A.npy`;
  }

  /** A status and nothing else for the next `times` requests. */
  failing(status: number, times: number, headers: Record<string, string> = {}): void {
    this.instead = (_request, response) => {
      if (times-- <= 0) return false;
      response.writeHead(status, headers).end();
      return true;
    };
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { range } = request.headers;
    this.requests.push(`${request.method} ${range ?? "all"}`);
    if (this.instead(request, response)) return;
    const path = new URL(request.url!, this.url).pathname;
    const bytes = path === "/A.npy" ? this.bytes : this.others[decodeURIComponent(path)];
    if (!bytes) return void response.writeHead(404).end();
    const { etag, modified } = this;
    const headers = { ...(etag && { ETag: etag }), ...(modified && { "Last-Modified": modified }) };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (from === undefined) {
      response.writeHead(200, { ...headers, "Content-Length": bytes.length });
      return void response.end(request.method === "HEAD" ? undefined : bytes);
    }
    const [start, end] = [Number(from), Math.min(bytes.length, Number(to) + 1)];
    if (start >= bytes.length) {
      response.writeHead(416, { ...headers, "Content-Range": `bytes */${bytes.length}` });
      return void response.end();
    }
    const body = bytes.subarray(start, end);
    response.writeHead(206, {
      ...headers,
      "Content-Range": `bytes ${start}-${end - 1}/${bytes.length}`,
      "Content-Length": body.length,
    });
    const cut = this.cuts.shift();
    if (cut === undefined) return void response.end(body);
    response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  }
}
