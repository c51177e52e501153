// Before each file of tests: processes and threads that it starts leave their coverage in build/coverage/raw/. Set here and not for
// vitest itself, which has its own way to count.
import { fileURLToPath } from "node:url";

process.env.NODE_V8_COVERAGE = fileURLToPath(new URL("../build/coverage-raw", import.meta.url));
