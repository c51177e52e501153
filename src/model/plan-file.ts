// A plan: what to do with each layer, as JSON that a person can edit. `inspect --plan` writes one, `compress --plan` reads it.
import { InvalidInputError } from "../errors.js";
import { checkJsonDepth, shownJson } from "../formats/json.js";
import { sniff, sniffedBytes } from "../formats/sniff.js";
import { type LimitOptions, limitsOf } from "../formats/limits.js";
import type { Method } from "../types/index.js";
import { listNames } from "../formats/names.js";
import type { Layer, Model } from "./model.js";
import { storedTypes, type StoredType } from "./stored.js";

/** At most one of rank, keep, energy; none: the size that was asked for of all. */
export interface LayerPlan {
  skip?: boolean;
  rank?: number;
  keep?: number;
  energy?: number;
  dtype?: StoredType | "auto";
  p?: number;
  method?: Method;
  /** Of method clusters. */
  groups?: number;
}

export interface PlanFile {
  version: 1;
  layers: Record<string, LayerPlan>;
}

const methods: readonly Method[] = ["auto", "lewis", "svd", "level-set", "subspace", "entrywise", "clusters"];

/** A plan that compresses the default layers and names every other that could be, to be edited. */
export function newPlan(model: Model, keep = 0.5): PlanFile {
  const can = model.layers.filter(isFactorable);
  const entries = can.map(({ name, byDefault }): [string, LayerPlan] => [
    name,
    { ...(!byDefault && { skip: true }), keep, dtype: "auto" },
  ]);
  return { version: 1, layers: Object.fromEntries(entries) };
}

export function isFactorable({ kind, blocked }: Layer): boolean {
  return kind !== "other" && blocked === undefined;
}

/**
 * @param file name for messages
 * @param options.limits `jsonDepth`
 * @throws {InvalidInputError} when it is no plan: the message names the layer and the key
 * @throws {LimitError} when it is nested deeper than is read
 */
export function readPlan(text: string, file: string, options: LimitOptions = {}): PlanFile {
  const bad = (what: string, tensor?: string) => new InvalidInputError(`${file}: ${what}`, { file, tensor });
  let plan: PlanFile;
  try {
    plan = JSON.parse(text) as PlanFile;
  } catch (cause) {
    // The message of JSON.parse quotes what it read, line ends and all.
    const reason = (cause as Error).message.replace(/[\s\p{Cc}]+/gu, " ");
    const what = /^\s*[{[]/.test(text) ? "" : sniff(new TextEncoder().encode(text.slice(0, sniffedBytes)));
    throw bad(`the plan is not JSON (${reason}); "loewner inspect MODEL --plan FILE" writes one.${what}`);
  }
  checkJsonDepth(text, limitsOf(options), file);
  if (typeof plan !== "object" || plan === null || plan.version !== 1)
    throw bad('not a plan: "version": 1 was expected; "loewner inspect MODEL --plan FILE" writes one.');
  if (typeof plan.layers !== "object" || plan.layers === null || Array.isArray(plan.layers))
    throw bad('"layers" must be an object: a layer\'s name, and what to do with it.');
  for (const [name, layer] of Object.entries(plan.layers)) {
    const fault = faultOf(layer);
    if (fault) throw bad(`layer "${name}": ${fault}`, name);
  }
  return plan;
}

function faultOf(layer: LayerPlan): string | undefined {
  if (typeof layer !== "object" || layer === null || Array.isArray(layer))
    return `is ${shownJson(layer)}; an object was expected.`;
  const share = (x: unknown) => typeof x === "number" && x > 0 && x <= 1;
  const checks: Record<keyof LayerPlan, [(x: unknown) => boolean, string]> = {
    skip: [(x) => typeof x === "boolean", "true or false"],
    rank: [(x) => Number.isSafeInteger(x) && (x as number) >= 1, "a whole number of at least 1"],
    keep: [share, "a share above 0 and at most 1"],
    energy: [share, "a share above 0 and at most 1"],
    dtype: [(x) => x === "auto" || storedTypes.includes(x as StoredType), `auto or one of ${storedTypes.join(", ")}`],
    p: [(x) => typeof x === "number" && x > 0, "a number above 0"],
    method: [(x) => methods.includes(x as Method), `one of ${methods.join(", ")}`],
    groups: [
      (x) => Number.isSafeInteger(x) && (x as number) >= 1 && (x as number) <= 256,
      "a whole number from 1 to 256",
    ],
  };
  for (const [key, value] of Object.entries(layer)) {
    const check = Object.hasOwn(checks, key) && checks[key as keyof LayerPlan];
    if (!check) return `has "${key}"; only ${Object.keys(checks).join(", ")} may stand there.`;
    if (!check[0](value)) return `${key} is ${shownJson(value)}; ${check[1]} was expected.`;
  }
  const sizes = (["rank", "keep", "energy"] as const).filter((key) => layer[key] !== undefined);
  if (layer.groups !== undefined && layer.method !== "clusters") return 'has groups, which are for method "clusters".';
  return sizes.length > 1 ? `has ${sizes.join(" and ")}; one of them at most.` : undefined;
}

/** @throws {InvalidInputError} when the plan names what the model does not have, or what cannot be factored */
export function checkPlan({ layers }: PlanFile, model: Model): void {
  const has = new Map(model.layers.map((layer) => [layer.name, layer]));
  for (const [name, { skip }] of Object.entries(layers)) {
    const layer = has.get(name);
    const place = { file: model.name, tensor: name };
    const shape = layer ? undefined : model.shape(name);
    if (shape) {
      throw new InvalidInputError(
        `The plan names "${name}", which cannot be factored: its shape is [${shape.join(", ")}], that of no 2-D weight. Take it out.`,
        place,
      );
    }
    if (!layer) {
      const names = [...has.values()].filter(isFactorable).map((each) => each.name);
      throw new InvalidInputError(
        `The plan names "${name}", which ${model.name} does not have; it has ${names.length ? listNames(names) : "no layer that can be factored"}.`,
        place,
      );
    }
    if (!skip && !isFactorable(layer)) {
      throw new InvalidInputError(
        `The plan names "${name}", which cannot be factored: it ${(layer.shape.length >= 2 && layer.blocked) || "is no 2-D weight"}. Take it out, or set "skip": true.`,
        place,
      );
    }
  }
}
