// npm run web: builds the page and serves it on this machine; arguments go to `loewner serve`.
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

setup({ page: true });
process.argv.splice(2, 0, "serve");
process.argv[1] = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
await import("../dist/cli/main.js");
