// Packages that this one uses where somebody has installed them.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * A package's namespace, looked for beside this package and then in the current folder's node_modules; undefined where it is not
 * installed.
 * @param name one of its exports, which may lie in its default export
 */
export async function importInstalled<Namespace>(
  packageName: string,
  name: keyof Namespace,
): Promise<Namespace | undefined> {
  const here = createRequire(import.meta.url);
  const there = createRequire(join(process.cwd(), "package.json"));
  for (const require of [here, there]) {
    let path: string;
    try {
      path = require.resolve(packageName);
    } catch {
      continue;
    }
    const imported = (await import(pathToFileURL(path).href)) as Namespace & { default?: Namespace };
    return imported[name] ? imported : imported.default;
  }
  return undefined;
}
