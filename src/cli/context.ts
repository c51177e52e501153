// What every command shares: the library instance, progress, output, interruption.
import { setMaxListeners } from "node:events";
import { dirname } from "node:path";
import type { SingleBar } from "cli-progress";
import { createLoewner } from "../create.js";
import { InvalidInputError, isLoewnerError, printable } from "../errors.js";
import type { ReadLimits } from "../formats/limits.js";
import { checkTarget } from "../node/files/file.js";
import { progressText, TimeLeft } from "../model/time-left.js";
import { keepOriginals, realOf } from "../node/files/originals.js";
import { asidesIn } from "../node/files/publish.js";
import { removeTemporaryFiles } from "../node/files/temporary.js";
import type { Loewner, Progress } from "../types/index.js";
import { failureOf } from "./documents.js";
import { redisAddress } from "./options.js";
import { hasAnswered, note, print, printJson } from "./output.js";

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
  /** Address of a cluster's Redis; true: the one in the environment. */
  redis?: string | true;
  /** Folder from which on its workers know files. */
  storage?: string;
  /** Of --limit. */
  limit?: Partial<ReadLimits>;
}

/** One run of a command. */
export class Context {
  readonly abort = new AbortController();
  /** Called when the run is interrupted, at once; gives what there is to say of what stays. */
  onInterrupt: (() => string | undefined) | undefined;
  private bar: SingleBar | undefined;
  private Bar: typeof SingleBar | undefined;
  private time = new TimeLeft();

  constructor(readonly options: CommonOptions) {
    // Every call that runs listens: a model has many layers.
    setMaxListeners(0, this.signal);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** What may be read of files. */
  get limits(): Partial<ReadLimits> | undefined {
    return this.options.limit;
  }

  /** A line for people: on stdout, unless --json or --quiet. A line end in it is part of a name, and is escaped. */
  say(line: string): void {
    if (!this.options.json && !this.options.quiet) print(line);
  }

  /** Several lines, such as those of a table. */
  sayAll(lines: readonly string[]): void {
    for (const line of lines) this.say(line);
  }

  /**
   * The answer for programs: with --json the only thing on stdout.
   * @param failure that the command ends with all the same
   */
  json(value: object, failure?: Error): void {
    if (this.options.json) printJson(failure ? { ...value, error: failureOf(failure, failure.message) } : value);
  }

  /**
   * Before any work, and once every input is open: each output may be written, and none is another one or what was read. Whoever
   * writes checks once more.
   * @param own of the paths one that may be there all the same: what a run goes on from
   */
  async checkOutputs(paths: readonly string[], { force, own }: { force?: boolean; own?: string }): Promise<void> {
    if (paths.includes("-"))
      throw new InvalidInputError(
        "Nothing is written to stdout: an output is put in place whole, once it is finished. Name a file in place of -.",
      );
    if (new Set(paths.map(realOf)).size < paths.length)
      throw new InvalidInputError(`Two outputs have the same name: ${paths.join(", ")}.`);
    this.tellAsides(paths);
    for (const path of paths) await checkTarget(path, { force: force || path === own });
  }

  /** What runs that were killed have set aside beside these files: it may be the only copy, so it is told with --quiet too. */
  tellAsides(paths: readonly string[]): void {
    for (const aside of new Set(paths.map(dirname).flatMap(asidesIn)))
      note(
        `loewner: ${aside} is an old file that a run had set aside to replace it, and was killed. Move it back to its name, or remove it.`,
      );
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
      this.time = new TimeLeft();
      this.bar = new this.Bar({
        format: "{bar} {text} | {label}",
        barsize: 24,
        clearOnComplete: true,
        hideCursor: true,
      });
      this.bar.start(progress.total, progress.done, { label, text: "" });
    }
    const text = progressText(this.time, progress.done, progress.total);
    const room = Math.max(10, (process.stderr.columns ?? 80) - 24 - text.length - 6);
    this.bar.update(progress.done, { text, label: label.slice(0, room) });
    if (progress.done >= progress.total) this.endProgress();
  };

  endProgress(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  async withLoewner<T>(body: (loewner: Loewner) => Promise<T>): Promise<T> {
    const loewner = await this.create();
    try {
      return await body(loewner);
    } finally {
      loewner.dispose();
    }
  }

  /** What is to be told elsewhere before the process ends: workers of a cluster go on for a while otherwise. */
  leave: (() => void) | undefined;

  private async create(): Promise<Loewner> {
    const { threads = "auto", memory, redis, storage } = this.options;
    if (redis === undefined) return createLoewner({ threads, memory, residentBytes });
    const { connectCluster } = await import("../cluster/index.js");
    const loewner = await connectCluster({
      redis: redisAddress(redis),
      storage,
      threads,
      memory,
      onNotice: (text) => void (this.options.quiet || note(`loewner: ${text}`)),
    });
    this.leave = () => loewner.dispose();
    return loewner;
  }
}

/** For what has to be told elsewhere. */
const leaveMs = 400;

/** Runs a command's body; SIGINT and SIGTERM stop it, remove temporary files, and exit with 130 or 143. */
export async function runCommand(options: CommonOptions, body: (context: Context) => Promise<void>): Promise<void> {
  const context = new Context(options);
  const stop = (code: number) => () => {
    context.abort.abort();
    context.endProgress();
    const stays = context.onInterrupt?.();
    removeTemporaryFiles();
    const message = `interrupted; no unfinished file is left.${stays ? ` ${stays}` : ""}`;
    note(`loewner: ${message}`);
    if (options.json && !hasAnswered()) printJson({ error: { code: "ABORTED", message } });
    if (!context.leave) process.exit(code);
    context.leave();
    setTimeout(() => process.exit(code), leaveMs);
  };
  const handlers = { SIGINT: stop(130), SIGTERM: stop(143) };
  for (const [signal, handler] of Object.entries(handlers)) process.once(signal, handler);
  keepOriginals();
  try {
    await context.openProgress();
    await body(context);
  } catch (error) {
    if (isLoewnerError(error, "FILE") && error.place.file !== undefined) context.tellAsides([error.place.file]);
    throw error;
  } finally {
    context.endProgress();
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  }
}
