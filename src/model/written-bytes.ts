// What forms of layers take in a file beside their numbers: nodes, names, shapes and words. Of a small model that is as much as the numbers, and a
// plain form of more bits may make the smaller file.
import { allocateError, fill } from "./budget.js";
import type { Option } from "./choices.js";
import { shapeOf, type Layer } from "./model.js";
import type { LayerPlan } from "./plan-file.js";
import type { PlannedLayer } from "./plan-options.js";

/** Bytes of the files with these layers. */
type SizeOf = (planned: readonly PlannedLayer[]) => Promise<number>;

interface Shared {
  readonly layer: Layer;
  readonly own: LayerPlan;
}

interface Written extends Option {
  /** Without what is beside its numbers. */
  readonly option: Option;
}

/**
 * Options of the fewest bytes in the file whose errors add up to no more than `error`, or those of the least error. What all layers of a form
 * have in common counts by laying out what was found without each of its forms.
 *
 * Cost: the file is laid out twice for each form of each shape of layer, and a few times for each form that is chosen.
 * @param lists of each layer
 */
export async function leastWritten(
  shared: readonly Shared[],
  lists: readonly (readonly Option[])[],
  error: number,
  sizeOf: SizeOf,
): Promise<Option[]> {
  let left = await written(shared, lists, sizeOf);
  const found = async (from: readonly (readonly Written[])[]) => {
    const chosen = fill(from, allocateError(from, error), error, ["error", "bytes"]);
    const planned = chosen.flatMap(({ target }, i) => (target ? [plannedOf(shared[i], target)] : []));
    return { chosen, bytes: await sizeOf(planned) };
  };
  let best = await found(left);
  for (;;) {
    const forms = new Set(best.chosen.flatMap(({ target }) => (target ? [formOf(target)] : [])));
    let better: { next: typeof best; from: typeof left } | undefined;
    for (const form of forms) {
      const from = left.map((list) => list.filter(({ target }) => !target || formOf(target) !== form));
      const next = await found(from);
      if (errorOf(next.chosen) <= error && next.bytes < (better?.next ?? best).bytes) better = { next, from };
    }
    if (!better) return best.chosen.map(({ option }) => option);
    [best, left] = [better.next, better.from];
  }
}

const plannedOf = ({ layer, own }: Shared, target: NonNullable<Option["target"]>): PlannedLayer => ({
  ...{ layer, own, targets: [target], because: "" },
});

const errorOf = (chosen: readonly Option[]) => chosen.reduce((sum, each) => sum + each.error, 0);

/** What layers have tables and nodes in common by. */
function formOf(target: NonNullable<Option["target"]>): string {
  if (target.type === "transform") return target.type;
  if (target.type === "trellis") return `${target.type} ${target.bits}`;
  return `${target.type} ${target.dense ? "dense" : (target.groups ?? 1)}`;
}

/** With what a layer of each form takes beside its numbers, where another one of its shape has the form already. */
async function written(
  shared: readonly Shared[],
  lists: readonly (readonly Option[])[],
  sizeOf: SizeOf,
): Promise<Written[][]> {
  const beside = new Map<string, number>();
  const empty = await sizeOf([]);
  const all: Written[][] = [];
  for (const [i, list] of lists.entries()) {
    const { layer } = shared[i];
    const partner = shared.find((each, j) => j !== i && shapeOf(each.layer).join() === shapeOf(layer).join());
    const own: Written[] = [];
    for (const option of list) {
      const { target, bytes } = option;
      if (!target) {
        own.push({ ...option, option });
        continue;
      }
      const form = target.type === "trellis" ? target.type : formOf(target);
      const key = `${shapeOf(layer).join()} ${layer.kind} ${form}`;
      let more = beside.get(key);
      if (more === undefined) {
        const others = partner ? [plannedOf(partner, target)] : [];
        const before = partner ? await sizeOf(others) : empty;
        more = (await sizeOf([...others, plannedOf(shared[i], target)])) - before - (bytes - layer.bytes);
        beside.set(key, more);
      }
      own.push({ ...option, bytes: bytes + more, option });
    }
    all.push(own);
  }
  return all;
}
