// Every operation of a sweep by its name, which is all that crosses to a worker; the kernels that it runs on a block are in its
// family's file. Every engine runs these. Those that low rank by Lewis weights does not need are loaded when they are asked for.
import { InvalidInputError } from "../../errors.js";
import type { Reduction, Sweep } from "../sweep.js";
import { multiply, project, residual } from "./factors.js";
import { gram, profile } from "./gram.js";
import { leverage, lewisStart, lewisStep } from "./lewis.js";
import type { Flag, Operation, Reductions } from "./operation.js";

const always = { profile, gram, leverage, lewisStart, lewisStep, project, residual, multiply };

const families = {
  codes: () => import("./codes.js"),
  coreset: () => import("./coreset.js"),
  entrywise: () => import("./entrywise.js"),
  levelSet: () => import("./level-set.js"),
  subspace: () => import("./subspace.js"),
};

const later = {
  quantise: "codes",
  scatter: "codes",
  transform: "codes",
  trellis: "codes",
  lengths: "codes",
  subspace: "subspace",
  entrywiseReweight: "entrywise",
  entrywiseSplit: "entrywise",
  entrywiseRefit: "entrywise",
  lewisScale: "coreset",
  sensitivity: "coreset",
  norms: "coreset",
  levelSetSlopes: "levelSet",
  levelSetBreaks: "levelSet",
  levelSetFaces: "levelSet",
  levelSetTrials: "levelSet",
  levelSetGram: "levelSet",
} as const;

/** Of each family, what its file exports. */
type Families = { [Family in keyof typeof families]: Awaited<ReturnType<(typeof families)[Family]>> };
type Operations = typeof always & { [Name in keyof typeof later]: OperationIn<Families[(typeof later)[Name]], Name> };
type OperationIn<Exports, Name> = Name extends keyof Exports ? Exports[Name] : never;
export type OperationName = keyof Operations;

/** Drivers give flags as booleans. */
type Given<Params> = { [Key in keyof Params]: NonNullable<Params[Key]> extends Flag ? boolean : Params[Key] };
/** Scalars of an operation. */
export type ParamsOf<Name extends OperationName> = Given<Parameters<Operations[Name]["prepare"]>[1]>;
/** Arrays that every block sees. */
export type SharedOf<Name extends OperationName> = Parameters<Operations[Name]["prepare"]>[2];

type ReductionsOf<Name extends OperationName> =
  Operations[Name] extends Operation<never, never, string, infer Results> ? Results : never;
/** What is summed up over all blocks; what is handed on block by block is not among it. */
export type ResultOf<Name extends OperationName> = {
  [Key in keyof ReductionsOf<Name> as "concat" extends ReductionsOf<Name>[Key] ? never : Key]: Float64Array;
};

type Numbers = Readonly<Record<string, number>>;
type Arrays = Readonly<Record<string, Float64Array>>;

type Named = Operation<Numbers, Arrays, string, Reductions>;

const loaded = new Map(Object.entries(always as unknown as Record<string, Named>));

/**
 * Loads the family of an operation, once. Everything that runs sweeps calls it before the first of a name.
 * @throws {InvalidInputError} where there is none of this name
 */
export async function loadOperation(name: string): Promise<void> {
  if (loaded.has(name)) return;
  if (!Object.hasOwn(later, name)) {
    throw new InvalidInputError(`There is no operation "${name}": the other side is another version of loewner.`);
  }
  const family = (await families[later[name as keyof typeof later]]()) as unknown as Record<string, Named>;
  loaded.set(name, family[name]);
}

/** As those see it who were only told a name; it is loaded. */
export function operationNamed(name: string): Named {
  return loaded.get(name)!;
}

/** An operation on these scalars and arrays as data; those that are undefined are left out. */
export function sweepOf<Name extends OperationName>(op: Name, given: ParamsOf<Name>, arrays: SharedOf<Name>): Sweep {
  const { reads = [], writes = [], reduce = {} } = operationNamed(op);
  const params = Object.fromEntries(present<number | boolean>(given).map(([key, value]) => [key, Number(value)]));
  // A part of a larger array would take all of it along.
  const shared = Object.fromEntries(
    present<Float64Array>(arrays as object).map(([key, x]) => [
      key,
      x.byteLength < x.buffer.byteLength ? x.slice() : x,
    ]),
  );
  const of = <Value>(value: Value | ((params: Numbers, shared: Arrays) => Value)) =>
    value instanceof Function ? value(params, shared) : value;
  return {
    op,
    params,
    reads: { shared, state: of(reads) },
    writes: { state: of(writes) },
    reduce: Object.fromEntries(present<Reduction>(of(reduce))),
  };
}

function present<Value>(of: object): [string, Value][] {
  return Object.entries(of).filter(([, value]) => value !== undefined);
}
