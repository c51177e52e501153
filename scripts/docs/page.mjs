// The frame of a page: navigation, the article, what is on the page. No script; the style is one file.

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/**
 * @param {{ path: string, title: string, body: string, groups: { name: string, pages: { path: string, title: string }[] }[],
 *   contents?: { level: number, text: string, id: string }[], head?: string }} page
 *   body begins with its h1; contents: headings to list below that
 */
export function page({ path, title, body, groups, contents = [], head = "" }) {
  const link = (to, text, attributes = "") => `<a href="${escape(to)}"${attributes}>${escape(text)}</a>`;
  const navigation = groups
    .map(({ name, pages }) => {
      const items = pages.map(
        (other) => `<li>${link(other.path, other.title, other.path === path ? ' aria-current="page"' : "")}</li>`,
      );
      return `<h2>${escape(name)}</h2>\n<ul>\n${items.join("\n")}\n</ul>`;
    })
    .join("\n");
  const listed = contents.map(({ level, text, id }) => `<li class="level-${level}">${link(`#${id}`, text)}</li>`);
  const onPage =
    listed.length > 1 ? `<nav class="contents" aria-label="On this page"><ul>\n${listed.join("\n")}\n</ul></nav>` : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title === "loewner" ? title : `${title} - loewner`)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="site.css">
${head}</head>
<body>
<a class="skip" href="#article">To the text</a>
<header><a href="index.html">loewner</a> <span>robust low rank for neural networks</span></header>
<nav class="pages" aria-label="Pages">
<details><summary>Pages</summary>
${navigation}
</details>
<div>
${navigation}
</div>
</nav>
<main id="article">
${body.replace("</h1>", () => `</h1>\n${onPage}`)}
</main>
</body>
</html>
`;
}
