// The worker's script in Node, Deno and Bun.
import { parentPort, workerData } from "node:worker_threads";
import { serve, type WorkerOptions } from "../engine/threads/serve.js";
import { callServer } from "./call-server.js";

const port = parentPort!;
serve(
  {
    send: (report, transfer = []) => port.postMessage(report, transfer),
    listen: (take) => port.on("message", take),
  },
  workerData as WorkerOptions,
  callServer(),
);
