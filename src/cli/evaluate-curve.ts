// evaluate --curve: score against size, in a table, as JSON, and as one page or picture.
import { readFile } from "node:fs/promises";
import { InvalidInputError } from "../errors.js";
import type { Curve, CurvePoint } from "../model/evaluate/curve.js";
import type { CurveMethod } from "../model/evaluate/curve-methods.js";
import { writeAtomically } from "../node/files/file.js";
import type { Context } from "./context.js";
import { metricAt, rangeText, sayAbout, shown } from "./evaluate-report.js";
import type { EvaluateCommand, OpenOnnx, Scoring } from "./evaluate-scoring.js";
import { megabytes, percent, table } from "./text.js";
import { version } from "./version.js";

/** What a file of points was made of: others do not belong into it. */
interface CurveFile extends Curve {
  readonly version: string;
  readonly runtime: string;
  readonly data: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * Every point is written to --output as it is found, so that --resume goes on from there.
 * @throws {InvalidInputError} when no point could be made
 */
export async function evaluateCurveOf(
  context: Context,
  open: OpenOnnx,
  scoring: Scoring,
  options: EvaluateCommand,
): Promise<void> {
  const { curve: sizes = [], methods = ["svd", "lewis", "auto"], output, html, svg, force, resume } = options;
  const { layers, exclude, p, metric } = options;
  const files = [output, html, svg].filter((path) => path !== undefined);
  const settings = settingsOf(options);
  const known = resume && output !== undefined ? await pointsOf(output, open, scoring, settings) : [];
  await context.checkOutputs(files, { force, own: known.length > 0 ? output : undefined });
  // What the file has beyond what is asked for now stays in it.
  const isAsked = ({ method, keep: size }: CurvePoint) => methods.includes(method) && sizes.includes(size);
  const others = known.filter((point) => !isAsked(point));
  const points = [...others];
  const head = { version, runtime: scoring.runtime.name, data: scoring.data.name, settings };
  const keep = async (curve: Partial<Curve>) => {
    if (output === undefined) return;
    const text = `${JSON.stringify({ ...head, ...curve }, null, 2)}\n`;
    await writeText(output, text, true);
  };
  if (output !== undefined)
    context.onInterrupt = () =>
      points.length > 0 ? `${output} has the points so far: --resume goes on from them.` : "";
  const about = { model: open.path, bytes: open.model.byteLength };
  const curve = await context.withLoewner((loewner) =>
    scoring.curve(loewner, open, {
      ...{ sizes, methods: methods as CurveMethod[], layers, exclude, p, known },
      async onPoint(point) {
        // Before more points are made.
        if (point.scores) metricAt(point.scores, metric);
        points.push(point);
        await keep({ ...about, points });
      },
    }),
  );
  context.endProgress();
  if (curve.points.every(({ scores }) => scores === undefined))
    throw new InvalidInputError(`${open.path}: no point of the curve could be made: ${curve.points[0].reason}`, {
      file: open.path,
    });
  const whole = { ...curve, ...about, points: [...others, ...curve.points] };
  await keep(whole);
  if (html !== undefined || svg !== undefined) {
    const { curvePage, curvePicture } = await import("./curve-page.js");
    if (svg !== undefined) await writeText(svg, curvePicture(whole, metric), force);
    if (html !== undefined) await writeText(html, curvePage(whole, metric), force);
  }
  context.json({ ...head, ...whole });
  sayCurve(context, whole, files);
}

const writeText = (path: string, text: string, force?: boolean) => {
  const bytes = new TextEncoder().encode(text);
  return writeAtomically(path, { byteLength: bytes.length, force }, (sink) => sink.write(bytes));
};

/** What scores depend on, besides model and data. */
function settingsOf(options: EvaluateCommand): Record<string, unknown> {
  const { task, text, label, labels, k, pooling, maskShare, maxLength, samples, seed, layers, exclude, p } = options;
  const all = { task, text, label, labels, k, pooling, maskShare, maxLength, samples, seed, layers, exclude, p };
  return JSON.parse(JSON.stringify(all)) as Record<string, unknown>;
}

/** Of an earlier run on the same. @throws {InvalidInputError} when the file holds another curve */
async function pointsOf(
  output: string,
  { path, model }: OpenOnnx,
  { data }: Scoring,
  settings: Readonly<Record<string, unknown>>,
): Promise<readonly CurvePoint[]> {
  const text = await readFile(output, "utf8").catch(() => undefined);
  if (text === undefined) return [];
  let found: Partial<CurveFile> = {};
  try {
    // JSON has null for a score that is undefined.
    found = JSON.parse(text, (_, value: unknown) => (value === null ? NaN : value)) as Partial<CurveFile>;
  } catch {
    // as another file
  }
  const own = { model: path, bytes: model.byteLength, data: data.name, settings };
  const differs = (name: keyof typeof own) => JSON.stringify(found[name]) !== JSON.stringify(own[name]);
  const other = (["model", "bytes", "data", "settings"] as const).find(differs);
  if (!other && Array.isArray(found.points)) return found.points;
  const what = {
    model: "model differs",
    bytes: "model's size differs",
    data: "data differs",
    settings: "options differ",
  };
  const why = other && Array.isArray(found.points) ? ` (its ${what[other]})` : "";
  throw new InvalidInputError(
    `${output} holds no points of this curve${why}, so there is nothing to resume. Name another file, or leave --resume out and give --force.`,
    { file: output },
  );
}

function sayCurve(context: Context, curve: Curve, files: readonly string[]): void {
  const { bytes, scores, points } = curve;
  sayAbout(context, curve);
  const rowOf = (own: Curve["scores"]) =>
    own.flatMap((score, i) => [
      shown(score, score.value),
      ...(i === 0 ? [score.difference ? shown(score, score.difference.value) : ""] : []),
      ...(i === 0 && score.interval ? [rangeText(score, score.difference?.interval, "")] : []),
    ]);
  const head = scores.flatMap(({ metric, interval }, i) => [
    metric,
    ...(i === 0 ? ["difference", ...(interval ? ["95 %"] : [])] : []),
  ]);
  const rows = points.map(({ method, keep, bytes: size, scores: own }) => [
    method,
    percent(keep),
    ...(own && size !== undefined ? [megabytes(size), ...rowOf(own)] : ["-", ...head.map(() => "")]),
  ]);
  const original = ["as it is", "", megabytes(bytes), ...rowOf(scores)];
  context.sayAll(["", ...table([["method", "keep", "size", ...head], original, ...rows], [0]), ""]);
  for (const { method, keep, reason } of points)
    if (reason !== undefined) context.say(`${method}, ${percent(keep)}: ${reason}`);
  if (files.length > 0) context.say(`written: ${files.join(", ")}`);
}
