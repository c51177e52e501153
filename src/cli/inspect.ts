import type { Command } from "commander";
import { writeAllAtomically } from "../node/files/file.js";
import { inspectModel, newPlan, type Inspection, type Model } from "../model/index.js";
import { type CommonOptions, runCommand, type Context } from "./context.js";
import { inspectionDocument } from "./documents.js";
import { inspectionPage } from "./inspect-html.js";
import { inspectionReport } from "./inspect-report.js";
import { type OpenModel, withModel } from "./models.js";
import { addModelCommon, addRequantise, parseChoice, parseShare } from "./options.js";

interface Options extends CommonOptions {
  /** False for --no-spectrum. */
  spectrum: "all" | "default" | "none" | false;
  keep: number;
  all?: boolean;
  plan?: string;
  html?: string;
  force?: boolean;
  requantise?: boolean;
}

export function addInspect(program: Command): void {
  const command = addRequantise(
    program
      .command("inspect <model>")
      .description("layers, shapes, types, share of the file, spectrum, and what could be saved")
      .option(
        "--spectrum <which>",
        "of all layers, of the default ones, or none",
        parseChoice("all", "default", "none"),
        "default",
      )
      .option("--no-spectrum", "the same as --spectrum none")
      .option("--keep <share>", "share of a layer that its factors would take", parseShare, 0.5)
      .option("--all", "list small tensors too")
      .option("--plan <file>", "write a plan for compress --plan: JSON, to be edited")
      .option("--html <file>", "write the table and plots of the spectra as one page that loads nothing else")
      .option("--force", "replace the plan and the page if they exist"),
  );
  addModelCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  loewner inspect model.onnx --spectrum all --html report.html
  loewner inspect model.onnx --keep 0.3 --plan plan.json`,
    )
    .action((model: string, options: Options) => runCommand(options, (context) => inspect(context, model, options)));
}

async function inspect(context: Context, path: string, options: Options): Promise<void> {
  const { spectrum, keep, all, plan, html } = options;
  const inspectOpen = async ({ model }: OpenModel) => {
    const outputs = [plan, html].filter((output) => output !== undefined);
    await context.checkOutputs(outputs, options);
    const inspection = await context.withLoewner((loewner) =>
      inspectModel(loewner, model, {
        spectra: spectrum || "none",
        keep,
        signal: context.signal,
        onProgress: context.progress,
      }),
    );
    context.endProgress();
    await write(context, model, inspection, options);
    context.json({ ...inspectionDocument(inspection), plan, html });
    context.sayAll(inspectionReport(inspection, { all, width: terminalWidth() }).split("\n"));
    if (plan !== undefined) {
      context.say(`Plan written: ${plan}. Edit it, then: loewner compress ${path} --plan ${plan} -o OUTPUT`);
    }
    if (html !== undefined) context.say(`Page written: ${html}`);
  };
  await withModel(context, path, inspectOpen, options);
}

/** Both files or neither. */
async function write(
  { signal }: Context,
  model: Model,
  inspection: Inspection,
  { plan, html, keep, all, force }: Options,
): Promise<void> {
  const texts: [string, string][] = [];
  if (plan !== undefined) texts.push([plan, `${JSON.stringify(newPlan(model, keep), undefined, 2)}\n`]);
  if (html !== undefined) texts.push([html, await inspectionPage(inspection, { all })]);
  const files = texts.map(([path, text]) => {
    const bytes = new TextEncoder().encode(text);
    return {
      path,
      byteLength: bytes.byteLength,
      write: (sink: { write(bytes: Uint8Array): Promise<void> }) => sink.write(bytes),
    };
  });
  if (files.length) await writeAllAtomically(files, { force, signal });
}

/** As wide as the terminal, or as COLUMNS says; what goes elsewhere has names in full. */
function terminalWidth(): number | undefined {
  return Number(process.env.COLUMNS) || process.stdout.columns || undefined;
}
