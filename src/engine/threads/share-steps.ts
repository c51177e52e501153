// What a worker does of a dense step that all of them share.
import type { Kernel } from "../../kernel/load.js";
import { runDense, type Product } from "../dense.js";
import { EigenShare } from "./eigen-share.js";

/** One a worker, from the first step of a dense step to its end. */
export class ShareSteps {
  private eigen: EigenShare | undefined;

  constructor(private readonly kernel: Kernel) {}

  private readonly steps = {
    reduce: (input: Parameters<EigenShare["reduce"]>[0]) => (this.eigen ??= new EigenShare(this.kernel)).reduce(input),
    column: (input: Parameters<EigenShare["column"]>[0]) => this.eigen!.column(input),
    update: (input: Parameters<EigenShare["update"]>[0]) => this.eigen!.update(input),
    divide: (input: Parameters<EigenShare["divide"]>[0]) => this.eigen!.divide(input),
    merge: (input: Parameters<EigenShare["merge"]>[0]) => this.eigen!.merge(input),
    vectors: (_input: null) => this.eigen!.vectors(),
    back: (input: Parameters<EigenShare["back"]>[0]) => this.eigen!.back(input),
    multiply: (input: Product) => runDense(this.kernel, "multiply", input),
    end: (_input: null) => this.end(),
  };

  run<Name extends StepName>(name: Name, input: StepInput<Name>): StepOutput<Name> {
    return (this.steps[name] as (input: StepInput<Name>) => StepOutput<Name>)(input);
  }

  private end(): void {
    this.eigen?.end();
    this.eigen = undefined;
  }
}

type Steps = ShareSteps["steps"];
export type StepName = keyof Steps;
export type StepInput<Name extends StepName> = Parameters<Steps[Name]>[0];
export type StepOutput<Name extends StepName> = ReturnType<Steps[Name]>;
