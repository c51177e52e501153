/**
 * Paths that stand in files of strangers: in an index of shards, in a tensor with external data, in the listing of a hub. Every such
 * path is checked by this before it is joined to a folder or an address, on whatever system.
 */

/**
 * What is wrong with a path that must lead to a file below its own folder, or undefined. "." and empty parts between folders are
 * allowed, as ONNX has them.
 */
export function innerPathFault(path: string): string | undefined {
  if (path === "") return "is empty";
  if (path.includes("\0")) return "holds a NUL byte";
  if (/\p{Cc}/u.test(path)) return "holds a control character";
  if (/^[a-z]:/i.test(path)) return "names a drive: give the file's path from the model's folder on";
  if (path.includes("\\")) return "holds a backslash: folders are separated by /, so replace \\ by / in it";
  if (path.startsWith("/")) return "is absolute: give the file's path from the model's folder on";
  // Also a scheme (file:, http:), and on Windows a stream of a file.
  if (path.includes(":")) return "holds a colon";
  const parts = path.split("/");
  if (parts.includes("..")) return "leads out of the model's folder (..)";
  // Windows leaves such ends out: ".. " would be "..".
  if (parts.some((part) => /^\.[. ]+$/.test(part))) return "has a part of dots and spaces";
  if (path.endsWith("/")) return "names a folder";
  return undefined;
}

/** The same without "." and empty parts: one file has one such path. */
export function staysInFolder(path: string): boolean {
  return innerPathFault(path) === undefined && path.split("/").every((part) => part !== "" && part !== ".");
}
