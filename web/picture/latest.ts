// Work that follows a hand: one piece at a time, once a frame at most, and always the newest state last.

export class Latest {
  private wanted = false;
  private running = false;
  private ended = false;

  constructor(private readonly work: () => Promise<void>) {}

  /** Asks for the work; while it runs or waits for its frame, asking again costs nothing. */
  request(): void {
    this.wanted = true;
    if (!this.running) void this.run();
  }

  /** No work starts after this. */
  end(): void {
    this.ended = true;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.wanted && !this.ended) {
      await new Promise(requestAnimationFrame);
      this.wanted = false;
      if (!this.ended) await this.work();
    }
    this.running = false;
  }
}
