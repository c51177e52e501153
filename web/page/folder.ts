// A folder that was dropped, such as a repository from a hub: its model, with what belongs to it.
import { chooseModelFile } from "loewner/model/model-file.js";
import { isCalibration } from "./calibration.js";

/** As the browser has a file or a folder that was dropped; of it what is used. */
export interface Entry {
  readonly isDirectory: boolean;
  readonly name: string;
}
interface FolderEntry extends Entry {
  createReader(): { readEntries(take: (entries: Entry[]) => void, fail: (error: Error) => void): void };
}
interface FileEntry extends Entry {
  file(take: (file: File) => void, fail: (error: Error) => void): void;
}

/** Folders within folders that are looked into: exports lie in onnx/. */
const deepest = 2;

/**
 * The model that the command line takes of the same folder, what lies beside it, and the folder's own tokenizer.json and config.json.
 * @throws {FileError} when there is none, or several that no name tells apart
 */
export async function modelIn(folder: Entry): Promise<File[]> {
  const files = await filesBelow(folder as FolderEntry, "", deepest);
  const { file: chosen } = chooseModelFile([...files.keys()], folder.name);
  const place = chosen.slice(0, chosen.lastIndexOf("/") + 1);
  const isIndex = chosen.endsWith(".index.json");
  const isOther = (name: string) =>
    isIndex ? /\.(onnx|npy)$|\.index\.json$/i.test(name) : /\.(onnx|npy|safetensors|index\.json)$/i.test(name);
  const found = new Map<string, File>();
  for (const [path, file] of files) {
    const isBeside = path.slice(0, path.lastIndexOf("/") + 1) === place;
    const isCommon = /^(tokenizer|config)\.json$/.test(path) && !files.has(place + path);
    if (path === chosen || isCommon || (isBeside && !isOther(path) && !isCalibration(file))) found.set(path, file);
  }
  return [...found.values()];
}

/** By path from the folder. */
async function filesBelow(folder: FolderEntry, path: string, depth: number): Promise<Map<string, File>> {
  const found = new Map<string, File>();
  for (const entry of await entriesOf(folder)) {
    const name = `${path}${entry.name}`;
    if (!entry.isDirectory) found.set(name, await fileOf(entry as FileEntry));
    else if (depth > 1)
      for (const [below, file] of await filesBelow(entry as FolderEntry, `${name}/`, depth - 1)) found.set(below, file);
  }
  return found;
}

/** Browsers hand out a hundred or so at once. */
async function entriesOf(folder: FolderEntry): Promise<Entry[]> {
  const reader = folder.createReader();
  const all: Entry[] = [];
  for (;;) {
    const some = await new Promise<Entry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all.sort((a, b) => (a.name < b.name ? -1 : 1));
    all.push(...some);
  }
}

const fileOf = (entry: FileEntry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject));
