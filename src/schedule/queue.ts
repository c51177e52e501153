// Who waits, who runs, and where. Tasks start in the order in which they came, as soon as what they run on is free; those that need
// all threads wait for all, and nobody overtakes them.

/** "here": the calling thread alone. "all": every thread, nothing beside. A number: that worker. */
export type Place = "here" | "all" | number;

export interface Task {
  /** Asked when it might start; `alone`: nothing runs and nobody else waits. "any": whichever worker is free. */
  wants(alone: boolean): Place | "any";
  /** Resolves when the place is free again. One that throws or rejects is dropped, and its place free at once. */
  start(place: Place): Promise<void>;
  /** It will not start, or could not. */
  drop(error: unknown): void;
}

export class Queue {
  private waiting: Task[] = [];
  private readonly running = new Set<Place>();
  private pending = false;

  constructor(
    private readonly workers: number,
    /** Matrices that a worker holds: of free workers, those with few come first. */
    private readonly holds: (worker: number) => number,
  ) {}

  /** Whoever comes in the same turn of the event loop is seen before anything starts. */
  add(task: Task): void {
    this.waiting.push(task);
    this.startSoon();
  }

  /** Takes a task out that has not started; false when it has. */
  remove(task: Task): boolean {
    const place = this.waiting.indexOf(task);
    if (place < 0) return false;
    this.waiting.splice(place, 1);
    this.startSoon(); // others may have waited behind it
    return true;
  }

  /** Drops all that wait. */
  end(error: Error): void {
    const dropped = this.waiting;
    this.waiting = [];
    for (const task of dropped) task.drop(error);
  }

  private startSoon(): void {
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      this.startAll();
    });
  }

  private startAll(): void {
    const alone = this.waiting.length === 1 && this.running.size === 0;
    for (const task of [...this.waiting]) {
      const wanted = task.wants(alone);
      const place = this.free(wanted);
      if (place === undefined && wanted === "all") return;
      if (place === undefined) continue;
      this.waiting.splice(this.waiting.indexOf(task), 1);
      this.running.add(place);
      void this.run(task, place);
    }
  }

  private async run(task: Task, place: Place): Promise<void> {
    try {
      await task.start(place);
    } catch (error) {
      task.drop(error);
    } finally {
      this.running.delete(place);
      this.startSoon();
    }
  }

  private free(wanted: Place | "any"): Place | undefined {
    const { running } = this;
    if (running.has("all")) return undefined;
    if (wanted === "all") return running.size === 0 ? "all" : undefined;
    if (wanted !== "any") return running.has(wanted) ? undefined : wanted;
    let best: number | undefined;
    for (let worker = 0; worker < this.workers; ++worker) {
      if (running.has(worker)) continue;
      if (best === undefined || this.holds(worker) < this.holds(best)) best = worker;
    }
    return best;
  }
}
