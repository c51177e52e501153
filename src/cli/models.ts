// Models of any format from a path: opened, handed to a command, closed.
import { InvalidInputError } from "../errors.js";
import { openOnnx, openSafetensors, type OnnxModel, type SafetensorsFile } from "../formats/index.js";
import { openFile } from "../formats/node-file.js";
import { onnxFolderResolver } from "../formats/onnx/node-external.js";
import { onnxModel, safetensorsModel, type Model } from "../model/index.js";

export type OpenModel = { readonly model: Model; readonly path: string } & (
  { readonly kind: "onnx"; readonly file: OnnxModel } | { readonly kind: "safetensors"; readonly file: SafetensorsFile }
);

/** Opens a model, hands it to `body`, closes it. */
export async function withModel<T>(path: string, body: (open: OpenModel) => Promise<T>): Promise<T> {
  if (/\.npy$/i.test(path)) {
    throw new InvalidInputError(`${path} is a matrix, not a model; use "loewner low-rank ${path}".`, { file: path });
  }
  const source = await openFile(path);
  const closing: (() => Promise<unknown>)[] = [() => source.close()];
  try {
    if (/\.onnx$/i.test(path)) {
      const external = onnxFolderResolver(path);
      closing.push(() => external.close());
      const file = await openOnnx(source, { external });
      return await body({ kind: "onnx", file, path, model: await onnxModel(file) });
    }
    const file = await openSafetensors(source);
    return await body({ kind: "safetensors", file, path, model: safetensorsModel(file) });
  } finally {
    for (const close of closing) await close();
  }
}
