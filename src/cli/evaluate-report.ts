// Scores for people.
import { InvalidInputError } from "../errors.js";
import type { Interval } from "../model/evaluate/interval.js";
import type { Evaluations, Score } from "../model/evaluate/evaluate.js";
import type { Context } from "./context.js";
import { megabytes, table } from "./text.js";

/** Shares and correlations in per cent, as papers print them; losses as they are. */
export function shown({ better }: Pick<Score, "better">, value: number): string {
  if (Number.isNaN(value)) return "undefined";
  const text = better === "higher" ? (100 * value).toFixed(2) : value.toFixed(4);
  return text.replace(/^-(?=[0.]+$)/, "");
}

/** What was scored, and what there is to say of the data. */
export function sayAbout(context: Context, about: Omit<Evaluations, "models">): void {
  const { task, reads, examples, truncated, notes } = about;
  context.say(`${task}, ${examples} ${examples === 1 ? "example" : "examples"}; read: ${reads}`);
  for (const note of notes) context.say(note);
  if (truncated === 1) context.say("1 text is longer than the model takes, and was cut.");
  if (truncated > 1) context.say(`${truncated} texts are longer than the model takes, and were cut.`);
}

export function sayScores(context: Context, { models, ...about }: Evaluations): void {
  sayAbout(context, about);
  context.sayAll(["", ...table(rowsOf(models), [0]), ""]);
  for (const { model, nonFinite } of models)
    if (nonFinite > 0)
      context.say(`${model}: ${nonFinite === 1 ? "1 answer holds" : `${nonFinite} answers hold`} NaN or infinity.`);
  context.sayAll(scoreLines(models));
}

function rowsOf(models: Evaluations["models"]): string[][] {
  const [{ scores }] = models;
  const compared = models.length > 1;
  const head = scores.flatMap(({ metric, interval }, i) => [
    metric,
    ...(interval ? ["95 %"] : []),
    ...(compared && i === 0 ? ["difference", ...(interval ? ["95 %"] : [])] : []),
  ]);
  const rows = models.map(({ model, bytes, scores: own }) => [
    model,
    megabytes(bytes),
    ...own.flatMap((score, i) => [
      shown(score, score.value),
      ...(score.interval ? [rangeText(score, score.interval)] : []),
      ...(compared && i === 0 ? difference(score) : []),
    ]),
  ]);
  return [["model", "size", ...head], ...rows];
}

/** @param none where the interval is unknown or undefined */
export function rangeText(score: Score, interval: Interval | undefined, none = "-"): string {
  if (!interval || Number.isNaN(interval.low)) return none;
  return `${shown(score, interval.low)} to ${shown(score, interval.high)}`;
}

/** Which of the scores a metric is; the first unless one is named. @throws {InvalidInputError} for a metric that is not measured */
export function metricAt(scores: readonly Score[], metric: string | undefined): number {
  const at = metric === undefined ? 0 : scores.findIndex((score) => score.metric === metric);
  if (at >= 0) return at;
  const names = scores.map((score) => score.metric).join(", ");
  throw new InvalidInputError(`There is no metric "${metric}" to draw (--metric); there are ${names}.`);
}

function difference(score: Score): string[] {
  const own = score.difference;
  if (!own) return ["", ...(score.interval ? [""] : [])];
  return [signed(score, own.value), ...(own.interval ? [rangeText(score, own.interval)] : [])];
}

const signed = (score: Score, value: number) => (value > 0 ? "+" : "") + shown(score, value);

/** What it comes to, plainly. */
export function scoreLines(models: Evaluations["models"]): string[] {
  const [first, ...others] = models;
  const [{ metric, better }] = first.scores;
  const score = first.scores[0];
  if (others.length === 0) return [`${metric} ${shown(score, score.value)} (${megabytes(first.bytes)})`];
  return others.map(({ bytes, scores: [own] }) => {
    const { value = NaN, interval } = own.difference ?? {};
    const worse = better === "higher" ? -value : value;
    const chance = worse !== 0 && interval && interval.low <= 0 && interval.high >= 0 ? ", which may be chance" : "";
    const change =
      worse > 0 ? `${shown(score, worse)} worse` : worse < 0 ? `${shown(score, -worse)} better` : "the same";
    return `${megabytes(first.bytes)} -> ${megabytes(bytes)}: ${metric} ${shown(score, score.value)} -> ${shown(score, own.value)}, ${change}${chance}`;
  });
}
