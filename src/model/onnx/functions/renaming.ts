// What becomes of a function's nodes where its body stands in place of a call: names, attributes, constants.
import { clone, create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProtoSchema,
} from "../../../formats/onnx/onnx_pb.js";
import { DataType } from "../builder.js";

/** Names of a function's values, as they are in the model. Those of a subgraph hold in it alone. */
export class Renaming {
  private readonly names = new Map<string, string>();

  /**
   * @param taken every name of the model, to which fresh ones are added
   * @param label begins the fresh ones
   */
  constructor(
    private readonly taken: Set<string>,
    private readonly label: string,
    private readonly outer?: Renaming,
  ) {}

  get(name: string): string | undefined {
    return this.names.get(name) ?? this.outer?.get(name);
  }

  set(name: string, actual: string): void {
    this.names.set(name, actual);
  }

  /** Of a value that is defined here. */
  defined(name: string): string {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    const made = this.fresh(name);
    this.names.set(name, made);
    return made;
  }

  fresh(name: string): string {
    const wanted = `${this.label}/${name}`;
    let made = wanted;
    for (let i = 2; this.taken.has(made); ++i) made = `${wanted}_${i}`;
    this.taken.add(made);
    return made;
  }

  inner(): Renaming {
    return new Renaming(this.taken, this.label, this);
  }
}

export const identity = (from: string, to: string): NodeProto =>
  create(NodeProtoSchema, { opType: "Identity", input: [from], output: [to] });

/** Copies of nodes without doc strings, metadata and names of their own, and with the attributes that they refer to. */
export function withAttributes(nodes: readonly NodeProto[], given: ReadonlyMap<string, AttributeProto>): NodeProto[] {
  return nodes.map((node) => {
    const { opType, domain, overload, input, output } = node;
    const attribute = node.attribute.flatMap((each) => resolved(each, given) ?? []);
    return constant(
      create(NodeProtoSchema, { opType, domain, overload, input: [...input], output: [...output], attribute }),
    );
  });
}

/** undefined where neither the call has it nor the function a default: the operator's own default holds. */
function resolved(attribute: AttributeProto, given: ReadonlyMap<string, AttributeProto>): AttributeProto | undefined {
  const { name, refAttrName } = attribute;
  if (refAttrName !== "") {
    const found = given.get(refAttrName);
    const made = found && clone(AttributeProtoSchema, found);
    if (made) made.name = name;
    return made;
  }
  const made = clone(AttributeProtoSchema, attribute);
  const inside = (graph: GraphProto) => void (graph.node = withAttributes(graph.node, given));
  if (made.g) inside(made.g);
  made.graphs.forEach(inside);
  return made;
}

/** A Constant of numbers in attributes as one of a tensor, as whatever reads constants here expects it. */
function constant(node: NodeProto): NodeProto {
  if (node.opType !== "Constant" || node.domain !== "") return node;
  const t = node.attribute.map(tensorOf).find((each) => each !== undefined);
  if (!t) return node;
  node.attribute = [create(AttributeProtoSchema, { name: "value", type: Kind.TENSOR, t })];
  return node;
}

function tensorOf({ name, i, f, ints, floats }: AttributeProto) {
  const integers = (values: readonly bigint[], dims: bigint[]) =>
    create(TensorProtoSchema, {
      dataType: DataType.int64,
      dims,
      rawData: new Uint8Array(BigInt64Array.from(values).buffer),
    });
  const numbers = (values: readonly number[], dims: bigint[]) =>
    create(TensorProtoSchema, {
      dataType: DataType.f32,
      dims,
      rawData: new Uint8Array(Float32Array.from(values).buffer),
    });
  switch (name) {
    case "value_int":
      return integers([i], []);
    case "value_ints":
      return integers(ints, [BigInt(ints.length)]);
    case "value_float":
      return numbers([f], []);
    case "value_floats":
      return numbers(floats, [BigInt(floats.length)]);
    default:
      return undefined;
  }
}
