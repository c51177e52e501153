/**
 * Finds an onnxruntime in Node, Deno or Bun. Neither is a dependency of this package: onnxruntime-node is a native library,
 * onnxruntime-web is WebAssembly and needs nothing but itself.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { InvalidInputError, OutOfMemoryError } from "../errors.js";
import { ModelProtoSchema } from "../formats/onnx/onnx_pb.js";
import { isHttpAddress } from "../formats/http-bytes.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import { type OnnxRuntime, type RunnableModel, runnableModel } from "../model/onnx/runtime.js";
import { importInstalled } from "./installed.js";

export type RuntimeKind = "node" | "web";

export interface InstalledRuntime extends OnnxRuntime {
  readonly kind: RuntimeKind;
  /** Package and version: `onnxruntime-web 1.30.0`. */
  readonly name: string;
}

/** What is used of the packages' `env` beyond OnnxRuntime. */
interface Namespace extends OnnxRuntime {
  readonly env: {
    logLevel?: string;
    readonly versions?: Readonly<Record<string, string | undefined>>;
    readonly wasm?: { numThreads?: number };
  };
}

const packageOf = { node: "onnxruntime-node", web: "onnxruntime-web" } as const;
const install = {
  node: "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node",
  web: "npm install onnxruntime-web",
} as const;
const skipping =
  "ONNXRUNTIME_NODE_INSTALL=skip spares the native package a download of GPU libraries, which the CPU does not need";

/**
 * Loads onnxruntime-node where it can be resolved and loaded, else onnxruntime-web; `kind` asks for one of them. Both are looked
 * for beside this package and then in the current folder's node_modules. onnxruntime-web runs in one thread.
 * @throws {InvalidInputError} when there is none: the message has the commands that install one. When the one asked for is
 *   there but does not load, the message has its reason.
 */
export async function loadRuntime(kind?: RuntimeKind): Promise<InstalledRuntime> {
  const failures: string[] = [];
  for (const candidate of kind ? [kind] : (["node", "web"] as const)) {
    try {
      const namespace = await importInstalled<Namespace>(packageOf[candidate], "InferenceSession");
      if (namespace) return await ready(namespace, candidate);
    } catch (cause) {
      // There, but not for this machine: the other one may do.
      const reason = cause instanceof Error ? cause.message : String(cause);
      failures.push(`${packageOf[candidate]} is installed, but does not load: ${reason}`);
    }
  }
  if (failures.length) throw new InvalidInputError(`${failures.join("; ")}. Install it anew, or the other one.`);
  const missing = kind ? `${packageOf[kind]} is not installed, and running a model needs it.` : noneInstalled;
  throw new InvalidInputError(`${missing} ${howToInstall(kind)}`, { file: packageOf[kind ?? "web"] });
}

const noneInstalled =
  "Neither onnxruntime-node nor onnxruntime-web is installed, and running a model needs one of them.";

/** That there is no onnxruntime at all, and how to install one; undefined where there is one, though it may not load. */
export async function missingRuntime(): Promise<string | undefined> {
  for (const name of Object.values(packageOf)) {
    const found = await importInstalled<Namespace>(name, "InferenceSession").catch(() => true);
    if (found) return undefined;
  }
  return `${noneInstalled} ${howToInstall(undefined)}`;
}

function howToInstall(kind: RuntimeKind | undefined): string {
  if (kind === "web") return `Install it: ${install.web}`;
  if (kind === "node") return `Install it: ${install.node} (${skipping}).`;
  return `Install one: ${install.web}, or, faster: ${install.node} (${skipping}).`;
}

/** Set up, and its start (compiling WebAssembly takes a second) behind it, so that it is not counted as loading a model. */
async function ready({ env, InferenceSession, Tensor }: Namespace, kind: RuntimeKind): Promise<InstalledRuntime> {
  env.logLevel = "fatal"; // what goes wrong is thrown
  if (kind === "web") {
    if (env.wasm) env.wasm.numThreads = 1; // one thread needs no workers
    await InferenceSession.create(identity, { logSeverityLevel: 4 }).then((session) => session.release());
  }
  const version = env.versions?.[kind] ?? env.versions?.common;
  return { kind, name: [packageOf[kind], version].filter(Boolean).join(" "), InferenceSession, Tensor };
}

const scalar = { tensorType: { elemType: 1, shape: {} } };
/** y = x: the smallest model that loads. IR version 8, opset 13. */
const identity = toBinary(
  ModelProtoSchema,
  create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ version: 13n }],
    graph: {
      name: "identity",
      input: [{ name: "x", type: scalar }],
      output: [{ name: "y", type: scalar }],
      node: [{ opType: "Identity", input: ["x"], output: ["y"] }],
    },
  }),
);

/** Two models, and the bytes of one while it loads, must fit 4 GiB of WebAssembly memory. */
const maxWebBytes = 2 ** 30;

/**
 * A model in a file: onnxruntime-node opens the file, and the external data beside it, by its path; onnxruntime-web, and either of them for an http address, is given bytes.
 * @throws {OutOfMemoryError} when onnxruntime-web has no room for it.
 */
export function runnableFile(runtime: InstalledRuntime, path: string, model: OnnxModel): RunnableModel {
  const inMemory = runnableModel(model);
  if (runtime.kind === "node" && !isHttpAddress(path)) return { ...inMemory, load: async () => ({ model: path }) };
  if (runtime.kind !== "node" && model.byteLength > maxWebBytes) {
    throw new OutOfMemoryError(
      `${path} takes ${model.byteLength} bytes; models of at most ${maxWebBytes} bytes can be compared in onnxruntime-web. Use onnxruntime-node: ${install.node}`,
      { file: path },
    );
  }
  return inMemory;
}
