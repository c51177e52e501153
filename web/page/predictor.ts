// What the slider's position would make, asked of the worker: one question at a time, and always the latest.
import type { Choice, Prediction } from "../session/protocol.js";
import type { SessionError } from "../session/connect.js";
import { type SessionClient } from "../session/connect.js";

export class Predictor {
  private wanted: Choice | undefined;
  private abort: AbortController | undefined;

  constructor(
    private readonly session: SessionClient,
    private readonly show: (choice: Choice, prediction: Prediction) => void,
    private readonly fail: (error: SessionError) => void,
  ) {}

  ask(choice: Choice): void {
    this.wanted = choice;
    if (!this.abort) void this.run();
  }

  /** What was asked is not answered any more. */
  stop(): void {
    this.wanted = undefined;
    this.abort?.abort();
    this.abort = undefined;
  }

  private async run(): Promise<void> {
    const abort = (this.abort = new AbortController());
    while (this.wanted && !abort.signal.aborted) {
      const choice = this.wanted;
      this.wanted = undefined;
      try {
        const prediction = await this.session.call("predict", [choice], { signal: abort.signal });
        if (!abort.signal.aborted) this.show(choice, prediction);
      } catch (error) {
        // Spectra that it waited for were stopped: whoever stopped them asks again.
        if (!abort.signal.aborted && (error as SessionError).code !== "ABORTED") this.fail(error as SessionError);
      }
    }
    if (this.abort === abort) this.abort = undefined;
  }
}
