// Links of a set of HTML pages that lead nowhere. Addresses of other sites are not looked at: nothing here needs a network.
import { posix } from "node:path";

const attribute = /\s(?:href|src)="([^"]*)"/g;
const identifier = /\s(?:id|name)="([^"]*)"/g;
const unescape = (text) =>
  text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">");

/**
 * @param {Map<string, string>} pages path to HTML
 * @param {(path: string) => boolean} exists whether there is a file, or a folder, that is no page
 * @returns {string[]} a sentence for each link that is broken
 */
export function brokenLinks(pages, exists) {
  const anchors = new Map(
    [...pages].map(([path, html]) => [path, new Set([...html.matchAll(identifier)].map(([, id]) => unescape(id)))]),
  );
  const broken = [];
  for (const [path, html] of pages) {
    for (const [, escaped] of html.matchAll(attribute)) {
      const href = unescape(escaped);
      if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(href)) continue;
      const [file, fragment] = href.split("#").map(decodeURIComponent);
      const target = file === "" ? path : posix.normalize(posix.join(posix.dirname(path), file));
      if (!pages.has(target) && !exists(target))
        broken.push(`${path}: ${href} leads to ${target}, which does not exist.`);
      else if (fragment && pages.has(target) && !anchors.get(target).has(fragment)) {
        broken.push(`${path}: ${href} leads to the heading #${fragment}, which ${target} does not have.`);
      }
    }
  }
  return broken;
}
