import type { Command } from "commander";
import type { Matrix, RowSource } from "../matrix.js";
import type { LevelSetOptions } from "../types/index.js";
import { runCommand } from "./context.js";
import { addMatrixOptions, matrixFile, writeAll, type MatrixOptions, type NpyFile } from "./npy-files.js";
import { parsePositive, parsePWithin, parseRank, parseSeed, readRowWeights, withMatrix } from "./options.js";
import { number } from "./text.js";

/** In the type of the input, unless its range is passed: H goes like a^2, contacts like 1 / a. */
function rangedFile(path: string, matrix: Matrix<Float64Array>, { dtype }: RowSource): NpyFile {
  const narrow = Float32Array.from(matrix.data);
  const fits = matrix.data.every((x, i) => x === 0 || (Math.abs(narrow[i]) < Infinity && Math.abs(x) > 2 ** -126));
  return matrixFile(path, dtype === "f64" || !fits ? matrix : { ...matrix, data: narrow });
}

export function addLevelSet(program: Command): void {
  type Options = MatrixOptions & Omit<LevelSetOptions, "rowWeights"> & { output: string; contacts?: string };
  addMatrixOptions(
    program
      .command("level-set <matrix>")
      .description("smallest ellipsoid {x : x'Hx <= 1} that holds {x : |Ax|_p <= 1}")
      .requiredOption("-o, --output <file>", "H, cols x cols")
      .option("--contacts <file>", "points of the level set that the ellipsoid touches, one a row")
      .option("--p <p>", "norm, p >= 1, or inf", parsePWithin({ from: 1, to: Infinity }), 1)
      .option("--tolerance <t>", "stop when nothing found sticks out by more", parsePositive, 1e-7)
      .option("--directions <n>", "climbs that start anew in a round", parseRank)
      .option("--max-iterations <n>", "rounds, at most", parseSeed)
      .option("--seed <n>", "what directions are drawn by", parseSeed, 0),
  )
    .addHelpText("after", "\nExample:\n  loewner level-set A.npy --p 1 -o H.npy --json")
    .action((path: string, options: Options) =>
      runCommand(options, async (context) => {
        const outputs = [options.output, ...(options.contacts === undefined ? [] : [options.contacts])];
        const rowWeights = await readRowWeights(options.rowWeights, context);
        await withMatrix(path, context, async (source) => {
          await context.checkOutputs(outputs, options);
          const { p = 1, tolerance, directions, maxIterations, seed } = options;
          const result = await context.withLoewner((loewner) =>
            loewner.levelSetEllipsoid(source, {
              p,
              tolerance,
              directions,
              maxIterations,
              seed,
              rowWeights,
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
          context.endProgress();
          const { H, contacts, rank, logDet, factor, certificate, iterations, residual, converged, seconds } = result;
          const files = [rangedFile(options.output, H, source)];
          if (options.contacts !== undefined) files.push(rangedFile(options.contacts, contacts, source));
          await writeAll(files, options, context);
          context.json({
            input: path,
            output: options.output,
            contacts: options.contacts,
            shape: [source.rows, source.cols],
            dtype: source.dtype,
            p,
            tolerance,
            seed,
            rank,
            center: new Array<number>(source.cols).fill(0),
            logDet,
            factor,
            certificate,
            iterations,
            residual,
            converged,
            seconds,
          });
          context.say(`${path}  ${source.rows} x ${source.cols}, rank ${rank}; log det H = ${number(logDet)}`);
          context.say(
            `${converged ? "converged" : "did NOT converge"} in ${iterations} rounds; ${contacts.rows} contact points; the last climbs found ${residual.toExponential(1)} above 1`,
          );
          context.say(`proven: |Ax|_${p} <= 1 implies x'Hx <= ${number(factor)}`);
          context.say(
            `proven: |Mx|_2 <= |Ax|_${p} <= ${number(certificate.upper)} |Mx|_2 for every x, M'M = H / ${number(factor)}`,
          );
          context.say(`Written: ${outputs.join(", ")}`);
        });
      }),
    );
}
