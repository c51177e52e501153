// What nothing reads any more once some nodes are gone, of nodes and constants that may go with them.
import type { OnnxNode } from "../../../formats/onnx/types.js";
import type { Scope, Value, Values } from "../values.js";
import type { Constant } from "./constants.js";

export interface Unread {
  readonly nodes: ReadonlySet<OnnxNode>;
  readonly constants: ReadonlySet<Value>;
}

/**
 * @param gone nodes that are replaced, or dropped
 * @param nodes that may go, and where they are
 */
export function unreadBeside(
  values: Values,
  gone: ReadonlySet<OnnxNode>,
  nodes: ReadonlyMap<OnnxNode, Scope>,
  constants: readonly Constant[],
): Unread {
  const all = new Set(gone);
  const isRead = ({ readers, outputOf }: Value) => outputOf.length > 0 || readers.some(({ node }) => !all.has(node));
  for (let before = -1; before < all.size;) {
    before = all.size;
    for (const [node, scope] of nodes) {
      const made = node.outputs.flatMap((name) => values.find(scope, name) ?? []);
      if (!made.some(isRead)) all.add(node);
    }
  }
  const unread = constants.filter(({ value }) => !isRead(value));
  const holders = unread.flatMap(({ node }) => node ?? []);
  return {
    nodes: new Set([...all, ...holders].filter((node) => !gone.has(node))),
    constants: new Set(unread.map(({ value }) => value)),
  };
}
