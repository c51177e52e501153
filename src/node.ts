/** The public names of `loewner/node`: what needs files or a network, for Node, Deno and Bun. */
export {
  openFile,
  type FileSource,
  writeAllAtomically,
  writeAtomically,
  type FileToWrite,
} from "./formats/node-file.js";
export { openSpill, type SpillFile } from "./formats/node-spill.js";
export { onnxFolderResolver, type OnnxFolderResolver } from "./formats/onnx/node-external.js";
export { resolveModel, type ResolvedModel, type ResolveOptions } from "./model/hub/node-hub.js";
export { FolderJournal, type JournalOptions, openJournal } from "./model/node-journal.js";
export { type OpenModel, openModelPath } from "./model/node-open.js";
export { type InstalledRuntime, loadRuntime, runnableFile, type RuntimeKind } from "./model/onnx/node-runtime.js";
