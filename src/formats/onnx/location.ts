/** Where external data may lie: beside the model or in folders under its own, and nowhere else. */

/**
 * What is wrong with the location of external data, or undefined. ONNX has it relative to the folder of the model, with
 * no way up; a file from a stranger must not reach any other file of the machine.
 */
export function locationFault(location: string): string | undefined {
  if (location === "") return "is empty";
  if (location.includes("\0")) return "holds a NUL byte";
  if (location.includes("\\")) return "holds a backslash; folders are separated by /";
  if (location.startsWith("/")) return "is absolute";
  if (/^[a-z]:/i.test(location)) return "names a drive";
  if (location.split("/").includes("..")) return "leads out of the model's folder (..)";
  if (location.endsWith("/")) return "names a folder";
  return undefined;
}
