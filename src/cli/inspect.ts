import type { Command } from "commander";
import { inspectModel } from "../model/index.js";
import { type CommonOptions, runCommand } from "./context.js";
import { withModel } from "./models.js";
import { addCommon } from "./options.js";
import { megabytes, number, percent, table } from "./text.js";

export function addInspect(program: Command): void {
  addCommon(
    program
      .command("inspect <model>")
      .description("layers, shapes, types, share of the file, spectrum, and what could be saved")
      .option("--no-spectrum", "do not compute the spectra of the tables"),
  )
    .addHelpText("after", "\nExample:\n  loewner inspect model.safetensors")
    .action((path: string, options: CommonOptions & { spectrum: boolean }) =>
      runCommand(options, (context) =>
        withModel(path, async ({ model }) => {
          const inspection = await context.withLoewner((loewner) =>
            inspectModel(loewner, model, {
              spectra: options.spectrum ? "default" : "none",
              signal: context.signal,
              onProgress: context.progress,
            }),
          );
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
            layer.byDefault ? "yes" : "",
          ]);
          context.say(
            table([["tensor", "kind", "shape", "type", "size", "share", "by default"], ...rows], [0, 1, 2, 3, 6]),
          );
          context.say(`${layers.length} tensors, ${megabytes(bytes)}`);
          void number;
        }),
      ),
    );
}
