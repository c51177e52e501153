// Sets up, then runs a script of this project: node scripts/run.mjs examples/demo.mjs [arguments].
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";

setup();
const [script] = process.argv.splice(2, 1);
process.argv[1] = resolve(script);
await import(pathToFileURL(process.argv[1]).href);
