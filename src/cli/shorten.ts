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
  if (name.length <= width) return name;
  const left: (string | undefined)[] = segmentsOf(name);
  for (let kept = left.length; kept > 1; --kept) {
    let drop = -1;
    left.forEach((segment, i) => {
      if (segment === undefined) return;
      const before = drop < 0 ? -1 : commonness(left[drop]!);
      const now = commonness(segment);
      if (now > before || (now === before && segment.length > left[drop]!.length)) drop = i;
    });
    left[drop] = undefined;
    const text = join(left);
    if (text.length <= width) return text;
  }
  return middle(join(left), width);
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
