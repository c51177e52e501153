// What TypeScript and the linters of packages see of the archive that npm makes.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installPacked, loadTool } from "./packed.js";

const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

let folder: string;
let archive: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  const packed = await installPacked();
  folder = packed.folder;
  archive = new Uint8Array(readFileSync(packed.tarball));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("publint has nothing to say", async () => {
  type Publint = { publint(options: object): Promise<{ messages: unknown[] }> };
  const { publint } = await loadTool<Publint>("publint");
  const { messages } = await publint({ pack: { tarball: archive.buffer }, level: "suggestion", strict: true });
  expect(messages).toEqual([]);
});

test("attw finds types for every entry point, for modules by nodenext and bundlers", async () => {
  interface Problem {
    kind: string;
    entrypoint?: string;
    resolutionKind?: string;
  }
  interface AreTheTypesWrong {
    createPackageFromTarballData(archive: Uint8Array): unknown;
    checkPackage(of: unknown): Promise<{ entrypoints: Record<string, unknown>; problems: Problem[] }>;
  }
  const { createPackageFromTarballData, checkPackage } = await loadTool<AreTheTypesWrong>("@arethetypeswrong/core");
  const { entrypoints, problems } = await checkPackage(createPackageFromTarballData(archive));
  expect(Object.keys(entrypoints)).toEqual(expect.arrayContaining([".", "./formats", "./model", "./node"]));
  // The package has modules only: resolution without exports, and require() before Node 22, are not offered.
  const offered = problems.filter(({ resolutionKind }) => !/^(node10|node16-cjs)$/.test(resolutionKind ?? ""));
  expect(offered).toEqual([]);
});

const consumer = `
import { createLoewner, isLoewnerError, type CreateOptions, type Loewner, type LowRankResult } from "loewner";
import { openNpy, bytesSource } from "loewner/formats";
import { compressModel, type CompressedModel } from "loewner/model";
import kernel from "loewner/kernel.wasm";

const options: CreateOptions = { threads: 2, kernel };
const loewner: Loewner = await createLoewner(options);
const result: LowRankResult = await loewner.lowRank({ data: new Float32Array(6), rows: 3, cols: 2 }, { rank: 1 });
export const bound: number = result.report.certificate.bound;
export const compress: (...of: Parameters<typeof compressModel>) => Promise<CompressedModel> = compressModel;
export const read = (bytes: Uint8Array) => openNpy(bytesSource(bytes, "a.npy"));
export const isMemory = (error: unknown) => isLoewnerError(error, "OUT_OF_MEMORY");
// @ts-expect-error: a rank is a number
void loewner.lowRank({ data: new Float32Array(6), rows: 3, cols: 2 }, { rank: "1" });
`;
const inNode = `
import { openFile } from "loewner/node";
export const size = async () => (await openFile("a.npy")).size;
`;

const node = { module: "nodenext", types: ["node"] };
const bundler = { module: "esnext", moduleResolution: "bundler", types: [], skipLibCheck: true };
const settings: [name: string, files: Record<string, string>, options: object][] = [
  // Node's types lack WebAssembly before version 22, which tsc --init's skipLibCheck forgives.
  [
    "nodenext, without a page's types",
    { main: consumer, node: inNode },
    { ...node, lib: ["es2023"], skipLibCheck: true },
  ],
  ["nodenext, every declaration checked", { main: consumer, node: inNode }, { ...node, skipLibCheck: false }],
  ["bundler, with a page's types", { main: consumer }, bundler],
];

test.each(settings)("tsc: %s", (name, files, options) => {
  const project = join(folder, name.replace(/\W+/g, "-"));
  mkdirSync(join(project, "src"), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, `src/${file}.ts`), text);
  const typeRoots = [join(modules, "@types")];
  const compilerOptions = { target: "es2022", strict: true, noEmit: true, typeRoots, ...options };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
  const { stdout } = spawnSync(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", project], {
    encoding: "utf8",
  });
  expect(stdout).toBe("");
});
