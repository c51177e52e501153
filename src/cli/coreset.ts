import type { Command } from "commander";
import type { CoresetOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, matrixFile, writeAll, type MatrixOptions } from "./npy-files.js";
import { parseChoice, parseP, parseRank, parseSeed, readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

export function addCoreset(program: Command): void {
  type Options = MatrixOptions &
    Pick<CoresetOptions, "p" | "size" | "seed" | "scheme"> & { indices: string; weights: string; output?: string };
  addMatrixOptions(
    program
      .command("coreset <matrix>")
      .description("a few weighted rows that stand for all in |Ax|_p")
      .requiredOption("--size <m>", "expected number of rows", parseRank)
      .requiredOption("--indices <file>", "which rows, ascending (int32)")
      .requiredOption("--weights <file>", "what |row x|^p of each is multiplied by")
      .option("-o, --output <file>", "the rows themselves")
      .option("--p <p>", "norm; the p that lewis-weights takes, finite", parseP, 1)
      .option("--seed <n>", "seed of the choice", parseSeed, 0)
      .option(
        "--scheme <name>",
        "what rows are chosen by: lewis, leverage, mixed or uniform",
        parseChoice("lewis", "leverage", "mixed", "uniform"),
        "lewis",
      ),
  )
    .addHelpText(
      "after",
      "\nExample:\n  loewner coreset A.npy --p 1 --size 640 --seed 0 --indices i.npy --weights w.npy -o rows.npy",
    )
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const { p, size, seed, scheme, output } = options;
        const outputs = [options.indices, options.weights, ...(output === undefined ? [] : [output])];
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs(outputs, options);
          const result = await context.withLoewner((loewner) =>
            loewner.coreset(source, {
              p,
              size,
              seed,
              scheme,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const { indices, weights, rows, rank, expected, realised, iterations, residual, converged, seconds } = result;
          // A weight is exact only in f64, or rounded to f32 like the rows it goes with.
          const f32 = rows.data instanceof Float32Array;
          const files = [
            { path: options.indices, data: indices, shape: [indices.length] },
            { path: options.weights, data: f32 ? Float32Array.from(weights) : weights, shape: [weights.length] },
          ];
          await writeAll(output === undefined ? files : [...files, matrixFile(output, rows)], options, context);
          context.json({
            input: path,
            indices: options.indices,
            weights: options.weights,
            output,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            p,
            size,
            seed,
            scheme,
            rank,
            chosen: indices.length,
            expected,
            realised,
            iterations,
            residual,
            converged,
            seconds,
          });
          const { measured, proved, directions } = realised;
          context.say(`${path}  ${source.rows} x ${source.cols}, rank ${rank}; ${indices.length} rows chosen`);
          context.say(
            `measured: ${number(measured.lower)} |Ax|_${p} <= |Cx|_${p} <= ${number(measured.upper)} |Ax|_${p} for ${directions} x, random and aimed`,
          );
          context.say(`proven:   ${number(proved.lower)} and ${number(proved.upper)} for every x`);
          context.say(`Written: ${outputs.join(", ")}`);
        });
      }),
    );
}
