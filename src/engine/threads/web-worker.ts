// The worker's script in a page.
import { serve, type WorkerOptions } from "./serve.js";
import type { Order } from "./protocol.js";

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
  );
