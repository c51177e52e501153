import type { createLoewner, CreateOptions } from "../../src/index.js";

export function answer(create: typeof createLoewner, options?: CreateOptions): Promise<string>;
