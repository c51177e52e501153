// What the functions on whole models are given, checked before any work.
import { InvalidInputError } from "../errors.js";
import { kindOf } from "../matrix.js";
import { checkOptions, type Names } from "../option-names.js";
import type { Model } from "./model.js";
import type { PlanOptions } from "./plan-options.js";

/** @throws {InvalidInputError} for what is no open model, and for an option that does not exist */
export function checkCall<Options>(call: string, model: Model, options: Options, names: Names<Options>): void {
  if (typeof model !== "object" || model === null || !Array.isArray(model.layers)) {
    const found = typeof model === "string" ? `the string "${String(model)}"` : kindOf(model);
    throw new InvalidInputError(
      `${call} takes an open model, as onnxModel() and safetensorsModel() make them; got ${found}. For paths there is compressFile(input, output, options) of loewner/node.`,
    );
  }
  checkOptions(call, options, names);
}

/** The same for what chooses how layers are stored; `type`, the former name of `dtype`, becomes that. */
export function checkedPlan<Options extends PlanOptions>(
  call: string,
  model: Model,
  options: Options,
  names: Names<Options>,
): Options {
  checkCall(call, model, options, names);
  if (options?.type === undefined) return options ?? {};
  const { type, ...rest } = options;
  return { ...rest, dtype: rest.dtype ?? type } as Options;
}
