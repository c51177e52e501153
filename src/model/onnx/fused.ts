// Tables in few bits read by onnxruntime's own operators, which unpack as they read (docs/ContribOperators.md of onnxruntime):
//
//   GatherBlockQuantized   rows by number, from [n, k bits / 8]
//   MatMulNBits            x L', from [n, k / block, block bits / 8], in blocks of a power of two, of at least 16 columns
//
// A table that is multiplied with lies as MatMulNBits wants it, and the rows that are gathered from it are put together by
// Reshape: one tensor serves both. Codes are unsigned, 2^(bits - 1) stands for 0 unless it is said otherwise, and the first code
// of a byte has its lowest bits, as in CodedMatrix. Scales have the type of what comes out, f32: halves in the file are cast, once,
// as the model loads. Layers in half precision are cast around the operators, for scales may lie outside its range.
import type { RowType } from "../../matrix.js";
import type { CodedMatrix } from "../../types/index.js";
import { describeCodes } from "../kinds/pair-description.js";
import type { StoredMatrix } from "../stored.js";
import { DataType, type Builder } from "./builder.js";
import { stepOf, type MatrixOperand } from "./decode.js";
import { once } from "./once.js";

/** Where rows lie in blocks for MatMulNBits, or whole. */
interface Layout {
  /** Columns of a block as the operators have it; of a row that is one block, maybe more than there are. */
  readonly blockSize: number;
  /** Dimensions of a row of codes. */
  readonly row: readonly number[];
  /** Dimensions of a row's scales. */
  readonly scales: readonly number[];
  /** Blocks that share one stored scale. */
  readonly repeat: number;
}

/** What a node is called, and what it must put out. */
interface Target {
  readonly name: string;
  readonly output?: string;
}

const domain = "com.microsoft";
/** The operators' least. */
const leastBlock = 16;

/**
 * @param type the layer's
 * @param multiplied columns of what is multiplied with the table's transpose, where anything is: `cols` or `paddedCols`
 * @returns undefined where these operators cannot hold the matrix: floating point, 3 bits, uneven levels, f64 and bf16, blocks
 *   that no power of two of at least 16 divides (whose standard form is unpacked once, as the model loads; GatherBlockQuantized
 *   of all rows would be run every time)
 */
export function fusedOperand(
  builder: Builder,
  name: string,
  matrix: StoredMatrix,
  type: RowType,
  { multiplied }: { multiplied?: number } = {},
): MatrixOperand | undefined {
  if (matrix.kind !== "codes" || matrix.bits === 3 || (type !== "f32" && type !== "f16")) return undefined;
  const step = evenStep(matrix);
  const layout = multiplied === undefined ? (wholeRows(matrix) ?? blocksOf(matrix)) : blocksOf(matrix, multiplied);
  if (step === undefined || !layout) return undefined;
  return tableOperand(builder, name, matrix, type, step, layout, multiplied);
}

/** c where level i is (i - 2^(bits - 1)) c, up to rounding. */
function evenStep({ bits, levels }: CodedMatrix): number | undefined {
  const zero = 2 ** (bits - 1);
  const step = levels[zero + 1];
  const even = levels.every((level, code) => Math.abs(level - (code - zero) * step) <= 2 ** -22 * Math.abs(level));
  return even ? step : undefined;
}

/** For GatherBlockQuantized alone: one scale a row, or blocks that are a power of two already. */
function wholeRows({ bits, paddedCols, block }: CodedMatrix): Layout | undefined {
  const blocks = paddedCols / block;
  const blockSize = blocks === 1 ? powerOfTwoFrom(Math.max(paddedCols, leastBlock)) : block;
  if (blockSize < leastBlock || blockSize !== powerOfTwoIn(blockSize)) return undefined;
  return { blockSize, row: [(paddedCols * bits) / 8], scales: [blocks], repeat: 1 };
}

/**
 * For both operators: the largest power of two that divides the stored blocks, each of which repeats its block's scale. What is
 * multiplied with must reach into the last block.
 */
function blocksOf({ bits, paddedCols, block }: CodedMatrix, multiplied = paddedCols): Layout | undefined {
  const blockSize = powerOfTwoIn(block);
  const blocks = paddedCols / blockSize;
  if (blockSize < leastBlock || blocks !== Math.ceil(multiplied / blockSize)) return undefined;
  return { blockSize, row: [blocks, (blockSize * bits) / 8], scales: [blocks, 1], repeat: block / blockSize };
}

/** The largest power of two that divides n. */
function powerOfTwoIn(n: number): number {
  return n & -n;
}

/** The smallest power of two of at least n. */
function powerOfTwoFrom(n: number): number {
  return 2 ** (32 - Math.clz32(n - 1));
}

/**
 * With 8 bits onnxruntime computes in integers, x in 8 bits in each block, or unpacks the whole matrix at every run. That takes ten times as
 * long for one short text, and errs less by little: docs/quality.md.
 */
const inIntegers = 4;
/** Entries from which on that counts. */
const leastInIntegers = 2 ** 16;

function tableOperand(
  builder: Builder,
  name: string,
  coded: CodedMatrix,
  type: RowType,
  step: number,
  { blockSize, row, scales: scaleRow, repeat }: Layout,
  multiplied: number | undefined,
): MatrixOperand {
  const { rows, bits, paddedCols: cols, block } = coded;
  const [{ bytes }] = coded.planes;
  const unsigned = bits === 8;
  const codes = builder.tensor(
    `${name}.codes`,
    DataType.uint8,
    [rows, ...row],
    unsigned ? { byteLength: bytes.byteLength, chunks: () => unsignedChunks(bytes) } : bytes,
  );
  const { buffer, byteOffset, byteLength } = coded.scales;
  const stored = builder.tensor(
    `${name}.scales`,
    DataType.f16,
    [rows, cols / block],
    new Uint8Array(buffer, byteOffset, byteLength),
  );
  const inBlocks = row.length === 2;
  const attributes = { bits, block_size: blockSize };
  const accuracy: Readonly<Record<string, number>> =
    bits === 8 && rows * cols >= leastInIntegers ? { accuracy_level: inIntegers } : {};

  const cast = (value: string, to: RowType, as: Target) =>
    builder.node("Cast", [value], { ...as, attributes: { to: DataType[to] } });

  /** Scales [rows, blocks]. */
  const scales = once(() => {
    let value = cast(stored, "f32", { name: `${name}/scales` });
    if (step !== 1) value = builder.node("Mul", [value, stepOf(builder, step, "f32")], { name: `${name}/steps` });
    if (repeat === 1) return value;
    const apart = builder.node("Reshape", [value, builder.vector([rows, cols / block, 1])], { name: `${name}/apart` });
    const each = builder.node("Expand", [apart, builder.vector([rows, cols / block, repeat])], {
      name: `${name}/each`,
    });
    return builder.node("Reshape", [each, builder.vector([rows, cols / blockSize])], { name: `${name}/blocks` });
  });
  const gatherScales = once(() =>
    inBlocks
      ? builder.node("Reshape", [scales(), builder.vector([rows, ...scaleRow])], { name: `${name}/columns` })
      : scales(),
  );

  const gather: MatrixOperand["gather"] = (indices, sizes, as) => {
    const looked = builder.node("GatherBlockQuantized", [codes, indices, gatherScales()], {
      ...{ name: `${as}/rows`, domain },
      attributes: { ...attributes, gather_axis: 0, quantize_axis: row.length },
    });
    if (sizes) {
      builder.value(looked, DataType.f32, [...sizes, ...(inBlocks ? [cols / blockSize, blockSize] : [cols])]);
    }
    const numbers = inBlocks
      ? builder.node("Reshape", [looked, builder.vector([...sizes!.map(() => 0), cols])], { name: `${as}/shaped` })
      : looked;
    return type === "f32" ? numbers : cast(numbers, type, { name: `${as}/narrowed` });
  };
  const timesTransposed = (x: string, to: Target) => {
    const product = (wide: string, as: Target) =>
      builder.node("MatMulNBits", [wide, codes, scales()], {
        ...{ ...as, domain },
        attributes: { ...attributes, ...accuracy, K: multiplied!, N: rows },
      });
    if (type === "f32") return product(x, to);
    const wide = product(cast(x, "f32", { name: `${to.name}/widened` }), { name: `${to.name}/wide` });
    return cast(wide, type, to);
  };
  return {
    ...{ rows, cols, transposed: false, part: describeCodes(coded, [codes], stored, { unsigned }) },
    // Done at every run, though of constants alone: onnxruntime does not fold it. Only rare readers of a tied table ask for it.
    whole: once(() => {
      const [from, to, by] = [0, rows, 1].map((number) => builder.scalar(number));
      const all = builder.node("Range", [from, to, by], { name: `${name}/all` });
      return gather(all, [rows], `${name}/numbers`);
    }),
    needsRank: inBlocks,
    gather,
    ...(inBlocks && multiplied !== undefined && { timesTransposed }),
  };
}

/** Bytes of int8 as uint8, 128 more: a table may be large, and a plan is laid out many times without being written. */
function* unsignedChunks(bytes: Uint8Array): Generator<Uint8Array> {
  const step = 1 << 20;
  for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step).map((code) => code ^ 0x80);
}
