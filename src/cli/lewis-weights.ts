import type { Command } from "commander";
import type { LewisOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, matrixFile, vectorFile, writeAll, type MatrixOptions } from "./npy-files.js";
import { parseP, parsePositive, readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

export function addLewisWeights(program: Command): void {
  type Options = MatrixOptions & Pick<LewisOptions, "p" | "tolerance"> & { output: string; gram?: string };
  addMatrixOptions(
    program
      .command("lewis-weights <matrix>")
      .description("l_p Lewis weights of the rows")
      .requiredOption("-o, --output <file>", "one weight a row")
      .option("--gram <file>", "M'M, for the certificate: lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2")
      .option("--p <p>", "norm, p > 0, or inf", parseP, 1)
      .option("--tolerance <t>", "of max |tau_i / w_i - 1|", parsePositive, 1e-6),
  )
    .addHelpText("after", "\nExample:\n  loewner lewis-weights A.npy --p 1 -o weights.npy --gram G.npy")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const outputs = [options.output, ...(options.gram === undefined ? [] : [options.gram])];
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs(outputs, options);
          const { p, tolerance } = options;
          const result = await context.withLoewner((loewner) =>
            loewner.lewisWeights(source, {
              p,
              tolerance,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const { weights, gram, rank, certificate, iterations, residual, converged, seconds } = result;
          const files = [vectorFile(options.output, weights, source)];
          // The certificate speaks of this very matrix: it stays f64.
          if (options.gram !== undefined) files.push(matrixFile(options.gram, gram));
          await writeAll(files, options, context);
          context.json({
            input: path,
            output: options.output,
            gram: options.gram,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            p,
            rank,
            certificate,
            iterations,
            residual,
            converged,
            seconds,
          });
          context.say(
            `${path}  ${source.rows} x ${source.cols}, rank ${rank}; largest weight ${number(weights.reduce((a, b) => Math.max(a, b), 0))}`,
          );
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} sweeps to max |tau / w - 1| = ${residual.toExponential(1)}`,
          );
          context.say(
            `proven: ${number(certificate.lower)} |Mx|_2 <= |Ax|_${p} <= ${number(certificate.upper)} |Mx|_2 for every x`,
          );
          context.say(`Written: ${outputs.join(", ")}`);
        });
      }),
    );
}
