// Progress in words, in a terminal and in a page: how far, and how long it may still take.

/** Before so many seconds, and so much of the work, nothing is said: the first numbers would be wild. */
const firstSeconds = 3;
const firstShare = 0.05;

/** Of work that is reported in any unit, and never goes back. */
export class TimeLeft {
  private readonly started: number;
  /** When how much was done, of the second half of what is done. */
  private readonly told: { at: number; share: number }[] = [];

  /** @param now the time in milliseconds */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.started = now();
  }

  /**
   * By the pace of the second half of what is done: what work was thought to take is truer of what is alike.
   * @returns undefined while too little is done to tell
   */
  seconds(done: number, total: number): number | undefined {
    const at = this.now();
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const { told } = this;
    if (share > (told.at(-1)?.share ?? 0)) told.push({ at, share });
    while (told.length > 1 && told[1].share <= share / 2) told.shift();
    if (at - this.started < 1000 * firstSeconds || share < firstShare) return undefined;
    const from = told[0].share <= share / 2 ? told[0] : { at: this.started, share: 0 };
    return ((at - from.at) / 1000) * ((1 - share) / (share - from.share));
  }
}

/** "about 40 seconds" */
export function duration(seconds: number): string {
  if (seconds < 1.5) return "about a second";
  if (seconds < 90) return `about ${Math.round(seconds)} seconds`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} minutes`;
  return `about ${Math.round(seconds / 3600)} hours`;
}

/** "37 %, about 40 seconds left" */
export function progressText(time: TimeLeft, done: number, total: number): string {
  const left = time.seconds(done, total);
  const share = total > 0 ? Math.min(1, done / total) : 0;
  return `${Math.floor(100 * share)} %${left === undefined || share === 1 ? "" : `, ${duration(left)} left`}`;
}
