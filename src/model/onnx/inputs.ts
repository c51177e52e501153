/** What a model is run on: arrays that were given, checked against the graph's inputs, and made-up ones for the rest. */
import { InvalidInputError } from "../../errors.js";
import { f32ToF16 } from "../../formats/index.js";
import type { NpyDtype, NpyTensor, NpyTypes } from "../../formats/npy-array.js";
import type { OnnxModel, OnnxValue } from "../../formats/onnx/types.js";
import { cacheSizes } from "./cache-sizes.js";
import { indexBounds } from "./index-bounds.js";
import { bitsOf, normal, uniform } from "./input-numbers.js";
import { checkShape, declaredShape, InputShapes } from "./input-shapes.js";
import { checkOptions, type Names } from "../../option-names.js";

const onnxInputsNames: Names<InputOptions> = { given: 1, shapes: 1, dims: 1, seed: 1 };

/** One input of a model. float16 is bit patterns, bool a byte. */
export interface ModelInput extends NpyTensor {
  readonly name: string;
  /** Where its numbers come from: a file, `given`, or what was made up: `normal`, `rows of a table of 30522`, ... */
  readonly source: string;
  /** The dimensions as the model declares them; a string is one that is open. */
  readonly declared?: readonly (number | string)[];
}

export interface InputOptions {
  /** Arrays by input name; `source` says where they come from. */
  readonly given?: Readonly<Record<string, NpyTensor & { readonly source?: string }>>;
  /** Shapes of inputs that are not given. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Sizes of symbolic dimensions, such as `{ batch: 8 }`. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Default 0. */
  readonly seed?: number;
}

/** The types of ONNX that both onnxruntimes take, by TensorProto.DataType. */
const dtypes: Readonly<Record<number, NpyDtype>> = {
  ...{ 1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool" },
  ...{ 10: "float16", 11: "float64", 12: "uint32", 13: "uint64" },
};

/** Elements of an input whose shape was asked for. */
const maxElements = 2 ** 28;
/** Elements of all inputs of shapes that the model declares: it may come from a stranger, and a few bytes declare any size. */
const maxDeclared = 2 ** 22;

/**
 * Inputs for every graph input that has no default value.
 *
 * What is not given is made up from `seed`, the same in every engine: floats about standard normal; integers that index a constant
 * table, one of its rows; names with `mask` in them, 1; token types and segments, 0; other integers, 0 or 1; bool, true (but
 * `use_cache`, false, since nothing is cached). A symbol has one size throughout: that of an array that was given, or batch 2,
 * sequence 16, past 0, the size of cached heads as the weights have it, height and width 224, and sums such as `past_sequence_length + sequence_length` accordingly.
 * @throws {InvalidInputError} when a name is none of the inputs', a dtype or shape differs from the declared one, or an input cannot
 *   be made up (a string, no tensor, unknown shape).
 */
export async function onnxInputs(model: OnnxModel, options: InputOptions = {}): Promise<ModelInput[]> {
  checkOptions("onnxInputs", options, onnxInputsNames);
  const { given = {}, shapes = {}, dims = {}, seed = 0 } = options;
  const file = model.source.name;
  const wanted = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  for (const name of [...Object.keys(given), ...Object.keys(shapes)]) {
    if (wanted.some((input) => input.name === name)) continue;
    throw new InvalidInputError(
      `${file} has no input "${name}"; it takes ${wanted.map(declaredInput).join(", ") || "none"}.`,
      {
        file,
        tensor: name,
      },
    );
  }
  // What is given decides the sizes of symbols, whatever the order of the inputs.
  const sizes = new InputShapes(wanted, { ...(await cacheSizes(model)), ...dims }, file);
  for (const input of wanted) {
    const array = own(given, input.name);
    const shape = array?.shape ?? own(shapes, input.name);
    if (array) checkType(input, array, file);
    if (shape) {
      checkShape(input, shape, file);
      sizes.bind(input, shape);
    }
  }
  const bounds = await indexBounds(model);
  let left = maxDeclared;
  return wanted.map((input) => {
    const { name, dims: dimensions } = input;
    const array = own(given, name);
    if (array) {
      const { dtype, shape, data, source = "given" } = array;
      return { name, dtype, shape, data, source, declared: dimensions };
    }
    const dtype = typeOf(input, file);
    const asked = own(shapes, name);
    const shape = asked ?? sizes.of(input, file);
    const count = shape.reduce((product, n) => product * n, 1);
    if (!(count <= (asked ? maxElements : left))) {
      const most = asked ? `at most ${maxElements} are` : `at most ${maxDeclared} of all inputs are`;
      const ask = asked ? "smaller one" : "shape";
      throw new InvalidInputError(
        `${file}: its input "${name}" would have ${count} elements, shape ${shape.join(" x ")}; ${most} made up. Give a ${ask} with --shape ${name}=..., or an array with --inputs.`,
        { file, tensor: name },
      );
    }
    if (!asked) left -= count;
    const { source, number } = made(name, dtype, bounds.get(name), seed);
    return { name, dtype, shape, data: fill(dtype, count, number), source, declared: dimensions };
  });
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** An input in messages: `input_ids (int64, batch x sequence)`. */
export function declaredInput(input: OnnxValue): string {
  return `${input.name} (${dtypes[input.elemType] ?? `ONNX type ${input.elemType}`}, ${declaredShape(input)})`;
}

/**
 * Checks an array against the input that it is for.
 * @throws {InvalidInputError} when its type or shape differs from the declared one; the message has both.
 */
export function checkInput(input: OnnxValue, array: NpyTensor & { readonly source?: string }, file: string): void {
  checkType(input, array, file);
  checkShape(input, array.shape, file);
}

export function typeOf({ name, elemType }: OnnxValue, file: string): NpyDtype {
  const dtype = dtypes[elemType];
  if (dtype !== undefined) return dtype;
  const what = { 0: "no tensor", 8: "strings", 16: "bfloat16" }[elemType] ?? `of ONNX type ${elemType}`;
  throw new InvalidInputError(
    `${file}: its input "${name}" is ${what}, which can be neither made up nor given as an array of numbers; the model cannot be run here.`,
    { file, tensor: name },
  );
}

function checkType(input: OnnxValue, { dtype, source }: NpyTensor & { readonly source?: string }, file: string): void {
  const expected = typeOf(input, file);
  if (dtype === expected) return;
  throw new InvalidInputError(
    `${file}: its input "${input.name}" takes ${expected}, but ${source ?? "the array given"} is ${dtype}. Convert it: a.astype("${expected}").`,
    { file, tensor: input.name },
  );
}

interface MadeUp {
  readonly source: string;
  readonly number: (i: number) => number;
}

function made(name: string, dtype: NpyDtype, rows: number | undefined, seed: number): MadeUp {
  const bits = bitsOf(seed, name);
  if (dtype === "bool") {
    const cached = /use_cache/i.test(name);
    return { source: cached ? "false" : "true", number: () => (cached ? 0 : 1) };
  }
  if (rows !== undefined) return { source: `rows of a table of ${rows}`, number: uniform(bits, rows) };
  if (/mask/i.test(name)) return { source: "ones", number: () => 1 };
  if (dtype.startsWith("float")) return { source: "normal", number: normal(bits) };
  if (/token_type|segment/i.test(name)) return { source: "zeros", number: () => 0 };
  return { source: "0 or 1", number: uniform(bits, 2) };
}

/** `count` numbers as the type holds them. */
export function fill(dtype: NpyDtype, count: number, number: (i: number) => number): NpyTypes[NpyDtype] {
  const length = { length: count };
  if (dtype === "float16") return f32ToF16(Float32Array.from(length, (_, i) => number(i)));
  if (dtype === "int64") return BigInt64Array.from(length, (_, i) => BigInt(number(i)));
  if (dtype === "uint64") return BigUint64Array.from(length, (_, i) => BigInt(number(i)));
  const array = new arrays[dtype](count);
  for (let i = 0; i < count; ++i) array[i] = number(i);
  return array;
}

const arrays = {
  ...{ float32: Float32Array, float64: Float64Array, bool: Uint8Array },
  ...{
    int8: Int8Array,
    int16: Int16Array,
    int32: Int32Array,
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
  },
};
