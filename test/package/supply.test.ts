// What comes with the package, and what happens when it is installed: nothing runs, everything is named and has a digest.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallModel, writeModel } from "../cli/run.js";
import { installPacked } from "./packed.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (...names: string[]) => readFileSync(join(root, ...names), "utf8");

interface Locked {
  resolved?: string;
  integrity?: string;
  link?: boolean;
  /** In the archive of another package, whose digest is theirs too. */
  inBundle?: boolean;
  dev?: boolean;
  hasInstallScript?: boolean;
}
const lock = JSON.parse(read("package-lock.json")) as { lockfileVersion: number; packages: Record<string, Locked> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");

describe("the package as npm packs it", () => {
  let packed: Awaited<ReturnType<typeof installPacked>>;
  beforeAll(async () => {
    packed = await installPacked();
  });
  afterAll(() => rmSync(packed.folder, { recursive: true }));

  test("runs nothing when it is installed", () => {
    const folder = join(packed.folder, "node_modules/loewner");
    const { scripts = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { scripts?: object };
    // `prepare` runs for packages that are installed from git.
    const atInstall = /^(pre|post)?(install|prepare|uninstall)$|^dependencies$/;
    expect(Object.keys(scripts).filter((name) => atInstall.test(name))).toEqual([]);
    const files = readdirSync(folder, { recursive: true }) as string[];
    expect(files.filter((name) => /(^|[/\\])binding\.gyp$/.test(name))).toEqual([]); // npm would run node-gyp
  });

  test("holds no file that belongs to a checkout or to a person", () => {
    const files = execFileSync("tar", ["-tzf", packed.tarball], { encoding: "utf8" }).trim().split("\n");
    const wrong = /(^|\/)(\.(?!vite)|node_modules\/|test\/|src\/)|\.(map|tgz|pem|key)$|npmrc|\.env/;
    expect(files.map((name) => name.replace(/^package\//, "")).filter((name) => wrong.test(name))).toEqual([]);
  });

  test("asks npm for every package that its files load, and for no other", () => {
    const folder = join(packed.folder, "node_modules/loewner");
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
      string,
      object
    >;
    const loaded = new Set<string>();
    for (const name of readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" })) {
      if (!/\.(js|d\.ts)$/.test(name) || /^web[/\\]/.test(name)) continue;
      const text = readFileSync(join(folder, "dist", name), "utf8");
      for (const [, from] of text.matchAll(/\b(?:from|import)\s*\(?\s*["']((?:@[\w.-]+\/)?[\w.-]+)(?:\/[^"']*)?["']/g))
        if (/^[@\w]/.test(from)) loaded.add(from);
    }
    const asked = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];
    expect([...loaded].filter((name) => !asked.includes(name))).toEqual([]);
    // The loader is in dist/, too; it stays among those that are named, as what every kernel call goes through.
    const idle = Object.keys(dependencies).filter((name) => !loaded.has(name));
    expect(idle).toEqual(["@assemblyscript/loader"]);
  });

  test("writes the page of inspect --html, uPlot and its license in it, where nobody installed uPlot", async () => {
    await writeModel(packed.folder, "model.safetensors", smallModel());
    const args = ["node_modules/loewner/dist/cli/main.js", "inspect", "model.safetensors", "--html", "page.html"];
    execFileSync(process.execPath, args, { cwd: packed.folder });
    const page = readFileSync(join(packed.folder, "page.html"), "utf8");
    expect(page).toMatch(/var uPlot=function/);
    expect(page).toMatch(/Copyright \(c\) \d+ Leon Sorokin/);
    expect(readFileSync(join(packed.folder, "node_modules/loewner/dist/LICENSES.txt"), "utf8")).toMatch(
      /^uplot [\d.]+ by Leon Sorokin, MIT\n\n[^]*Copyright \(c\) \d+ Leon Sorokin/m,
    );
  });

  test.each(["dist/LICENSES.txt", "dist/web/LICENSES.txt"])(
    "%s has the whole licence of all that is bundled",
    (name) => {
      const text = readFileSync(join(packed.folder, "node_modules/loewner", name), "utf8");
      const titles = [...text.matchAll(/^([@\w/.-]+) [\d.]+.*, \(?([A-Z][\w.-]+(?: AND [\w.-]+)*)\)?$/gm)];
      // The page cuts texts itself; elsewhere whoever calls brings what does, and npm what reads .csv.
      const isWeb = name.includes("web");
      const tokenizers: [string, string][] = isWeb ? [["@huggingface/tokenizers", "Apache-2.0"]] : [];
      const csv: [string, string][] = isWeb ? [["csv-parse", "MIT"]] : [];
      expect(titles.map(([, title, license]) => [title, license])).toEqual([
        ["@assemblyscript/loader", "Apache-2.0"],
        ["@bufbuild/protobuf", "Apache-2.0 AND BSD-3-Clause"],
        ...tokenizers,
        ["assemblyscript", "Apache-2.0"],
        ...csv,
        ["picomatch", "MIT"],
        ["uplot", "MIT"],
      ]);
      const said = titles.map(({ index }, i) => text.slice(index, titles[i + 1]?.index));
      const apache = /TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION[^]*END OF TERMS AND CONDITIONS/;
      const bsd =
        /Copyright 2008 Google Inc\.[^]*Redistributions in binary form must reproduce[^]*POSSIBILITY OF SUCH DAMAGE/;
      const mit = /Copyright \(c\) [^]*THE SOFTWARE IS PROVIDED "AS IS"/;
      // pow, exp and log in the kernel are the compiler's, after musl: its notice comes along, as Apache-2.0 asks.
      const notice = /Portions of this software are derived from third-party works[^]*musl libc[^]*Rich Felker/;
      for (const [i, texts] of [
        [apache],
        [apache, bsd],
        ...tokenizers.map(() => [apache]),
        [apache, notice],
        ...csv.map(() => [mit]),
        [mit],
        [mit],
      ].entries())
        for (const each of texts) expect(said[i], titles[i][1]).toMatch(each);
    },
  );

  test("is published with provenance", () => {
    const { publishConfig } = JSON.parse(read("package.json")) as { publishConfig?: unknown };
    expect(publishConfig).toEqual({ access: "public", provenance: true });
  });
});

describe("the lock file", () => {
  test("has a SHA-512 of every package, and names no host", () => {
    expect(lock.lockfileVersion).toBe(3);
    expect(locked.length).toBeGreaterThan(100);
    const own = locked.filter(([, { inBundle }]) => !inBundle);
    const without = own.filter(([, { integrity, link }]) => link || !/^sha512-[\w+/]{86}==$/.test(integrity ?? ""));
    expect(without.map(([path]) => path)).toEqual([]);
    // .npmrc asks npm for it: a lock file that names hosts would install from whichever somebody put there.
    expect(locked.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  test("names what package.json asks for, in exact versions", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
      string,
      Record<string, string>
    >;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
  });

  test("what has an install script is known, is for development alone, and is not run", () => {
    const some = locked.filter(([, { hasInstallScript }]) => hasInstallScript);
    // One builds what packs bullmq's messages faster, the other prints a warning about versions.
    const known = ["node_modules/msgpackr-extract", "node_modules/protobufjs"];
    expect(some.map(([path]) => path).sort()).toEqual(known);
    expect(some.every(([, { dev }]) => dev)).toBe(true);
    expect(read("scripts/setup.mjs")).toMatch(/\["ci", "--ignore-scripts"\]/);
  });
});

describe("workflows", () => {
  const folder = join(root, ".github/workflows");
  test.each(readdirSync(folder))("%s: actions are pinned to commits, permissions begin with none", (name) => {
    const text = read(".github/workflows", name);
    const uses = [...text.matchAll(/uses: *(\S+)(.*)/g)];
    for (const [, action, comment] of uses) {
      expect(action).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/);
      expect(comment).toMatch(/# v\d+\.\d+\.\d+/);
    }
    expect(text).toMatch(/^permissions: \{\}$/m);
    expect(text).not.toMatch(/pull_request_target|secrets\./);
    expect(text.match(/id-token: write/g)?.length ?? 0).toBeLessThanOrEqual(1);
  });
});
