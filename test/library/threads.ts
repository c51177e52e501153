// The built package: workers need scripts that Node can run.
export const { createLoewner, isLoewnerError } = (await import(
  new URL("../../dist/index.js", import.meta.url).href
)) as typeof import("../../src/index.js");

/** Every matrix is large enough for threads. */
export const always = { threadBytes: 0, tileRows: 256 };
