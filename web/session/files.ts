// Which of the files that were dropped is the model, and where the others come in.
import { FileError, InvalidFormatError, InvalidInputError } from "loewner";
import { blobSource, type ByteSource } from "loewner/formats";
import { sniff, sniffedBytes } from "loewner/formats/sniff.js";

export interface Dropped {
  readonly kind: "onnx" | "safetensors" | "npy";
  readonly main: File;
  /** Finds a file that the model names, relative to its folder: a page is given names without folders. */
  readonly beside: (location: string) => ByteSource;
  readonly config?: File;
  readonly tokenizer?: File;
}

const isTokenizer = ({ name }: File) => /(^|[._-])tokenizer\.json$/i.test(name);
const isConfig = ({ name }: File) => name === "config.json";
const isIndex = ({ name }: File) => /\.index\.json$/i.test(name);

/** @throws {InvalidInputError} unless there is exactly one model: the message names what there is */
export async function sortFiles(files: readonly File[]): Promise<Dropped> {
  const indices = files.filter(isIndex);
  // Shards stand in their index.
  const candidates = indices.length ? indices : files.filter(({ name }) => /\.(onnx|safetensors|npy)$/i.test(name));
  const others = files.filter((file) => !candidates.includes(file) && !isTokenizer(file) && !isConfig(file));
  // A model without a telling name is known by its first bytes, unless it is one of the files beside another.
  const models = candidates.length ? candidates : others.length === 1 ? others : [];
  if (models.length === 0) throw new InvalidInputError(nothingIn(files));
  if (models.length > 1) {
    throw new InvalidInputError(
      `${models.length} models at once: ${names(models)}. Drop one, with what belongs to it: external data, shards, config.json, tokenizer.json.`,
    );
  }
  const [main] = models;
  const beside = (location: string) => {
    const wanted = location.split("/").at(-1);
    const found = files.find(({ name }) => name === wanted);
    if (found) return blobSource(found);
    throw new FileError(
      `${main.name} keeps a part of its numbers in a file named "${location}". Choose it again with that file beside it.`,
      { file: location },
    );
  };
  return {
    kind: await kindOf(main),
    main,
    beside,
    config: files.find(isConfig),
    tokenizer: files.find(isTokenizer),
  };
}

const names = (files: readonly File[]) => files.map(({ name }) => name).join(", ");

function nothingIn(files: readonly File[]): string {
  const wanted = "a model (.onnx, .safetensors) or a matrix (.npy)";
  if (files.length === 0) return `Nothing was dropped that is a file; ${wanted} was expected.`;
  if (files.every(isTokenizer)) return `${names(files)} is a tokenizer. Drop ${wanted} first, or both together.`;
  return `There is no model among ${names(files)}; ${wanted} was expected.`;
}

async function kindOf(file: File): Promise<Dropped["kind"]> {
  if (/\.onnx$/i.test(file.name)) return "onnx";
  if (/\.(safetensors|index\.json)$/i.test(file.name)) return "safetensors";
  if (/\.npy$/i.test(file.name)) return "npy";
  const start = new Uint8Array(await file.slice(0, sniffedBytes).arrayBuffer());
  if (start[0] === 0x93) return "npy";
  if (start[0] === 0x08 && start[8] !== 0x7b) return "onnx";
  if (start[8] === 0x7b) return "safetensors";
  const what = sniff(start) || " Models of other kinds have to be exported to one of these first.";
  throw new InvalidFormatError(
    `${file.name} is neither an ONNX model (.onnx), nor a safetensors file (.safetensors), nor a NumPy matrix (.npy).${what}`,
    { file: file.name },
  );
}
