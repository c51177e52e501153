// Models of any format from a path or a hub address: opened, handed to a command, closed.
import { setOf, type SafetensorsSet } from "../model/safetensors/set.js";
import type { OnnxModel } from "../formats/index.js";
import { safetensorsModel, type Model } from "../model/index.js";
import { resolveModel } from "../node/hub/hub.js";
import { openModelPath } from "../node/open.js";
import type { Context } from "./context.js";

export type OpenModel = { readonly model: Model; readonly path: string; readonly files: readonly string[] } & (
  { readonly kind: "onnx"; readonly file: OnnxModel } | { readonly kind: "safetensors"; readonly file: SafetensorsSet }
);

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
  const found = isModelAddress(path)
    ? { path, description: path }
    : await resolveModel(path, { signal, limits, onProgress, offline: options.offline });
  context.endProgress();
  if (found.path !== path) context.say(found.description);
  const open = await openModelPath(found.path, { signal, limits });
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
