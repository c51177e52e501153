// A worker of a cluster, in this process.
import { createServer, type Server } from "node:http";
import { InvalidArgumentError, type Command } from "commander";
import { FileError } from "../errors.js";
import { codeOf } from "../node/files/faults.js";
import { addRedis, collect, parseBytes, parseNumber, parsePort, parseThreads, redisAddress } from "./options.js";
import { note } from "./output.js";

interface Options {
  redis?: string;
  storage?: string[];
  threads: number | "auto";
  memory?: number;
  lease?: number;
  name?: string;
  metrics?: number;
  quiet?: boolean;
}

export function addWorker(program: Command): void {
  const command = program
    .command("worker")
    .description("a worker of a cluster: computes what commands with --redis ask for, until it is told to end");
  addRedis(command)
    .option(
      "--storage <place>",
      'folder, or http address that ends in "/": what lies below may be read, nothing else (may be given more than once; default: this folder)',
      collect,
    )
    .option("--threads <n>", "threads, each for a layer or a share of rows, or auto: one a core", parseThreads, "auto")
    .option("--memory <size>", "rows kept between sweeps, such as 8GB (default: 1 GiB a thread)", parseBytes)
    .option("--lease <seconds>", "silence after which others take over what it holds (default: 30)", parseLease)
    .option("--name <text>", "how it is called (default: host and process number)")
    .option("--metrics <port>", "counters for Prometheus at http://127.0.0.1:<port>/metrics", parsePort(1))
    .option("--quiet", "print nothing but errors")
    .addHelpText("after", "\nExample:\n  loewner worker --redis redis://10.0.0.5:6379 --storage /mnt/models")
    .action(work);
}

async function work(options: Options): Promise<void> {
  const { storage = ["."], threads, memory: residentBytes, lease, name, metrics, quiet } = options;
  const say = (text: string) => void (quiet || note(`${new Date().toISOString()} ${text}`));
  const { startClusterWorker, workerMetrics } = await import("../cluster/index.js");
  const worker = await startClusterWorker({
    redis: redisAddress(options.redis),
    storage,
    threads,
    residentBytes,
    name,
    onEvent: say,
    leaseMs: lease === undefined ? undefined : 1000 * lease,
  });
  let server: Server | undefined;
  let asked = 0;
  const end = () => {
    if (++asked > 1) process.exit(1);
    say("ending: what it holds goes back to the queue");
    void worker.close();
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  try {
    server = metrics === undefined ? undefined : await serveMetrics(metrics, () => workerMetrics(worker.state));
    const { state } = worker;
    say(
      `${state.name}: ${state.threads} ${state.threads === 1 ? "thread" : "threads"}, reads below ${storage.join(", ")}`,
    );
    await worker.done;
    process.exit(0); // a queue's own timer would keep it for two seconds
  } catch (error) {
    await worker.close();
    throw error;
  } finally {
    server?.close();
    process.off("SIGINT", end);
    process.off("SIGTERM", end);
  }
}

async function serveMetrics(port: number, text: () => string): Promise<Server> {
  const server = createServer((request, response) => {
    const isThere = request.url === "/metrics" && request.method === "GET";
    response.writeHead(isThere ? 200 : 404, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(isThere ? text() : "The counters are at /metrics.\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new FileError(`Port ${port} cannot be used (${codeOf(cause)}); name another with --metrics.`, {}, { cause }),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  return server;
}

function parseLease(text: string): number {
  const seconds = parseNumber(text);
  if (!(seconds >= 1)) throw new InvalidArgumentError("a number of seconds of at least 1 was expected.");
  return seconds;
}
