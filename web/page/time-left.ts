// Progress in words: how far, and how long it may still take.

/** Of work that is reported in any unit, and never goes back. */
export class TimeLeft {
  private readonly started = performance.now();

  /** @returns undefined while too little is done to tell */
  seconds(done: number, total: number): number | undefined {
    const elapsed = (performance.now() - this.started) / 1000;
    return elapsed < 1 || done < 0.02 * total ? undefined : (elapsed * (total - done)) / done;
  }
}

export function duration(seconds: number): string {
  if (seconds < 1.5) return "about a second";
  if (seconds < 90) return `about ${Math.round(seconds)} seconds`;
  return `about ${Math.round(seconds / 60)} minutes`;
}
