// Markdown to HTML: headings get GitHub's anchors, so that a link into a page works there and on the site; formulas become MathML,
// which browsers lay out themselves.
import { tex } from "@mdit/plugin-tex";
import GithubSlugger from "github-slugger";
import MarkdownIt from "markdown-it";
import anchor from "markdown-it-anchor";
import temml from "temml";

const plain = (tokens) =>
  tokens
    .filter(({ type }) => type === "text" || type === "code_inline")
    .map(({ content }) => content)
    .join("");

/**
 * @param {{ html?: boolean, link?: (href: string) => string | undefined, image?: (src: string, alt: string) => string | undefined }} options
 *   html: HTML within the text is taken as such. link: the address to write for one in the text, undefined for no link at all.
 *   image: HTML in place of an image, undefined to leave it.
 * @returns {(text: string) => { title: string, html: string, headings: { level: number, text: string, id: string }[] }}
 */
export function markdown({ html = false, link = (href) => href, image = () => undefined } = {}) {
  return (text) => {
    const headings = [];
    const slugger = new GithubSlugger();
    const parser = new MarkdownIt({ html, linkify: html === false })
      .use(anchor, {
        slugify: (heading) => slugger.slug(heading),
        getTokensText: plain,
        tabIndex: false,
        permalink: anchor.permalink.headerLink({ safariReaderFix: true }),
        callback: (token, { slug, title }) =>
          headings.push({ level: Number(token.tag.slice(1)), text: title, id: slug }),
      })
      .use(tex, { render: formula });
    const { rules } = parser.renderer;
    const { escapeHtml } = parser.utils;
    rules.table_open = () => '<div class="table" tabindex="0"><table>\n';
    rules.table_close = () => "</table></div>\n";
    for (const name of ["fence", "code_block"]) {
      const inherited = rules[name];
      rules[name] = (...args) => inherited(...args).replace("<pre", '<pre tabindex="0"');
    }
    const inherited = rules.image;
    rules.image = (tokens, index, ...rest) =>
      image(tokens[index].attrGet("src"), escapeHtml(tokens[index].content)) ?? inherited(tokens, index, ...rest);
    parser.core.ruler.push("links", ({ tokens }) => {
      for (const { children } of tokens) if (children) rewriteLinks(children, link);
    });
    parser.core.ruler.push("columns", ({ tokens }) => {
      for (const token of tokens) if (/^t[hd]_open$/.test(token.type)) alignByClass(token);
    });
    const body = parser.render(text);
    return { title: headings.find(({ level }) => level === 1)?.text ?? "", html: body, headings };
  };
}

/**
 * MathML without style attributes, which a strict Content-Security-Policy forbids; site.css has what they say. What can be wider than
 * a phone can be scrolled by keyboard too: here as in code and tables.
 */
function formula(text, displayMode) {
  const math = temml.renderToString(text, { displayMode, throwOnError: true }).replace(/ style="[^"]*"/g, "");
  return displayMode ? `<div class="formula" tabindex="0">${math}</div>` : math;
}

/** A column's alignment is a class, for a strict Content-Security-Policy forbids style attributes; site.css has what it says. */
function alignByClass(token) {
  const side = /text-align:(\w+)/.exec(token.attrGet("style") ?? "")?.[1];
  if (side) token.attrs = [["class", side]];
}

/** Gives links their new address; one without any becomes text. */
function rewriteLinks(tokens, link) {
  const open = [];
  for (const token of tokens) {
    if (token.type === "link_open") {
      const href = token.attrGet("href");
      const to = href.startsWith("#") ? href : link(href);
      if (to === undefined) {
        [token.type, token.tag, token.attrs] = ["span_open", "span", [["title", `${href}, in the repository`]]];
      } else token.attrSet("href", to);
      open.push(to !== undefined);
    } else if (token.type === "link_close" && open.pop() === false) {
      [token.type, token.tag] = ["span_close", "span"];
    }
  }
}
