/** A glob that matches this name alone, for options that take globs. */
export const asGlob = (name: string) => name.replace(/[\\*?[\]{}()!+@|]/g, "\\$&");
