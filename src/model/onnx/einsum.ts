// Which letters of an Einsum of two inputs are summed over, and where they stand.

export interface Contraction {
  /** Dimensions of the weight that are summed over, and those that the other input and the output have too. */
  readonly summed: readonly number[];
  readonly shared: readonly number[];
  /** The summed letters are the last of the other input, in the weight's order: how many; or one letter, the last but one: 0. */
  readonly last?: number;
  /** Where the first of the shared letters stands in the other input, from the end. */
  readonly along?: number;
}

/** @param weight which of the two inputs; undefined for equations of another kind */
export function contractionOf(equation: string, weight: 0 | 1): Contraction | undefined {
  const text = equation.replaceAll(/\s/g, "");
  const [left, right] = text.split("->");
  const inputs = left.split(",");
  if (inputs.length !== 2) return undefined;
  const w = inputs[weight];
  const x = inputs[1 - weight].replace(/^\.\.\./, "");
  if (!/^[a-z]+$/i.test(w) || !/^[a-z]*$/i.test(x) || new Set(w).size !== w.length) return undefined;
  const out = right ?? [...new Set(left)].filter((letter) => left.split(letter).length === 2).join("");
  const places = (test: (letter: string) => boolean) => [...w].flatMap((letter, at) => (test(letter) ? [at] : []));
  const summed = places((letter) => x.includes(letter) && !out.includes(letter));
  const shared = places((letter) => x.includes(letter) && out.includes(letter));
  if (summed.length === 0) return undefined;
  const letters = summed.map((at) => w[at]).join("");
  const along = shared.length > 0 ? { along: x.indexOf(w[shared[0]]) - x.length } : {};
  if (x.endsWith(letters)) return { summed, shared, last: letters.length, ...along };
  const isLastButOne = letters.length === 1 && x.at(-2) === letters;
  return { summed, shared, ...(isLastButOne && { last: 0 }), ...along };
}
