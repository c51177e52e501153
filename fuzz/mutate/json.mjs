// Changes to a JSON document that keep it JSON, so that they get past the reader of JSON: values of other kinds, members that
// go, come twice, or change places. The tree can also hold what JSON.stringify would not write.
import { numerals, texts } from "../interesting.mjs";

/** An object whose names may stand twice. */
export class Members {
  /** @param {[string, unknown][]} entries */
  constructor(entries) {
    this.entries = entries;
  }
}

/** Text that is written as it is: 1e400, 01, brackets a thousand deep. */
export class Raw {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** The tree of a document. */
export function jsonTree(text) {
  return copyOf(JSON.parse(text));
}

/** A copy that may be changed. Recursion is as deep as the document, and those that are read here are shallow. */
export function copyOf(value) {
  if (Array.isArray(value)) return value.map(copyOf);
  if (value instanceof Members) return new Members(value.entries.map(([name, each]) => [name, copyOf(each)]));
  if (value instanceof Raw || typeof value !== "object" || value === null) return value;
  return new Members(Object.entries(value).map(([name, each]) => [name, copyOf(each)]));
}

export function writeJson(value) {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (value instanceof Members) {
    return `{${value.entries.map(([name, each]) => `${JSON.stringify(name)}:${writeJson(each)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** The member of that name, undefined without. */
export function member(value, name) {
  return value instanceof Members ? value.entries.find(([each]) => each === name)?.[1] : undefined;
}

/**
 * Changes a tree in place, 1 to 4 times.
 * @param {import("../random.mjs").Random} random
 * @param {unknown} tree an array or Members
 * @param {readonly string[]} words names and texts that the format uses
 */
export function mutateJson(random, tree, words = []) {
  for (let count = 1 + random.below(4); count > 0; --count) {
    const places = [];
    gather(tree, places);
    if (places.length === 0) return;
    const place = random.pick(places);
    random.pick(changes)(random, place, places, words);
  }
}

/** Every place that holds a value: a list, and the position in it; members are lists of name and value. */
function gather(value, places) {
  if (Array.isArray(value)) {
    value.forEach((each, i) => {
      places.push({ within: value, list: value, i });
      gather(each, places);
    });
  } else if (value instanceof Members) {
    for (const entry of value.entries) {
      places.push({ within: value.entries, entry, list: entry, i: 1 });
      gather(entry[1], places);
    }
  }
}

const changes = [setValue, setValue, setValue, nudge, drop, twice, exchange, rename, renameLike, many, wrap, stretch];

function setValue(random, { list, i }, _places, words) {
  list[i] = anyValue(random, words);
}

/** One more or less of a number, one character of a text: what is nearly right gets furthest. */
function nudge(random, { list, i }) {
  const value = list[i];
  if (typeof value === "number") list[i] = random.chance(0.5) ? value + random.below(5) - 2 : value * random.below(4);
  else if (typeof value === "string") {
    const at = random.below(value.length + 1);
    list[i] = value.slice(0, at) + random.pick(texts) + value.slice(at + random.below(2));
  }
}

function drop(_random, { within, entry, i }) {
  within.splice(entry ? within.indexOf(entry) : i, 1);
}

function twice(random, { within, entry, list, i }) {
  within.splice(random.below(within.length + 1), 0, entry ? [entry[0], copyOf(entry[1])] : copyOf(list[i]));
}

function exchange(random, { list, i }, places) {
  const other = random.pick(places);
  const mine = copyOf(list[i]);
  list[i] = copyOf(other.list[other.i]); // copies: one could lie inside the other
  if (random.chance(0.5)) other.list[other.i] = mine;
}

function rename(random, { entry }, _places, words) {
  if (entry) entry[0] = random.chance(0.6) && words.length > 0 ? random.pick(words) : random.pick(texts);
}

/** The name of another member. */
function renameLike(random, { entry }, places) {
  const other = random.pick(places).entry;
  if (entry && other) entry[0] = other[0];
}

/** Many of one kind; seldom so many that what is slow in their number shows, but no more than a quarter of a megabyte. */
function many(random, { within, entry, list, i }) {
  const fitting = Math.ceil(2 ** 18 / (1 + writtenSize(list[i])));
  const count = Math.min(fitting, random.chance(0.02) ? 2000 : random.length(5));
  for (let k = 0; k < count; ++k) {
    within.push(entry ? [`${entry[0]}${k}`, copyOf(entry[1])] : copyOf(list[i]));
  }
}

function wrap(random, { list, i }) {
  const depth = random.chance(0.1) ? 5000 : 1 + random.below(40);
  if (random.chance(0.5)) list[i] = new Raw("[".repeat(depth) + writeJson(list[i]) + "]".repeat(depth));
  else list[i] = new Raw('{"a":'.repeat(depth) + writeJson(list[i]) + "}".repeat(depth));
}

/** A text, or a name, over and over: regular expressions and messages meet long ones. */
function stretch(random, { list, i, entry }) {
  const where = entry && random.chance(0.5) ? 0 : i;
  if (typeof list[where] !== "string" || list[where] === "") return;
  const length = random.chance(0.02) ? 50000 : 300;
  const piece = list[where].slice(random.below(list[where].length));
  list[where] += piece.repeat(Math.ceil(length / piece.length)) + (random.chance(0.5) ? "\n" : "");
}

function anyValue(random, words) {
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return new Raw(random.pick(numerals));
    case 3:
      return random.pick(texts);
    case 4:
      return words.length > 0 ? random.pick(words) : random.pick(texts);
    case 5:
      return random.pick([null, true, false]);
    case 6:
      return random.pick([[], new Members([]), [0], [1, 2], [[]], ["a", "b"], [null]]);
    default:
      return random.below(1000) - 3;
  }
}

function writtenSize(value) {
  if (value instanceof Raw) return value.text.length;
  return value instanceof Members || Array.isArray(value) ? writeJson(value).length : 0;
}
