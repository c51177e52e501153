// All workers at one dense step: each is asked for its part, and all are waited for.
import type { Listener, Pool } from "./pool.js";
import { fromSent, type Report } from "./protocol.js";
import type { StepInput, StepName, StepOutput } from "./share-steps.js";

interface Question {
  outputs: unknown[];
  left: number;
  resolve(outputs: unknown[]): void;
  reject(error: Error): void;
}

export class Team implements Listener {
  private readonly call: number;
  private question: Question | undefined;
  private failure: Error | undefined;

  constructor(
    private readonly pool: Pool,
    /** Workers 0 to `size` - 1 of the pool. */
    readonly size: number,
  ) {
    this.call = pool.join(this);
  }

  /** What the workers answer. Arrays of the inputs are handed over where `given`; a worker without an input is not asked. */
  ask<Name extends StepName>(
    name: Name,
    inputs: readonly (StepInput<Name> | undefined)[],
    given: readonly ArrayBuffer[][] = [],
  ): Promise<StepOutput<Name>[]> {
    return new Promise<unknown[]>((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      const asked = inputs.filter((input) => input !== undefined).length;
      this.question = { outputs: [], left: asked, resolve, reject };
      inputs.forEach((input, worker) => {
        if (input === undefined) return;
        this.pool.send(worker, { type: "step", call: this.call, name, input }, given[worker]);
      });
    }) as Promise<StepOutput<Name>[]>;
  }

  take(report: Report, worker: number): void {
    const { question } = this;
    if (!question) return;
    if (report.type === "failed") return this.fail(fromSent(report.error));
    if (report.type !== "step") return;
    question.outputs[worker] = report.output;
    if (--question.left === 0) question.resolve(question.outputs);
  }

  fail(error: Error): void {
    this.failure = error;
    this.question?.reject(error);
  }

  /** The workers forget what they hold for it. */
  end(): void {
    for (let worker = 0; worker < this.size; ++worker) {
      if (!this.pool.isLost) this.pool.send(worker, { type: "step", call: this.call, name: "end", input: null });
    }
    this.pool.leave(this.call);
  }
}

/** Runs `body` with the first `size` workers, and ends what they hold for it. */
export async function withTeam<T>(pool: Pool, size: number, body: (team: Team) => Promise<T>): Promise<T> {
  await pool.start();
  const team = new Team(pool, size);
  try {
    return await body(team);
  } finally {
    team.end();
  }
}
