// Dense steps that are large enough for all workers: the same bits as the inline engine's.
import type { Kernel } from "../../kernel/load.js";
import { runDense, type DenseInput, type DenseName, type DenseResult, type Product, type Symmetric } from "../dense.js";
import type { Pool } from "./pool.js";
import { withTeam, type Team } from "./team.js";
import { threadEigen } from "./thread-eigen.js";

/** Parts that an eigenproblem is cut into, at most (assembly/eigen-symmetric.ts). */
const mostParts = 8;

/** @param kernel of this thread, which nothing else uses meanwhile */
export async function threadDense<Name extends DenseName>(
  kernel: Kernel,
  pool: Pool,
  name: Name,
  input: DenseInput<Name>,
): Promise<DenseResult<Name>> {
  const run = async (team: Team): Promise<unknown> => {
    if (name === "multiply") return multiply(team, input as Product);
    if (name !== "eigen") return runDense(kernel, name, input);
    const { matrix, n, count = n } = input as Symmetric & { count?: number };
    return threadEigen(kernel, team, { matrix, n, count: Math.min(count, n) });
  };
  return (await withTeam(pool, Math.min(pool.size, mostParts), run)) as DenseResult<Name>;
}

/** Each worker multiplies some rows of `left`: a row of a product is the same bits whatever is above and below it. */
async function multiply(team: Team, { left, right, rows, inner, cols }: Product): Promise<Float64Array> {
  const each = Math.ceil(rows / team.size);
  const starts = Array.from({ length: Math.ceil(rows / each) }, (_, worker) => worker * each);
  const inputs = starts.map((start) => {
    const count = Math.min(each, rows - start);
    return { left: left.slice(start * inner, (start + count) * inner), right: right.slice(), rows: count, inner, cols };
  });
  const found = await team.ask(
    "multiply",
    inputs,
    inputs.map((input) => [input.left.buffer, input.right.buffer]),
  );
  const product = new Float64Array(rows * cols);
  found.forEach((some, worker) => product.set(some, starts[worker] * cols));
  return product;
}
