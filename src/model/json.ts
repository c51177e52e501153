// JSON has no Infinity, which p may be: it is written as the text "Infinity".

/** For JSON.stringify. */
export function infinityAsText(_key: string, value: unknown): unknown {
  return value === Infinity ? "Infinity" : value;
}

/** For JSON.parse. */
export function textAsInfinity(_key: string, value: unknown): unknown {
  return value === "Infinity" ? Infinity : value;
}
