// Runs a model in onnxruntime-web, on one thread of wasm.
import * as ort from "onnxruntime-web";
import type { BuiltModel, InputTensor } from "./cases.js";

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

export interface OutputTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** All outputs, their numbers widened. Models in these tests give no outputs of 16 bits. */
export async function run(
  { bytes, external = new Map() }: BuiltModel,
  inputs: Readonly<Record<string, InputTensor>>,
): Promise<Record<string, OutputTensor>> {
  const externalData = [...external].map(([path, data]) => ({ path, data }));
  const session = await ort.InferenceSession.create(bytes, { externalData, logSeverityLevel: 3 });
  try {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
    );
    const outputs = await session.run(feeds);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { type, dims, data }]) => {
        const numbers = Float64Array.from(data as ArrayLike<number | bigint>, Number);
        return [name, { type, dims, data: numbers }];
      }),
    );
  } finally {
    await session.release();
  }
}
