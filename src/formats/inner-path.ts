/**
 * True for a relative path that cannot leave its folder on any system: / between its parts, none of them empty, "." or
 * "..", and no backslash, drive letter or NUL. What names files from inside a file that strangers made is checked by it.
 */
export function staysInFolder(path: string): boolean {
  return !/[\\:\0]/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
