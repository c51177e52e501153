import type { Command } from "commander";
import type { EntrywiseOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, matrixFile, writeAll, type MatrixOptions } from "./npy-files.js";
import {
  parseCount,
  parsePositive,
  parsePWithin,
  parseRank,
  parseSeed,
  readRowWeights,
  withMatrix,
} from "./options.js";
import { number, percent } from "./text.js";

export function addEntrywise(program: Command): void {
  type Options = MatrixOptions &
    Pick<EntrywiseOptions, "rank" | "p" | "tolerance" | "starts" | "seed"> & {
      left: string;
      right: string;
      steps?: number;
    };
  addMatrixOptions(
    program
      .command("entrywise <matrix>")
      .description("factors with the least sum of |entries of A - left right|^p")
      .requiredOption("--left <file>", "left factor, rows x rank")
      .requiredOption("--right <file>", "right factor, rank x cols")
      .requiredOption("--rank <k>", "rank of the factors", parseRank)
      .option("--p <p>", "power, 0 < p < 4", parsePWithin({ above: 0, below: 4 }), 1)
      .option("--steps <n>", "most steps from each start and each hop (default: 20 to 200, by size)", parseCount)
      .option("--starts <n>", "random starts (default: up to 8, where they cost little)", parseCount)
      .option("--tolerance <t>", "stop when steps lower the sum by less than this share", parsePositive, 1e-8)
      .option("--seed <n>", "of the random starts", parseSeed, 0),
  )
    .addHelpText("after", "\nExample:\n  loewner entrywise A.npy --rank 8 --p 1 --left L.npy --right R.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs([options.left, options.right], options);
          const { rank, p, steps: maxIterations, starts, tolerance, seed } = options;
          const result = await context.withLoewner((loewner) =>
            loewner.entrywiseLowRank(source, {
              rank,
              p,
              maxIterations,
              starts,
              tolerance,
              seed,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const { left, right, objective, report, iterations, residual, converged, seconds } = result;
          await writeAll([matrixFile(options.left, left), matrixFile(options.right, right)], options, context);
          context.json({
            input: path,
            left: options.left,
            right: options.right,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            rank,
            p,
            method: report.method,
            objective,
            starts: report.starts,
            iterations,
            residual,
            converged,
            seconds,
            seed,
          });
          const least = report.starts.reduce((least, { projection }) => Math.min(least, projection), Infinity);
          context.say(
            `${path}  ${source.rows} x ${source.cols} -> rank ${rank} by ${report.method}: sum |r|^${p} ${number(objective.lp)}, ` +
              (least > 0 ? `${percent(1 - objective.lp / least)} below the best projection` : "an exact fit"),
          );
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} steps; the last changed the sum by ${residual.toExponential(1)}`,
          );
          context.say(`Written: ${options.left}, ${options.right}  (${seconds.toFixed(1)} s)`);
        });
      }),
    );
}
