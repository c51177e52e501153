import type { Command } from "commander";
import { inspectModel } from "../model/index.js";
import { type CommonOptions, runCommand } from "./context.js";
import { addCommon, withModel } from "./options.js";
import { megabytes, number, percent, table } from "./text.js";

export function addInspect(program: Command): void {
  addCommon(
    program
      .command("inspect <model>")
      .description("layers, shapes, types, share of the file, spectrum, and what could be saved")
      .option("--no-spectrum", "do not compute the spectra of the tables"),
  )
    .addHelpText("after", "\nExample:\n  loewner inspect model.safetensors")
    .action((model: string, options: CommonOptions & { spectrum: boolean }) =>
      runCommand(options, (context) =>
        withModel(model, async (file) => {
          const run = { signal: context.signal, onProgress: context.progress };
          const inspection = options.spectrum
            ? await context.withLoewner((loewner) => inspectModel(file, loewner, run))
            : await inspectModel(file);
          context.endProgress();
          context.json(inspection);
          const { layers, bytes } = inspection;
          const rows = layers.map((layer) => [
            layer.name,
            layer.kind,
            layer.shape.join(" x ") || "scalar",
            layer.dtype,
            megabytes(layer.bytes),
            percent(layer.share),
            layer.byDefault ? "yes" : layer.factorOf ? `factor of ${layer.factorOf}` : "",
          ]);
          context.say(
            table([["tensor", "kind", "shape", "type", "size", "share", "by default"], ...rows], [0, 1, 2, 3, 6]),
          );
          context.say(`${layers.length} tensors, ${megabytes(bytes)}`);
          for (const { name, spectrum, bytes: size } of layers) {
            if (!spectrum) continue;
            const { singularValues: s, errors } = spectrum;
            context.say(`\n${name}: singular values ${number(s[0])} ... ${number(s[s.length - 1])}`);
            const lines = errors.map((e) => [
              percent(e.keep),
              String(e.rank),
              megabytes(size * (1 - e.keep)),
              percent(e.error),
            ]);
            context.say(
              table([
                ["  --keep", "rank", "saved", "relative l_2 error (SVD)"],
                ...lines.map(([a, ...b]) => [`  ${a}`, ...b]),
              ]),
            );
          }
        }),
      ),
    );
}
