import type { Command } from "commander";
import type { SubspaceOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, vectorFile, writeAll, type MatrixOptions } from "./npy-files.js";
import { parsePositive, parsePWithin, parseRank, parseSeed, readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

export function addSubspace(program: Command): void {
  type Options = MatrixOptions & Omit<SubspaceOptions, "rowWeights"> & { output: string };
  addMatrixOptions(
    program
      .command("subspace <matrix>")
      .description("robust subspace: least sum of dist(row, S)^p")
      .requiredOption("-o, --output <file>", "orthonormal columns that span S, cols x rank")
      .requiredOption("--rank <k>", "dimension of S", parseRank)
      .option("--p <p>", "power of the distance, 0 < p <= 2", parsePWithin({ above: 0, to: 2 }), 1)
      .option("--restarts <n>", "random starts beside PCA's", parseSeed, 0)
      .option("--seed <n>", "what they are drawn by", parseSeed, 0)
      .option("--tolerance <t>", "stop when a sweep gains no more than this share", parsePositive, 1e-6)
      .option("--max-iterations <n>", "sweeps of each start, at most", parseSeed, 300),
  )
    .addHelpText("after", "\nExample:\n  loewner subspace A.npy --rank 10 --p 1 --restarts 20 -o V.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs([options.output], options);
          const { rank, p = 1, restarts, seed, tolerance, maxIterations } = options;
          const { basis, objective, iterations, residual, converged, seconds } = await context.withLoewner((loewner) =>
            loewner.robustSubspace(source, {
              rank,
              p,
              restarts,
              seed,
              tolerance,
              maxIterations,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const file = { ...vectorFile(options.output, basis.data, source), shape: [basis.rows, basis.cols] };
          await writeAll([file], options, context);
          context.json({
            input: path,
            output: options.output,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            rank,
            p,
            restarts,
            seed,
            tolerance,
            objective,
            iterations,
            residual,
            converged,
            seconds,
          });
          context.say(`${path}  ${source.rows} x ${source.cols}, rank ${rank}; sum of dist^${p}: ${number(objective)}`);
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} sweeps; the last one lowered the sum by ${residual.toExponential(1)} of it`,
          );
          context.say(`Written: ${options.output}`);
        });
      }),
    );
}
