import type { Command } from "commander";
import type { SensitivityOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, vectorFile, writeAll, type MatrixOptions } from "./npy-files.js";
import { parseP, parsePositive, readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

export function addSensitivities(program: Command): void {
  type Options = MatrixOptions & Pick<SensitivityOptions, "p" | "tolerance"> & { output: string };
  addMatrixOptions(
    program
      .command("sensitivities <matrix>")
      .description("upper bounds of each row's largest share of |Ax|_p^p")
      .requiredOption("-o, --output <file>", "one bound a row")
      .option("--p <p>", "norm; the p that lewis-weights takes, finite", parseP, 1)
      .option("--tolerance <t>", "of the Lewis weights, max |tau_i / w_i - 1|", parsePositive, 1e-6),
  )
    .addHelpText("after", "\nExample:\n  loewner sensitivities A.npy --p 1 -o s.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs([options.output], options);
          const { p, tolerance } = options;
          const { scores, rank, total, iterations, residual, converged, seconds } = await context.withLoewner(
            (loewner) =>
              loewner.sensitivities(source, {
                p,
                tolerance,
                rowWeights,
                signal: context.signal,
                onProgress: context.progress,
              }),
          );
          context.endProgress();
          await writeAll([vectorFile(options.output, scores, source)], options, context);
          context.json({
            input: path,
            output: options.output,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            p,
            rank,
            total,
            iterations,
            residual,
            converged,
            seconds,
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; the bounds sum to ${number(total)}, the largest is ${number(scores.reduce((a, b) => Math.max(a, b), 0))}`,
          );
          if (!converged) context.say("The Lewis weights did NOT converge; the bounds hold, but are looser.");
          context.say(`Written: ${options.output}`);
        });
      }),
    );
}
