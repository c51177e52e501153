// docs/performance.md: what was measured, on what, by which command.
import { cpus, loadavg, totalmem, platform, arch } from "node:os";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { pythonVersions } from "./python.mjs";

const cell = (x) => String(x).replaceAll("|", "\\|");

/** Text to the left, numbers to the right. */
function table([head, ...rows]) {
  const numeric = head.map(
    (_, c) =>
      c > 0 && rows.every((row) => /^(-|not measured|)$|^[<>]?=?\s*[\d.]+( (k|M|x|ms|%))?$/.test(String(row[c]))),
  );
  return [head, numeric.map((right) => (right ? "---:" : "---")), ...rows]
    .map((row) => `| ${row.map(cell).join(" | ")} |`)
    .join("\n");
}

export const load = () => loadavg()[0].toFixed(1);

export function machine() {
  const [{ model }] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${model}, ${cpus().length} cores, ${memory} GiB, ${platform()} ${arch()}, Node ${process.version}`;
}

/**
 * @param sections [{ title, about, command, parts, loads: [before, after] }]: parts as table.mjs gathered them
 * @param options.command what made the page; options.total seconds that it took; options.picture the plot's file, beside the page
 */
export async function page(sections, { command, total, picture }) {
  const text = [
    "# Performance",
    `Written by \`${command}\`, which runs everything below in ${(total / 60).toFixed(1)} minutes: set LOEWNER_PYTHON to a Python with numpy and scikit-learn. Figures are
the best of several runs unless they say otherwise, and ratios are between programs that ran in turn, in the same minutes, with as
many threads.`,
    `- ${machine()}\n- ${pythonVersions()}`,
  ];
  for (const { title, about, command: alone, parts, loads } of sections) {
    text.push(`## ${title}`, about, `\`${alone}\`; load of the machine ${loads[0]} before, ${loads[1]} after.`);
    for (const part of parts) text.push(...(part.rows ? [`**${part.title}**`, table(part.rows)] : [part.text]));
    if (parts.picture) text.push(`![${parts.picture}](${picture})`);
  }
  const path = fileURLToPath(new URL("../docs/performance.md", import.meta.url));
  return format(`${text.join("\n\n")}\n`, { ...(await resolveConfig(path)), filepath: path });
}
