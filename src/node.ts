/** The public names of `loewner/node`: what needs files or a network, for Node, Deno and Bun. */
export { type CalibrationData, type CalibrationDataOptions, readCalibrationData } from "./node/calibration-data.js";
export { compressFile, type CompressedFile, type CompressFileOptions } from "./node/compress-file.js";
export { type EvaluationFiles, readEvaluationData } from "./node/evaluation-data.js";
export { openFile, type FileSource, writeAllAtomically, writeAtomically, type FileToWrite } from "./node/files/file.js";
export { openSpill, type SpillFile } from "./node/files/spill.js";
export { onnxFolderResolver, type OnnxFolderResolver } from "./node/files/onnx-external.js";
export { resolveModel, type ResolvedModel, type ResolveOptions } from "./node/hub/hub.js";
export { FolderJournal, type JournalOptions, openJournal } from "./node/journal/journal.js";
export { type OpenModel, openModelPath } from "./node/open.js";
export { loadTokenizer } from "./node/tokenizers.js";
export { type InstalledRuntime, loadRuntime, runnableFile, type RuntimeKind } from "./node/onnxruntime.js";
