/** Names of a model's classes, in the order of its outputs, out of its config.json; undefined where that says none, or only LABEL_0. */
export function classNamesIn(config: unknown): string[] | undefined {
  const { id2label } = (config ?? {}) as { id2label?: Record<string, unknown> };
  const names = Object.values(id2label ?? {});
  return names.length > 0 && names.every((name) => typeof name === "string" && !/^LABEL_\d+$/.test(name))
    ? (names as string[])
    : undefined;
}
