// Models that compress is given, of kinds that strain what it says of its result: one table each, by seed.
import { encodeNumbers } from "../../src/formats/index.js";
import { isInRange, type PRange } from "../../src/options.js";
import type { Method } from "../../src/types/index.js";
import type { StoredType } from "../../src/model/stored.js";
import { bell, uniform } from "../library/matrices.js";

/** Factor of row i, or of an entry. */
const kinds = {
  normal: (seed: number, i: number, j: number, d: number) => bell(seed, i * d + j),
  "steep spectrum": (seed: number, i: number, j: number, d: number) => bell(seed, i * d + j) / (1 + j) ** 1.5,
  "heavy-tailed rows": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) / Math.max(1e-3, uniform(seed + 1, i)) ** 0.8,
  "three rows 10^4 times larger": (seed: number, i: number, j: number, d: number) =>
    // f16 ends at 65504, which their left factors would pass.
    (bell(seed, i * d + j) * (i % 701 === 7 && i < 2103 ? 1e4 : 1)) / 16,
  "rows 10^6 times others": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) * (i % 400 === 3 ? 1 : 1e-6),
  "equal rows": (seed: number, i: number, j: number, d: number) => bell(seed, (i % 3) * d + j),
  "fewer rows than columns that differ": (seed: number, i: number, j: number, d: number) =>
    bell(seed, (i % 40) * d + j),
  "tiny rows and two huge ones": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) * (i < 2 ? 100 : 1e-3),
  "tiny numbers": (seed: number, i: number, j: number, d: number) => 1e-9 * bell(seed, i * d + j),
};

export type Kind = keyof typeof kinds;

export interface Case {
  kind: Kind;
  rows: number;
  cols: number;
  rank: number;
  method: Method;
  p: number;
  type: StoredType;
  seed: number;
}

const ranges: Partial<Record<Method, PRange>> = {
  subspace: { above: 0, to: 2 },
  entrywise: { above: 0, below: 4 },
  "level-set": { from: 1, to: Infinity },
};
/** The most entries: some methods cost more than others. */
const mostRows: Partial<Record<Method, number>> = { subspace: 8000, entrywise: 6000, "level-set": 2200 };

const methods: Method[] = ["lewis", "svd", "auto", "lewis", "subspace", "entrywise", "level-set"];
const ps = [0.5, 1, 1.5, 2, 3];
const types: StoredType[] = ["f32", "f16", "bf16", "int8", "int4", "int2"];
const rows = [2000, 5003, 16500, 20000, 40000, 60000];
const colsOf = [4, 8, 16, 32, 48];

/** `count` of them: methods, p, types and kinds in turn, shapes and ranks drawn. */
export function* cases(count: number): Generator<Case> {
  const all = Object.keys(kinds) as Kind[];
  for (let made = 0, i = 0; made < count; ++i) {
    const draw = (stream: number, n: number) => Math.floor(uniform(stream, i) * n);
    const method = methods[i % methods.length];
    const p = ps[Math.floor(i / methods.length) % ps.length];
    if (!isInRange(p, ranges[method] ?? { above: 0, to: Infinity })) continue;
    const cols = method === "level-set" ? 6 : colsOf[draw(101, colsOf.length)];
    ++made;
    yield {
      ...{ kind: all[draw(102, all.length)], method, p, type: types[draw(103, types.length)], seed: i },
      ...{ rows: Math.min(rows[draw(104, rows.length)], mostRows[method] ?? Infinity), cols },
      rank: 1 + draw(105, cols - 1),
    };
  }
}

export const nameOf = ({ kind, rows, cols, rank, method, p, type }: Case) =>
  `${kind}, ${rows} x ${cols}, rank ${rank}, ${method}, p = ${p}, ${type}`;

/** A safetensors table of the case, in f32. */
export function tableOf({ kind, rows, cols, seed }: Case): Uint8Array {
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) data[i * cols + j] = kinds[kind](seed, i, j, cols);
  return encodeNumbers(data, "f32");
}
