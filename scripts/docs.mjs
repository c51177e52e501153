// npm run docs: the docs site in build/docs. Fails when a link of it leads nowhere.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { setup, setupDocs } from "./setup.mjs";

setup();
setupDocs();
const { buildSite } = await import("./docs/site.mjs");

const root = fileURLToPath(new URL("..", import.meta.url));
const out = fileURLToPath(new URL("../build/docs", import.meta.url));
const { pages, broken } = await buildSite(root, out);
for (const sentence of broken) process.stderr.write(`${sentence}\n`);
process.stdout.write(`${pages} pages in ${relative(process.cwd(), out)}; open index.html\n`);
if (broken.length > 0) process.exitCode = 1;
