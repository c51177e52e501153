// Models of any format from a path or a hub address: opened, handed to a command, closed.
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FileError, InvalidInputError, isLoewnerError } from "../errors.js";
import { listNames } from "../formats/names.js";
import { setOf, type SafetensorsSet } from "../model/safetensors/set.js";
import type { OnnxModel } from "../formats/index.js";
import { safetensorsModel, type Model } from "../model/index.js";
import { codeOf } from "../node/files/faults.js";
import { resolveModel } from "../node/hub/hub.js";
import { openModelPath } from "../node/open.js";
import type { Context } from "./context.js";

export type OpenModel = { readonly model: Model; readonly path: string; readonly files: readonly string[] } & (
  { readonly kind: "onnx"; readonly file: OnnxModel } | { readonly kind: "safetensors"; readonly file: SafetensorsSet }
);

/** What may have been meant by a path at which nothing is: a model of the hub, or one that lies in the same folder. */
async function notThere(path: string, error: unknown): Promise<FileError | undefined> {
  if (!isLoewnerError(error, "FILE") || error.place.file !== path || codeOf(error.cause) !== "ENOENT") return undefined;
  const isRepository = /^[\w-][\w.-]*\/[\w.-]+$/.test(path) && !/\.(onnx|safetensors|json)$/i.test(path);
  const names = await readdir(dirname(path)).catch((): string[] => []);
  const models = names.filter((name) => /\.(onnx|safetensors)$/i.test(name)).map((name) => join(dirname(path), name));
  const way = isRepository
    ? `For the model of that name on the hub write hf:${path}.`
    : models.length
      ? `There is ${listNames(models)}.`
      : "Check the path.";
  return new FileError(`No such file: ${path}. ${way}`, { file: path }, { cause: error.cause as Error });
}

/** Of a model's own file; other web addresses are mostly pages about one. */
const isModelAddress = (path: string) => /^https?:\/\/[^?#]+\.(safetensors|onnx|index\.json)(\?|$)/i.test(path);

/**
 * Finds a model, opens it, hands it to `body`, closes it.
 * @param options.requantise weights of an ONNX model that are quantised already are layers, as the floats that they stand for
 */
export async function withModel<T>(
  context: Context,
  path: string,
  body: (open: OpenModel) => Promise<T>,
  { requantise = false }: { requantise?: boolean } = {},
): Promise<T> {
  const { signal, limits, progress: onProgress, options } = context;
  if (path === "-")
    throw new InvalidInputError("A model is read by ranges, which stdin does not have. Name a file in place of -.");
  const found = isModelAddress(path)
    ? { path, description: path }
    : await resolveModel(path, { signal, limits, onProgress, offline: options.offline });
  context.endProgress();
  if (found.path !== path) context.say(found.description);
  const open = await openModelPath(found.path, { signal, limits }).catch(async (error: unknown) =>
    Promise.reject((await notThere(found.path, error)) ?? error),
  );
  const { path: main, files, others } = open;
  if (others.length > 0)
    context.say(
      `${path} has ${[main.slice(path.length).replace(/^[/\\]/, ""), ...others].join(", ")}: the first was taken. Name another to take it.`,
    );
  try {
    if (open.kind === "onnx") {
      const { onnxModel } = await import("../model/onnx/model.js");
      const { dequantisedModel } = await import("../model/onnx/quantised/view.js");
      const file = requantise ? await dequantisedModel(open.file) : open.file;
      return await body({ kind: "onnx", file, path: main, files, model: await onnxModel(file) });
    }
    const model = safetensorsModel(open.file, { config: open.config });
    return await body({ kind: "safetensors", file: setOf(open.file), path: main, files, model });
  } finally {
    await open.close();
  }
}
