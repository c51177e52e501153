// npm run schema: src/formats/onnx/onnx_pb.ts from onnx.proto, by buf and protoc-gen-es, which nothing else needs.
import { execFileSync } from "node:child_process";

// A dependency brings an old npm along, which scripts find first: the one that runs this script is named in the environment.
const npm = process.env.npm_execpath;
if (!npm) throw new Error('run this as "npm run schema"');
const packages = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.17.0"].map((name) => `--package=${name}`);
const args = [npm, "exec", "--yes", ...packages, "--", "buf", "generate", "--template", "scripts/buf.gen.yaml"];
execFileSync(process.execPath, args, { stdio: "inherit" });
