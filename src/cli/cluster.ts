// What a cluster is doing.
import type { Command } from "commander";
import { addRedis, redisAddress } from "./options.js";
import { print, printJson } from "./output.js";
import { megabytes, table } from "./text.js";

interface Options {
  redis?: string;
  json?: boolean;
  prometheus?: boolean;
}

export function addCluster(program: Command): void {
  const command = program.command("cluster").description("what the workers of a cluster are doing, and have done");
  addRedis(command)
    .option("--json", "print one JSON document")
    .option("--prometheus", "print counters as Prometheus reads them")
    .action(show);
}

async function show({ redis, json, prometheus }: Options): Promise<void> {
  const { clusterMetrics, clusterStatus } = await import("../cluster/index.js");
  const status = await clusterStatus({ redis: redisAddress(redis) });
  if (json) return printJson(status);
  if (prometheus) return print(clusterMetrics(status).trimEnd().split("\n"));
  const { workers, layers, shares, totals } = status;
  const rows = workers.map((worker) => [
    worker.name,
    String(worker.threads),
    String(worker.layers),
    String(worker.shares),
    String(worker.rowsPerSecond),
    `${megabytes(worker.bytesPerSecond)}/s`,
    String(worker.counters.takenOver),
    worker.release,
  ]);
  const head = ["worker", "threads", "layers", "shares", "rows/s", "bytes", "taken over", "release"];
  const queue = (name: string, { waiting, active, delayed, failed }: typeof layers) => [
    ...[name, String(waiting), String(active), String(delayed), String(failed)],
  ];
  print(
    [
      workers.length
        ? table([head, ...rows], [0, 7])
        : "No worker is there: loewner worker --redis URL --storage FOLDER",
      "",
      table([["jobs", "waiting", "active", "delayed", "failed"], queue("layers", layers), queue("shares", shares)]),
      "",
      `${totals.rows} rows in ${totals.sweeps} sweeps, ${totals.calls} whole calls, ${megabytes(totals.bytesRead)} read, ${megabytes(totals.bytesSent)} sent, ${totals.takenOver} taken over, ${totals.failures} failed`,
    ].flat(),
  );
}
