// A weight, and where it lies and goes.
import type { OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { isDequantised } from "./float-view.js";
import type { Use } from "./uses.js";
import type { Reader, Value, Values } from "./values.js";

/** A tensor that holds a weight. */
export interface Place {
  readonly tensor: OnnxTensor;
  /** The initializer, or what the Constant puts out. */
  readonly value: Value;
  /** The node that holds it, for a Constant. */
  readonly constant?: OnnxNode;
  /** It holds the weight's transpose. */
  readonly transposed: boolean;
  /** Nodes that only pass it on to the weight's uses. */
  readonly through: readonly OnnxNode[];
  /** What must have the whole. */
  readonly wholes: readonly Reader[];
}

export interface FoundWeight {
  /** What it is called here: the value's name, unless another weight has it. */
  readonly name: string;
  /** Of its first place. */
  readonly tensor: OnnxTensor;
  /** Rows and columns: the tensor's own, or of its dimensions in two groups, as square as can be. */
  readonly matrix: readonly [rows: number, cols: number];
  /** One, or all that hold the same numbers. */
  readonly places: readonly Place[];
  readonly uses: readonly Use[];
  /** Why it cannot be compressed. */
  readonly blocked?: string;
}

/** Places that can go when the weight stays as it is: what the first of them holds can be read where they are. None of codes. */
export function copiesIn({ places: [first, ...others], blocked }: FoundWeight, values: Values): Place[] {
  if (blocked !== undefined || first.value.scope.parent || isDequantised(first.tensor)) return [];
  return others.filter(({ value, constant }) => {
    const isLater = !first.constant || (constant && constant.field.start > first.constant.field.start);
    return isLater && (!value.scope.parent || values.isUnique(value.name));
  });
}

/** Something reads it as a whole. */
export const isReadWhole = ({ places }: Pick<FoundWeight, "places">) => places.some(({ wholes }) => wholes.length > 0);
