// What coordinator and workers must have in common for their bytes to be the same.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { kernelHex } from "../kernel/wasm.generated.js";

// By its own name the package is found from wherever its files lie.
const { version } = createRequire(import.meta.url)("loewner/package.json") as { version: string };

/** Version and kernel: workers of another one do not see this one's jobs. */
export const release = `${version}-${createHash("sha256").update(kernelHex).digest("hex").slice(0, 12)}`;
