// Where rows are stored, for engines whose workers read them by themselves.
import type { RowSource, RowType } from "./matrix.js";

/** A matrix in a file: row-major, little endian, from byte `offset` on. */
export interface RowLocation {
  /** Absolute path or URL. */
  readonly address: string;
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: RowType;
  /** The rows that are meant are the columns of what is stored. */
  readonly transposed: boolean;
}

type Locate = () => Promise<RowLocation | undefined>;

/** Beside the sources, not among their properties: a source made of another's properties may read other bytes. */
const locations = new WeakMap<RowSource, Locate>();

/** Says where the rows of `source` are stored, and gives it back. `find` is asked when it matters, once or more. */
export function locate<Source extends RowSource>(source: Source, find: Locate): Source {
  locations.set(source, find);
  return source;
}

/** Where its rows are stored, if anyone said. */
export async function locationOf(source: RowSource): Promise<RowLocation | undefined> {
  return locations.get(source)?.();
}
