// Every operation of a sweep by its name, which is all that crosses to a worker; the kernels that it runs on a block are in its
// family's file. Every engine runs these.
import { InvalidInputError } from "../../errors.js";
import type { Reduction, Sweep } from "../sweep.js";
import { lewisScale, norms, sensitivity } from "./coreset.js";
import { entrywiseRefit, entrywiseReweight, entrywiseSplit } from "./entrywise.js";
import { multiply, project, residual } from "./factors.js";
import { gram, profile } from "./gram.js";
import { levelSetBreaks, levelSetFaces, levelSetGram, levelSetSlopes, levelSetTrials } from "./level-set.js";
import { leverage, lewisStart, lewisStep } from "./lewis.js";
import type { Flag, Operation, Reductions } from "./operation.js";
import { quantise } from "./quantise.js";
import { subspace } from "./subspace.js";
import { scatter, transform } from "./transform.js";
import { lengths, trellis } from "./trellis.js";

const operations = {
  profile,
  gram,
  leverage,
  lewisStart,
  lewisStep,
  project,
  residual,
  multiply,
  quantise,
  scatter,
  transform,
  trellis,
  lengths,
  subspace,
  entrywiseReweight,
  entrywiseSplit,
  entrywiseRefit,
  lewisScale,
  sensitivity,
  norms,
  levelSetSlopes,
  levelSetBreaks,
  levelSetFaces,
  levelSetTrials,
  levelSetGram,
};

type Operations = typeof operations;
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

/** As those see it who were only told a name. */
export function operationNamed(name: string): Operation<Numbers, Arrays, string, Reductions> {
  if (!Object.hasOwn(operations, name)) {
    throw new InvalidInputError(`There is no operation "${name}": the other side is another version of loewner.`);
  }
  return operations[name as OperationName] as unknown as Operation<Numbers, Arrays, string, Reductions>;
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
