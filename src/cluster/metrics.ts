// Counters as Prometheus reads them (text format 0.0.4).
import type { Counters, WorkerState } from "./messages.js";
import type { ClusterStatus } from "./status.js";

const counters: Record<keyof Counters, [name: string, help: string]> = {
  rows: ["rows_total", "Rows swept"],
  bytesRead: ["read_bytes_total", "Bytes read from storage"],
  bytesSent: ["sent_bytes_total", "Bytes of results sent"],
  sweeps: ["sweeps_total", "Sweeps over a share"],
  calls: ["calls_total", "Whole calls"],
  claims: ["claims_total", "Shares and layers claimed"],
  takenOver: ["taken_over_total", "Claims that another worker had lost"],
  failures: ["failures_total", "Claims that failed here"],
};

const line = (name: string, labels: string, value: number) => `loewner_${name}${labels} ${value}\n`;
const head = (name: string, type: string, help: string) =>
  `# HELP loewner_${name} ${help}.\n# TYPE loewner_${name} ${type}\n`;
const quoted = (text: string) => text.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));

function counted(of: Counters, labels: string): string {
  return Object.entries(counters)
    .map(([key, [name, help]]) => head(name, "counter", help) + line(name, labels, of[key as keyof Counters]))
    .join("");
}

/** Of one worker. */
export function workerMetrics(state: WorkerState): string {
  const labels = `{worker="${quoted(state.name)}"}`;
  return (
    counted(state.counters, labels) +
    head("held", "gauge", "Layers and shares held now") +
    line("held", `{worker="${quoted(state.name)}",kind="layer"}`, state.layers) +
    line("held", `{worker="${quoted(state.name)}",kind="share"}`, state.shares) +
    head("rows_per_second", "gauge", "Rows swept, over the last seconds") +
    line("rows_per_second", labels, state.rowsPerSecond)
  );
}

/** Of the whole cluster. */
export function clusterMetrics({ workers, layers, shares, matrices, totals }: ClusterStatus): string {
  const queues = { layers, shares };
  const jobs = Object.entries(queues).flatMap(([queue, counts]) =>
    Object.entries(counts).map(([state, count]) => line("jobs", `{queue="${queue}",state="${state}"}`, count)),
  );
  return (
    counted(totals, "") +
    head("workers", "gauge", "Workers that are there") +
    line("workers", "", workers.length) +
    head("threads", "gauge", "Threads of all workers") +
    line(
      "threads",
      "",
      workers.reduce((sum, { threads }) => sum + threads, 0),
    ) +
    head("matrices", "gauge", "Matrices that are open") +
    line("matrices", "", matrices) +
    head("jobs", "gauge", "Jobs by queue and state") +
    jobs.join("")
  );
}
