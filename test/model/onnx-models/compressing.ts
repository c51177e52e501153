// Compresses a case in memory through the library.
import { bytesSource, memorySink } from "../../../src/formats/index.js";
import { openOnnx } from "../../../src/formats/onnx/open.js";
import type { Loewner } from "../../../src/index.js";
import { compressModel, type CompressedModel, type CompressOptions, onnxModel } from "../../../src/model/index.js";
import type { BuiltModel } from "./cases.js";

export interface Compressed extends BuiltModel {
  readonly report: CompressedModel;
}

export async function open({ bytes, external }: BuiltModel) {
  const resolver = external && ((location: string) => bytesSource(external.get(location)!, location));
  return onnxModel(await openOnnx(bytesSource(bytes, "model.onnx"), { external: resolver }));
}

export async function compress(loewner: Loewner, built: BuiltModel, options: CompressOptions): Promise<Compressed> {
  const report = await compressModel(loewner, await open(built), { mainName: "small.onnx", ...options });
  const external = new Map<string, Uint8Array>();
  for (const file of report.files) {
    const sink = memorySink();
    await file.write(sink);
    external.set(file.name, sink.bytes());
  }
  const bytes = external.get("")!;
  external.delete("");
  return { report, bytes, ...(external.size > 0 && { external }) };
}
