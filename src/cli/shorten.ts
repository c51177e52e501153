// Names of layers made to fit a narrow terminal. They differ in a word or a number in the middle, so what many of them share goes
// first: "encoder.layer.11.attention.query.weight" keeps "11" and "query".

const ellipsis = "…";

/** Each name in at most `width` characters: whole where it fits, else without the segments that most names share. */
export function shortenNames(names: readonly string[], width: number): string[] {
  const counts = new Map<string, number>();
  for (const name of names) {
    for (const segment of new Set(segmentsOf(name))) counts.set(segment, (counts.get(segment) ?? 0) + 1);
  }
  return names.map((name) => shorten(name, width, (segment) => counts.get(segment) ?? 0));
}

const segmentsOf = (name: string) => name.split(/[./]/);

function shorten(name: string, width: number, commonness: (segment: string) => number): string {
  const left: (string | undefined)[] = segmentsOf(name);
  // What no other name has tells the name apart: it stays.
  const shared = left.flatMap((segment, i) => (commonness(segment!) > 1 ? [{ i, segment: segment! }] : []));
  shared.sort((a, b) => commonness(b.segment) - commonness(a.segment) || b.segment.length - a.segment.length);
  let text = name;
  for (const { i } of shared) {
    if (text.length <= width) break;
    left[i] = undefined;
    text = join(left);
  }
  return text.length <= width ? text : middle(text, width);
}

/** Segments with dots between them, and one ellipsis for each run that was dropped. */
function join(segments: readonly (string | undefined)[]): string {
  let text = "";
  segments.forEach((segment, i) => {
    const dropped = segment === undefined;
    if (dropped && i > 0 && segments[i - 1] === undefined) return;
    const dot = i > 0 && !dropped && segments[i - 1] !== undefined;
    text += dropped ? ellipsis : `${dot ? "." : ""}${segment}`;
  });
  return text;
}

function middle(text: string, width: number): string {
  const head = Math.ceil((width - 1) / 2);
  const tail = width - 1 - head;
  return text.slice(0, head) + ellipsis + text.slice(text.length - tail);
}
