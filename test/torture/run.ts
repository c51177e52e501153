// Runs one check on one input, and says what came of it.
import { isLoewnerError, type Loewner, type RowType } from "../../src/index.js";
import { checks } from "./checks.js";
import { given, tortures, weightings, wideTortures } from "./matrices.js";
import { notFinite, scaledColumns } from "./numbers.js";

export interface Input {
  primitive: string;
  p: number;
  matrix: string;
  dtype: RowType;
  weights: string;
}

export const everyMatrix = { ...tortures, ...wideTortures };
const named = Object.entries(everyMatrix);

/** Infinities that the types say may be there. */
const allowed = [
  /^coreset: realised\.proved\.upper is Infinity$/,
  /^johnEllipsoid: logDet is -Infinity$/,
  /^lowRank: p is Infinity$/,
];

/** The same instance, which notes every number of every answer that is none. */
function watched(loewner: Loewner, found: string[]): Loewner {
  return new Proxy(loewner, {
    get(target, key) {
      const method = target[key as keyof Loewner];
      if (typeof method !== "function") return method;
      return async (...args: unknown[]) => {
        const result = await (method as (...args: unknown[]) => unknown).apply(target, args);
        const numbers = notFinite(result).map((x) => `${String(key)}: ${x}`);
        found.push(...numbers.filter((x) => !allowed.some((pattern) => pattern.test(x))));
        return result;
      };
    },
  });
}

/** What is wrong; `refused` is the message of an error that says what to do. Nothing where the type does not hold the matrix. */
export async function torture(loewner: Loewner, { primitive, p, matrix, dtype, weights }: Input) {
  const input = await given(everyMatrix[matrix], dtype);
  if (!input) return undefined;
  const { rows } = input.exact;
  const weightOf = weightings[weights];
  const s = weightOf && Float64Array.from({ length: rows }, (_, i) => weightOf(i, rows));
  const faults: string[] = [];
  const situation = { ...input, loewner: watched(loewner, faults), scaled: scaledColumns(input.exact), p, s };
  try {
    faults.push(...(await checks[primitive].check(situation)));
  } catch (error) {
    if (isLoewnerError(error, "INVALID_INPUT")) return { faults, refused: error.message };
    faults.push(error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error));
  }
  return { faults: [...new Set(faults)] };
}

/** Every input there is, or a share of them: every `step`-th combination of type, weights and p for a matrix and a primitive. */
export function* inputs(step: number): Generator<Input> {
  let turn = 0;
  for (const [primitive, { ps, weighted }] of Object.entries(checks)) {
    for (const [matrix] of named) {
      const combinations: Input[] = [];
      for (const dtype of ["f64", "f32", "f16", "bf16"] as const)
        for (const weights of weighted ? Object.keys(weightings) : ["none"])
          for (const p of ps) combinations.push({ primitive, p, matrix, dtype, weights });
      const stride = Math.min(step, combinations.length);
      for (let i = turn++ % stride; i < combinations.length; i += stride) yield combinations[i];
    }
  }
}
