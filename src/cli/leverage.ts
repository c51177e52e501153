import type { Command } from "commander";
import { runCommand } from "./context.js";
import { addMatrixOptions, vectorFile, writeAll, type MatrixOptions } from "./npy-files.js";
import { readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

export function addLeverage(program: Command): void {
  addMatrixOptions(
    program
      .command("leverage <matrix>")
      .description("leverage scores of the rows")
      .requiredOption("-o, --output <file>", "one score a row"),
  )
    .addHelpText("after", "\nExample:\n  loewner leverage A.npy -o scores.npy")
    .action((path: string, options: MatrixOptions & { output: string }) =>
      runCommand(options, async (context) => {
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs([options.output], options);
          const { scores, rank, seconds } = await context.withLoewner((loewner) =>
            loewner.leverageScores(source, { rowWeights, signal: context.signal, onProgress: context.progress }),
          );
          context.endProgress();
          await writeAll([vectorFile(options.output, scores, source)], options, context);
          context.json({
            input: path,
            output: options.output,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            rank,
            seconds,
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; largest score ${number(scores.reduce((a, b) => Math.max(a, b), 0))}`,
          );
          context.say(`Written: ${options.output}`);
        });
      }),
    );
}
