// The public names of each entry point as Markdown, from the doc comments.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";

/** Entry points, in the order of the site; `name` is what is imported, `first` what one looks for first. */
export const entryPoints = [
  { name: "loewner", source: "src/index.ts", module: "index", first: ["createLoewner()", "Loewner"] },
  { name: "loewner/model", source: "src/model/index.ts", module: "model", first: ["shrinkModel()", "compressModel()"] },
  { name: "loewner/formats", source: "src/formats/index.ts", module: "formats", first: [] },
  { name: "loewner/node", source: "src/node.ts", module: "node", first: ["compressFile()"] },
].map((entry) => ({ ...entry, page: `api-${entry.module}.html` }));

/** typedoc orders the names of a group by the alphabet: these come before the others of theirs. */
function withFirst(text, names) {
  const groups = text.split(/^(?=## )/m).map((group) => {
    const [head, ...rest] = group.split(/^(?=### )/m);
    const bodies = rest.map((body) => body.replace(/\n+\*\*\*\n*$/, "\n").trimEnd());
    const nameOf = (body) => /^### (.*)/.exec(body)[1];
    const named = names.flatMap((name) => bodies.filter((body) => nameOf(body) === name));
    const sorted = [...named, ...bodies.filter((body) => !named.includes(body))];
    return sorted.length > 0 ? `${head}${sorted.join("\n\n***\n\n")}\n\n` : group;
  });
  const missing = names.filter((name) => !groups.some((group) => group.includes(`### ${name}\n`)));
  if (missing.length > 0) throw new Error(`The API has no ${missing.join(", ")}.`);
  return groups.join("");
}

/**
 * @param {string} root of the repository
 * @returns {Promise<{ name: string, page: string, text: string }[]>} links between entry points are those to `module`.md
 */
export async function apiPages(root) {
  const out = mkdtempSync(join(tmpdir(), "loewner-api-"));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: [fileURLToPath(import.meta.resolve("typedoc-plugin-markdown"))],
      entryPoints: entryPoints.map(({ source }) => join(root, source)),
      tsconfig: join(root, "tsconfig.json"),
      logLevel: "Error",
      skipErrorChecking: true, // tsc has looked already
      router: "module",
      readme: "none",
      excludeInternal: true,
      excludePrivate: true,
      excludeProtected: true,
      excludeExternals: true,
      disableSources: true,
      hideBreadcrumbs: true,
      hidePageHeader: true,
      hidePageTitle: true,
      useCodeBlocks: true,
      groupOrder: ["Functions", "Interfaces", "Classes", "Type Aliases", "Variables"],
      blockTags: [
        "@generated",
        "@param",
        "@returns",
        "@throws",
        "@typeParam",
        "@example",
        "@see",
        "@default",
        "@deprecated",
      ],
      ...Object.fromEntries(
        ["parameters", "interfaceProperties", "classProperties", "typeDeclaration", "enumMembers"].map((what) => [
          `${what}Format`,
          "table",
        ]),
      ),
    });
    const project = await app.convert();
    if (!project) throw new Error("typedoc could not read the sources; what it found is above.");
    await app.outputs.writeOutput({ name: "markdown", path: out }, project);
    if (app.logger.hasErrors()) throw new Error("typedoc could not write the API; what it found is above.");
    return entryPoints.map(({ name, page, module, first }) => ({
      name,
      page,
      text: withFirst(readFileSync(join(out, `${module}.md`), "utf8"), first),
    }));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
