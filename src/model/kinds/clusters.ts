// A stored layer whose rows are in groups, each with a right factor of its own.
import { spreadRows } from "../../geometry/subspace/row-groups.js";
import { matrixIn, storedBytes, type StoredClusters } from "../stored.js";
import { CodeParts } from "./code-parts.js";
import { unknownIn, type StoredKind } from "./kind.js";
import { matrixFrom, nextBytes, partsOf, textOf, type MatrixText } from "./matrix-journal.js";
import { pairKind, rowsOf } from "./pair.js";
import { isPart, isRoomy, openPart, tensorsOfPart, unknownInPart, type PartDescription } from "./pair-description.js";

export interface ClustersDescription {
  readonly clusters: {
    readonly count: number;
    /** uint8 [rows]: the group of each row, below `count`. */
    readonly groups: string;
    /** rows x rank */
    readonly left: PartDescription;
    /** Right factors below each other, count rank x cols. */
    readonly right: PartDescription;
  };
}

interface ClustersText {
  clusters: { count: number; left: MatrixText; right: MatrixText };
}

/** A group's number takes a byte. */
export const mostGroups = 256;

export const clustersKind: StoredKind<StoredClusters, ClustersDescription, ClustersText> = {
  bytesOf: ({ groups, left, right }) => groups.byteLength + storedBytes(left) + storedBytes(right),
  typeOf: ({ left, right }) => pairKind.typeOf({ kind: "pair", left, right }),
  async factors({ count, groups, left, right }) {
    return { left: spreadRows(rowsOf(left), groups, count), right: await matrixIn(right) };
  },

  fields: ["clusters"],
  claims: (layer) => "clusters" in layer,
  isDescribed(layer): layer is ClustersDescription {
    const { clusters } = layer as { clusters?: unknown };
    if (typeof clusters !== "object" || clusters === null) return false;
    const { count, groups, left, right } = clusters as Record<string, unknown>;
    return typeof count === "number" && typeof groups === "string" && isPart(left) && isPart(right);
  },
  tensors: ({ clusters: { groups, left, right } }) => [groups, ...tensorsOfPart(left), ...tensorsOfPart(right)],
  shared: () => [],
  unknownIn: ({ clusters }) =>
    unknownIn(clusters, ["count", "groups", "left", "right"]) ??
    unknownInPart(clusters.left) ??
    unknownInPart(clusters.right),
  faultIn({ clusters: { count, groups, left, right } }, { rows, cols, rank }, shapeOf) {
    if (!(Number.isInteger(count) && count >= 1 && count <= mostGroups))
      return `has ${String(count)} groups of rows; 1 to ${mostGroups} can be`;
    const shape = shapeOf(groups)!;
    if (shape.length !== 1 || shape[0] !== rows)
      return `keeps its groups of rows in "${groups}" of shape [${shape.join(", ")}], not [${rows}]`;
    const isWhole = rank >= 1 && isRoomy(left, rows, rank, shapeOf) && isRoomy(right, count * rank, cols, shapeOf);
    return isWhole ? undefined : `is ${rows} x ${cols} in ${count} groups of rank ${rank}, which its factors are not`;
  },
  async open(model, { clusters }, { rows, cols, rank }) {
    const { count } = clusters;
    const parts = new CodeParts(model);
    const groups = await parts.bytes(clusters.groups, rows);
    const beyond = groups.findIndex((group) => group >= count);
    if (beyond >= 0)
      throw parts.broken(clusters.groups, `puts row ${beyond} in group ${groups[beyond]}; there are ${count}`);
    const left = await openPart(model, clusters.left, rows, rank);
    return { kind: "clusters", count, groups, left, right: await openPart(model, clusters.right, count * rank, cols) };
  },

  async pack({ count, groups, left, right }) {
    const text = { clusters: { count, left: textOf(left), right: textOf(right) } };
    return { text, parts: [groups, ...(await partsOf(left)), ...(await partsOf(right))] };
  },
  async unpack({ clusters }, parts, name) {
    const { count } = clusters;
    const groups = await nextBytes(parts);
    const left = await matrixFrom(clusters.left, parts, name);
    return { kind: "clusters", count, groups, left, right: await matrixFrom(clusters.right, parts, name) };
  },
};
