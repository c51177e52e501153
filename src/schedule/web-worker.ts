// The worker's script in a page.
import type { Order } from "../engine/threads/protocol.js";
import { serve, type WorkerOptions } from "../engine/threads/serve.js";
import { callServer } from "./call-server.js";

interface Scope {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

const scope = globalThis as unknown as Scope;

// The first message says how; the orders follow.
scope.onmessage = ({ data }: MessageEvent<WorkerOptions>) =>
  serve(
    {
      send: (report, transfer = []) => scope.postMessage(report, transfer),
      listen: (take) => (scope.onmessage = (event: MessageEvent<Order>) => take(event.data)),
    },
    data,
    callServer(),
  );
