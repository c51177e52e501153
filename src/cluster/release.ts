// What coordinator and workers must have in common for their bytes to be the same.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { kernelHex } from "../kernel/wasm.generated.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Version and kernel: workers of another one do not see this one's jobs. */
export const release = `${version}-${createHash("sha256").update(kernelHex).digest("hex").slice(0, 12)}`;
