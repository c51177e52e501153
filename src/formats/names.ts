// Names in messages.

/** At most 12 names, for a message. */
export function listNames(names: readonly string[]): string {
  if (names.length === 0) return "no files at all";
  return names.slice(0, 12).join(", ") + (names.length > 12 ? `, ... (${names.length} in all)` : "");
}
