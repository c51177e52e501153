// What every command shares: the library instance, progress, output, interruption.
import type { SingleBar } from "cli-progress";
import { createLoewner } from "../create.js";
import type { ReadLimits } from "../formats/limits.js";
import { infinityAsText } from "../model/json.js";
import { removeTemporaryFiles } from "../formats/node-file.js";
import type { Loewner, Progress } from "../types/index.js";
import { printable } from "./text.js";

/** Rows that each thread keeps: a model's largest table may be of any size, and the file is read again at little cost. */
const residentBytes = 64 << 20;

export interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  /** Models by hub address are taken from the cache alone. */
  offline?: boolean;
  threads?: number | "auto";
  /** Bytes that the library may hold. */
  memory?: number;
  /** Of --limit. */
  limit?: Partial<ReadLimits>;
}

/** One run of a command. */
export class Context {
  readonly abort = new AbortController();
  private bar: SingleBar | undefined;
  private Bar: typeof SingleBar | undefined;

  constructor(readonly options: CommonOptions) {}

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** What may be read of files. */
  get limits(): Partial<ReadLimits> | undefined {
    return this.options.limit;
  }

  /** A line for people: on stdout, unless --json or --quiet. */
  say(text: string): void {
    if (!this.options.json && !this.options.quiet) process.stdout.write(`${printable(text)}\n`);
  }

  /** The answer for programs: with --json the only thing on stdout. */
  json(value: unknown): void {
    if (this.options.json) process.stdout.write(`${JSON.stringify(value, infinityAsText, 2)}\n`);
  }

  /** Loads what draws the bar, when stderr is a terminal and nobody asked for quiet. */
  async openProgress(): Promise<void> {
    if (!process.stderr.isTTY || this.options.quiet || this.options.json) return;
    this.Bar = (await import("cli-progress")).default.SingleBar;
  }

  /** A progress bar on stderr, once it was opened. */
  progress = (progress: Progress & { layer?: string }): void => {
    if (!this.Bar) return;
    const label = printable(progress.layer ? `${progress.layer}: ${progress.stage}` : progress.stage);
    // Layers are worked on side by side: one bar for all of them, another for other work.
    if (!this.bar || progress.total !== this.bar.getTotal()) {
      this.bar?.stop();
      this.bar = new this.Bar({
        format: "{bar} {percentage} % | {eta} s left | {label}",
        barsize: 24,
        clearOnComplete: true,
        hideCursor: true,
      });
      this.bar.start(progress.total, progress.done, { label });
    }
    this.bar.update(progress.done, { label: label.slice(0, Math.max(10, (process.stderr.columns ?? 80) - 50)) });
    if (progress.done >= progress.total) this.endProgress();
  };

  endProgress(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  async withLoewner<T>(body: (loewner: Loewner) => Promise<T>): Promise<T> {
    const { threads = "auto", memory } = this.options;
    const loewner = await createLoewner({ threads, memory, residentBytes });
    try {
      return await body(loewner);
    } finally {
      loewner.dispose();
    }
  }
}

/** Runs a command's body; SIGINT and SIGTERM stop it, remove temporary files, and exit with 130 or 143. */
export async function runCommand(options: CommonOptions, body: (context: Context) => Promise<void>): Promise<void> {
  const context = new Context(options);
  const stop = (code: number) => () => {
    context.abort.abort();
    context.endProgress();
    removeTemporaryFiles();
    process.stderr.write("loewner: interrupted; no unfinished file is left.\n");
    process.exit(code);
  };
  const handlers = { SIGINT: stop(130), SIGTERM: stop(143) };
  for (const [signal, handler] of Object.entries(handlers)) process.once(signal, handler);
  try {
    await context.openProgress();
    await body(context);
  } finally {
    context.endProgress();
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  }
}
