// Sizes for the dimensions of a graph's inputs that the model leaves open: one size for each symbol.
import { InvalidInputError } from "../../errors.js";
import type { OnnxValue } from "../../formats/onnx/types.js";

const defaultBatch = 2;
const defaultSequence = 16;

/** What a symbol stands for, by its name; the first that fits. */
const byName: readonly (readonly [RegExp, number])[] = [
  [/past|cache/i, 0], // nothing was generated yet
  [/batch/i, defaultBatch],
  [/height|width/i, 224],
  [/channel/i, 3],
  [/seq|len|time|frame|token/i, defaultSequence],
];

/** The shape as a model declares it: `batch x sequence x 256`, `?` for what has no name. */
export function declaredShape({ dims }: OnnxValue): string {
  if (dims === undefined) return "of any shape";
  return dims.length === 0 ? "a scalar" : dims.map((dim) => (isOpen(dim) ? dim || "?" : dim)).join(" x ");
}

/** Old exporters write -1 for a dimension that is open. */
const isOpen = (dim: number | string): boolean => typeof dim === "string" || dim < 0;

/** The open dimensions of a graph's inputs, filled in one after the other. */
export class InputShapes {
  private readonly sizes: Map<string, number>;

  /**
   * @param dims sizes of symbols that are known.
   * @throws {InvalidInputError} when a size is no whole number of at least 0, or no input has that symbol.
   */
  constructor(inputs: readonly OnnxValue[], dims: Readonly<Record<string, number>>, file: string) {
    const symbols = new Set(
      inputs.flatMap((input) => input.dims ?? []).filter((dim) => typeof dim === "string" && dim),
    );
    const parts = new Set([...symbols].flatMap((symbol) => [String(symbol), ...termsOf(String(symbol)).flat()]));
    for (const [symbol, size] of Object.entries(dims)) {
      if (!parts.has(symbol)) {
        throw new InvalidInputError(
          `${file}: no input has a dimension "${symbol}"; ${symbols.size ? `there are ${[...symbols].join(", ")}` : "all its dimensions are fixed"}.`,
          { file },
        );
      }
      if (!Number.isSafeInteger(size) || size < 0) {
        throw new InvalidInputError(`The dimension "${symbol}" must be a whole number of at least 0; got ${size}.`);
      }
    }
    this.sizes = new Map(Object.entries(dims));
  }

  /** Takes the sizes of an input's symbols from a shape that fits it; what is known already stays. */
  bind({ dims = [] }: OnnxValue, shape: readonly number[]): void {
    for (const [i, dim] of dims.entries()) {
      if (typeof dim === "string" && dim !== "" && !this.sizes.has(dim)) this.sizes.set(dim, shape[i]);
    }
  }

  /** @throws {InvalidInputError} when the model does not say how many dimensions the input has. */
  of(input: OnnxValue, file: string): number[] {
    if (input.dims === undefined) {
      throw new InvalidInputError(
        `${file}: the model does not say what shape its input "${input.name}" has. Give it: --shape ${input.name}=1,16, or an array: --inputs ${input.name}=x.npy.`,
        { file, tensor: input.name },
      );
    }
    return input.dims.map((dim, axis) =>
      isOpen(dim) ? this.sizeOf(typeof dim === "string" ? dim : "", axis) : Number(dim),
    );
  }

  private sizeOf(symbol: string, axis: number): number {
    const known = this.sizes.get(symbol);
    if (known !== undefined) return known;
    const terms = termsOf(symbol);
    const size =
      terms.length > 1 || terms[0].length > 1
        ? sum(terms.map((factors) => product(factors.map((factor) => this.partOf(factor)))))
        : (byName.find(([name]) => name.test(symbol))?.[1] ?? (axis === 0 ? defaultBatch : defaultSequence));
    if (symbol !== "") this.sizes.set(symbol, size);
    return size;
  }

  private partOf(part: string): number {
    return /^\d+$/.test(part) ? Number(part) : this.sizeOf(part, -1);
  }
}

const sum = (of: readonly number[]) => of.reduce((total, x) => total + x, 0);
const product = (of: readonly number[]) => of.reduce((total, x) => total * x, 1);

/** `past_sequence_length + 2*n` as a sum of products of its parts; a symbol that is no such expression is one part. */
function termsOf(symbol: string): string[][] {
  if (!/^[\w.\s]+([+*][\w.\s]+)+$/.test(symbol)) return [[symbol]];
  return symbol.split("+").map((term) => term.split("*").map((factor) => factor.trim()));
}

/**
 * Checks a shape against what the model declares.
 * @throws {InvalidInputError} when the number of dimensions, or one that is fixed, differs; the message has both shapes.
 */
export function checkShape(input: OnnxValue, shape: readonly number[], file: string): void {
  const { dims, name } = input;
  const whole = shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  const fits =
    dims === undefined || (shape.length === dims.length && dims.every((dim, i) => isOpen(dim) || dim === shape[i]));
  if (whole && fits) return;
  throw new InvalidInputError(
    `${file}: its input "${name}" is ${declaredShape(input)}, but the shape given for it is ${shape.join(" x ") || "a scalar"}${whole ? "" : ", which is not made of whole numbers of at least 0"}.`,
    { file, tensor: name },
  );
}
