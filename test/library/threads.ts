// The built package: workers need scripts that Node can run.
import type * as Loewner from "../../src/index.js";

const index = new URL("../../dist/index.js", import.meta.url).href;
export const { createLoewner, isLoewnerError } = (await import(index)) as typeof Loewner;

/** Every matrix is large enough for threads. */
export const always = { threadBytes: 0, tileRows: 256 };
