// The code blocks of a Markdown page, with what stands around them that a test must know.
//
// Comments right before a block, which no reader sees:
//   <!-- not run: why -->   it is left out, and counted
//   <!-- given: code -->    JavaScript that runs before it, in the same module
//   <!-- then: code -->     and after it

export interface Block {
  /** As in "docs/quick-start.md:12". */
  readonly place: string;
  readonly language: string;
  readonly code: string;
  /** Why it is not run. */
  readonly notRun?: string;
  readonly given: string;
  readonly then: string;
  /** What it prints, as the page shows it; undefined where it shows nothing. */
  readonly shown?: string;
}

const fence = /^```(\w*)\n([^]*?)^```\n/gm;

export function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(fence)].map((match) => {
    const [whole, language, code] = match;
    const before = /(?:<!--(?:(?!-->)[^])*-->\s*)*$/.exec(text.slice(0, match.index))![0];
    const after = text.slice(match.index + whole.length);
    const notes = [...before.matchAll(/<!-- (not run|given|then): ([^]*?) ?-->/g)];
    const note = (name: string) => notes.filter(([, each]) => each === name).map(([, , said]) => said);
    return {
      place: `${page}:${text.slice(0, match.index).split("\n").length}`,
      ...{ language, code, notRun: note("not run")[0], given: note("given").join("\n"), then: note("then").join("\n") },
      shown: shownAfter(after) ?? (language === "js" ? shownIn(code) : undefined),
    };
  });
}

/** A block without a language, or an indented one, right behind it. */
function shownAfter(text: string): string | undefined {
  const fenced = /^\s*```(?:text)?\n([^]*?)^```$/m.exec(text);
  if (fenced && text.slice(0, fenced.index).trim() === "" && /^\s*```/.test(text)) return fenced[1].trimEnd();
  const indented = /^\n?((?: {4}.*\n|\n(?= {4}))+)/.exec(text);
  return indented?.[1].replace(/^ {4}/gm, "").trimEnd();
}

/** Comments at its end, or behind what prints. */
function shownIn(code: string): string | undefined {
  const end = /(?:^\/\/ .*\n)+$/m.exec(code)?.[0];
  if (end !== undefined) return end.replace(/^\/\/ /gm, "").trimEnd();
  const beside = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, said]) => said);
  return beside.length > 0 ? beside.join("\n") : undefined;
}

export interface Command {
  readonly words: readonly string[];
  /** What it prints, where the block shows that: its commands then begin with "$ ". */
  readonly shown?: string;
}

/** The commands of a shell block, comments left out, lines that end in "\" joined. */
export function commandsOf(code: string): Command[] {
  const lines = code
    .replace(/\\\n\s*/g, " ")
    .trimEnd()
    .split("\n");
  const isTerminal = lines.some((line) => line.startsWith("$ "));
  if (!isTerminal)
    return lines
      .map(wordsOf)
      .filter(({ length }) => length > 0)
      .map((words) => ({ words }));
  const starts = lines.flatMap((line, i) => (line.startsWith("$ ") ? [i] : []));
  return starts.map((start, i) => ({
    words: wordsOf(lines[start].slice(2)),
    shown: lines
      .slice(start + 1, starts[i + 1])
      .join("\n")
      .trimEnd(),
  }));
}

const wordsOf = (line: string) =>
  [...line.replace(/(^|\s)#.*$/, "").matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
