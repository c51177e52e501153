// Pages of one file that load nothing else, and hold to that by their own Content-Security-Policy: it allows the styles and scripts written
// in them, by their hashes, and no request at all.
import { createHash } from "node:crypto";

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text as HTML and SVG have it. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

export interface StandalonePage {
  /** HTML. */
  readonly title: string;
  readonly style: string;
  readonly body: string;
  /** Texts of the style and script elements that stand in the body. */
  readonly styles?: readonly string[];
  readonly scripts?: readonly string[];
}

export function standalonePage({ title, style, body, styles = [], scripts = [] }: StandalonePage): string {
  const policy = [
    "default-src 'none'",
    ...(scripts.length ? [`script-src ${scripts.map(hashOf).join(" ")}`] : []),
    `style-src ${[style, ...styles].map(hashOf).join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
