// Coresets of rows that come in pieces, as the caller sees them. What reduces them is loaded when the first rows come.
import type { Engine } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import { isRowSource, readRows, toRowSource, type MatrixLike } from "../../matrix.js";
import { checkRowWeights } from "../../options.js";
import type { CoresetStream, CoresetStreamOptions, RowWeights } from "../../types/index.js";
import type { Pushed, Reducer } from "./merge-reduce.js";

/** @param turn queues work on the instance */
export function openCoresetStream(
  engine: Engine,
  options: CoresetStreamOptions,
  turn: <Result>(body: () => Promise<Result>) => Promise<Result>,
): CoresetStream {
  let loading: Promise<Reducer> | undefined;
  const reducer = () => (loading ??= import("./merge-reduce.js").then(({ Reducer }) => new Reducer(engine, options)));
  let finished = false;
  const checkOpen = () => {
    if (finished) throw new InvalidInputError("This stream is finished; open another with coresetStream().");
  };
  return {
    async push(rows, { rowWeights } = {}) {
      checkOpen();
      const pushed = copyRows(rows, rowWeights, options.cols);
      return turn(async () => (await reducer()).push(pushed));
    },
    async finish() {
      checkOpen();
      finished = true;
      return turn(async () => (await reducer()).finish());
    },
  };
}

function copyRows(a: MatrixLike, rowWeights: RowWeights | undefined, cols: number): Pushed {
  const source = toRowSource(a, "the matrix pushed");
  if (source.cols !== cols) {
    throw new InvalidInputError(
      `${source.name ?? "The matrix pushed"} has ${source.cols} columns, but the stream has ${cols}.`,
    );
  }
  checkRowWeights(rowWeights, source);
  const weights = rowWeights ? Float64Array.from(rowWeights) : new Float64Array(source.rows).fill(1);
  const wide = source.dtype === "f64";
  if (!isRowSource(a)) {
    const copy = a.data.slice();
    return { rows: source.rows, wide, read: async () => copy, weights };
  }
  const read = async () => {
    const data = await readRows(source);
    return wide ? data : Float32Array.from(data);
  };
  return { rows: source.rows, wide, read, weights };
}
