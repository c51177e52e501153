// Factors made by hand, laid out in either format and read back: the same numbers, and the graph computes them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockColumns, decodeRows, paddedColumns, planeBits } from "../../src/codes.js";
import { f16ToF32, f32ToF16 } from "../../src/formats/index.js";
import { readRows, type RowType } from "../../src/matrix.js";
import { readDescription } from "../../src/model/description.js";
import { safetensorsModel, type Model } from "../../src/model/index.js";
import { openValue } from "../../src/model/kinds/index.js";
import { shapeOf, type Operators } from "../../src/model/model.js";
import {
  floatMatrix,
  type StoredLayer,
  type StoredMatrix,
  type StoredPair,
  type StoredType,
} from "../../src/model/stored.js";
import type { CodeBits, CodedMatrix } from "../../src/types/index.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsBytes, safetensorsOf } from "./in-memory.js";
import { ids } from "./onnx-models/cases.js";
import { uniform } from "./onnx-models/random.js";
import { run } from "./onnx-models/session.js";

const allBits: readonly CodeBits[] = [8, 4, 3, 2];

interface CodeOptions {
  block?: number;
  /** Difference of two levels; left out: levels in no even steps. */
  step?: number;
  seed?: number;
}

/** Every code occurs; scales from 0.5 to 1.5. Padding holds codes and scales too: no reader may let them through. */
function codes(rows: number, cols: number, bits: CodeBits, { block, step, seed = 1 }: CodeOptions = {}): CodedMatrix {
  const size = blockColumns(cols, block);
  const paddedCols = paddedColumns(cols, block);
  const planes = planeBits[bits].map((width, plane) => {
    const bytesPerRow = (paddedCols * width) / 8;
    const bytes = Uint8Array.from({ length: rows * bytesPerRow }, (_, i) => 256 * uniform(seed + plane, i));
    return { bits: width, bytesPerRow, bytes };
  });
  const zero = 2 ** (bits - 1);
  const levels = Float32Array.from({ length: 2 * zero }, (_, code) =>
    step === undefined ? (code - zero + 0.25) * (1 + Math.abs(code - zero) / 8) : (code - zero) * step,
  );
  const scales = f32ToF16(
    Float32Array.from({ length: (rows * paddedCols) / size }, (_, i) => 0.5 + uniform(seed + 7, i)),
  );
  return { kind: "codes", rows, cols, paddedCols, bits, block: size, levels, planes, scales };
}

function floats(rows: number, cols: number, type: RowType, name: string): StoredMatrix {
  const data = Float64Array.from({ length: rows * cols }, (_, i) => uniform(3, i) - 0.5);
  return floatMatrix({ data, rows, cols }, type, name);
}

function layerOf(model: Model, left: StoredMatrix, right: StoredMatrix | undefined, type: StoredType): StoredLayer {
  const [layer] = model.layers;
  const [rows, cols] = shapeOf(layer);
  const rank = right ? rowsOf(right) : cols;
  const objective = { lp: 1, l1: 1, l21: 1, l2: 1, worstRow: { row: 0, norm: 1 } };
  const certificate = { lower: 0, upper: 1, slack: 1e-6, sigmaNext: 1, bound: 1, rounding: 0 };
  return {
    ...{ name: layer.name, transposed: layer.transposed, rows, cols, rank, type, objective, certificate },
    value: { kind: "pair", left, right },
    ...{
      p: 1,
      method: right ? "svd" : "dense",
      candidates: [],
      rowWeights: false,
      seconds: 0,
    },
  };
}

const rowsOf = (matrix: StoredMatrix) => (matrix.kind === "codes" ? matrix.rows : matrix.rows.rows);
const numbersIn = async (matrix: StoredMatrix): Promise<Float64Array> =>
  matrix.kind === "codes" ? Float64Array.from(decodeRows(matrix, 0, matrix.rows)) : readAll(matrix);
const readAll = async ({ rows }: Extract<StoredMatrix, { kind: "float" }>) => Float64Array.from(await readRows(rows));

const openers = {
  safetensors: async (bytes: Uint8Array) => safetensorsModel(await openBytes(bytes)),
  onnx: openOnnxBytes,
};

describe.each(["safetensors", "onnx"] as const)("%s", (format) => {
  const make = async (rows: number, cols: number) => {
    const tables = [{ name: "W", rows, cols }];
    return openers[format](format === "onnx" ? onnxBytes(tables) : await safetensorsBytes(tables));
  };

  test("codes and floats read back to the same numbers, of tensors tall or wide", async () => {
    const kinds = fc.record({
      rows: fc.integer({ min: 2, max: 20 }),
      cols: fc.integer({ min: 2, max: 20 }),
      rank: fc.integer({ min: 1, max: 12 }),
      type: fc.constantFrom<StoredType>("f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2"),
      dense: fc.boolean(),
      step: fc.constantFrom(undefined, 1, 0.3, 2 ** -19),
      operators: fc.constantFrom<Operators>("standard", "onnxruntime"),
    });
    await fc.assert(
      fc.asyncProperty(kinds, async ({ rows, cols, rank, type, dense, step, operators }) => {
        const model = await make(rows, cols);
        const [n, d] = shapeOf(model.layers[0]);
        const bits = allBits.find((each) => type === `int${each}`);
        const isTable = dense && bits !== undefined;
        const k = isTable ? d : rank;
        const left = bits
          ? codes(n, k, bits, { step, block: isTable ? 32 : undefined })
          : floats(n, k, type as RowType, "L");
        const right = isTable
          ? undefined
          : bits
            ? codes(k, d, 8, { step: step ?? 0.5, seed: 20 })
            : floats(k, d, type as RowType, "R");
        const layer = layerOf(model, left, right, type);
        const files = await model.layOut([layer], { operators });
        const again = await openers[format](await mainFile(files));
        const described = again.described.get("W")!;
        expect(described).toMatchObject({ rows: n, cols: d, rank: k, type, dtype: "F32" });
        expect(described.transposed ?? false).toBe(layer.transposed);
        const value = (await openValue(again, described)) as StoredPair;
        expect(await numbersIn(value.left)).toEqual(await numbersIn(left));
        if (right) expect(await numbersIn(value.right!)).toEqual(await numbersIn(right));
        else expect(value.right).toBeUndefined();
        expect(again.layers.map(({ name }) => name)).not.toContain("W");
      }),
      { numRuns: 120 },
    );
  });
});

describe("a graph computes what is stored", () => {
  const [rows, cols] = [40, 20];
  const given = { ids: ids([40], rows) };

  async function rowsRead(left: CodedMatrix, right: CodedMatrix | undefined, operators: Operators) {
    const model = await openOnnxBytes(onnxBytes([{ name: "W", rows, cols }]));
    const files = await model.layOut([layerOf(model, left, right, `int${left.bits}`)], { operators });
    const { data } = (await run({ bytes: await mainFile(files) }, given))["W rows"];
    return data;
  }

  function rowsWanted(left: CodedMatrix, right: CodedMatrix | undefined): Float64Array {
    const L = decodeRows(left, 0, rows);
    const R = right && decodeRows(right, 0, right.rows);
    return Float64Array.from({ length: 40 * cols }, (_, at) => {
      const [row, j] = [Number(given.ids.data[Math.floor(at / cols)]), at % cols];
      if (!right) return L[row * cols + j];
      let sum = 0;
      for (let k = 0; k < left.cols; ++k) sum += L[row * left.cols + k] * R![k * cols + j];
      return sum;
    });
  }

  describe.each<Operators>(["standard", "onnxruntime"])("with %s operators", (operators) => {
    const steps = [undefined, 1, 0.3, 2 ** -19];
    test.each(allBits.flatMap((bits) => steps.map((step) => [bits, step] as const)))(
      "%i bits, step %s",
      async (bits, step) => {
        // Codes of 8 bits are numbers by themselves.
        const leftStep = bits === 8 ? (step ?? 3) : step;
        const pairs: [CodedMatrix, CodedMatrix | undefined][] = [
          [codes(rows, 5, bits, { step: leftStep }), codes(5, cols, 8, { step: step ?? 0.5, seed: 20 })],
          [codes(rows, cols, bits, { step: leftStep, block: 32 }), undefined],
          [codes(rows, cols, bits, { step: leftStep, block: 8 }), undefined],
        ];
        for (const [left, right] of pairs) {
          const wanted = rowsWanted(left, right);
          const got = await rowsRead(left, right, operators);
          const size = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
          const difference = wanted.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i])), 0);
          expect(difference).toBeLessThanOrEqual(2e-6 * size);
        }
      },
    );
  });
});

test("scales of codes are halves to the bit, levels survive as text", async () => {
  const model = await safetensorsOf([{ name: "W", rows: 9, cols: 9 }]);
  const left = codes(9, 9, 4, { block: 32 });
  const files = await model.layOut([layerOf(model, left, undefined, "int4")]);
  const again = safetensorsModel(await openBytes(await mainFile(files)));
  const read = ((await openValue(again, again.described.get("W")!)) as StoredPair).left as CodedMatrix;
  expect(f16ToF32(read.scales)).toEqual(f16ToF32(left.scales));
  expect(read.levels).toEqual(left.levels);
});

describe("a damaged description", () => {
  const shapes: Record<string, number[]> = { L: [6, 2], R: [2, 4], Q: [2, 2], c: [6, 8], s: [6, 1], s2: [6, 2] };
  const numbers = { lp: 1, l1: 1, l21: 1, l2: 1, worstRow: { row: 0, norm: 1 } };
  const whole = {
    ...{ left: "L", right: "R", rows: 6, cols: 4, rank: 2, dtype: "F32", type: "f32", p: 1 },
    ...{ objective: numbers, bound: 1, rowWeights: false },
  };
  const certificate = { lower: 0, upper: 1, slack: 0.5, sigmaNext: 1, bound: 1, rounding: 2 };
  const ofVersion1 = { ...whole, bound: undefined, method: "svd", certificate, tolerance: 0.01, seed: 0 };
  const coded = { codes: ["c"], scales: "s", bits: 8, block: 8, paddedCols: 8, levels: 1 };
  const inCodes = { ...whole, left: coded, right: undefined, rank: 4, type: "int8" };
  const read = (text: string) => readDescription(text, "small.onnx", (name) => shapes[name]);
  const readLayer = (layer: unknown, version = 2) => read(JSON.stringify({ version, layers: { W: layer } }));

  test("a tensor of two layers", async () => {
    const error = await failure(
      () => read(JSON.stringify({ version: 2, layers: { V: whole, W: whole } })),
      "INVALID_FORMAT",
    );
    expect(error.message).toMatch(/has "L" as a part of "V" and again of "W"/);
  });

  test("whole, it is read", () => {
    expect(readLayer(whole).get("W")).toMatchObject(whole);
    expect(readLayer(inCodes).get("W")).toMatchObject({ left: coded });
    expect(readLayer({ ...whole, p: "Infinity" }).get("W")!.p).toBe(Infinity);
    expect(read('{"version":2,"layers":{}}').size).toBe(0);
  });

  test("of version 1, without what nothing can check", () => {
    expect(readLayer(ofVersion1, 1).get("W")).toEqual({ ...whole, bound: 1 * (1 + 0.5) + 2 });
    expect(readLayer({ ...ofVersion1, type: undefined }, 1).get("W")!.type).toBe("f32");
    expect(read('{"version":1,"layers":{}}').size).toBe(0);
  });

  test.each([undefined, { lower: 0 }, null, 3])("of version 1, with a certificate that is %j", async (part) => {
    const error = await failure(() => readLayer({ ...ofVersion1, certificate: part }, 1), "INVALID_FORMAT");
    expect(error.message).toMatch(/lacks the bound or the error of "W"/);
  });

  test.each<[string, unknown, RegExp]>([
    ["null", null, /lacks the bound or the error of "W"/],
    ["a number", 4, /lacks the bound/],
    ["no bound", { ...whole, bound: undefined }, /lacks the bound/],
    ["no error", { ...whole, objective: { l1: 1 } }, /lacks the bound or the error/],
    ["no word of row weights", { ...whole, rowWeights: undefined }, /lacks the bound/],
    ["a power of no row weights", { ...whole, rowWeightsPower: 1 }, /lacks the bound/],
    ["a transpose that is none", { ...whole, transposed: false }, /lacks the bound/],
    [
      "a tensor that lies as it is, said to be transposed",
      { ...whole, left: { tensor: "L", transposed: false } },
      /does not say where/,
    ],
    ["no type", { ...whole, type: undefined }, /of type F32, stored as undefined/],
    ["a certificate", { ...whole, certificate }, /says "certificate" of "W", which version 2 does not/],
    ["an error in one more norm", { ...whole, objective: { ...numbers, l3: 1 } }, /says "l3" of "W"/],
    [
      "two worst rows",
      { ...whole, objective: { ...numbers, worstRow: { row: 0, norm: 1, other: 2 } } },
      /says "other" of "W"/,
    ],
    ["more of the codes", { ...inCodes, left: { ...coded, sign: 1 } }, /says "sign" of "W"/],
    ["left that is a number", { ...whole, left: 3 }, /does not say where the factors of "W" lie/],
    ["left without parts", { ...whole, left: {} }, /does not say where/],
    ["right that is null", { ...whole, right: null }, /does not say where/],
    ["a tensor without a name", { ...whole, left: { tensor: 1, transposed: true } }, /does not say where/],
    ["codes without scales", { ...inCodes, left: { ...coded, scales: undefined } }, /does not say where/],
    ["codes that are one name", { ...inCodes, left: { ...coded, codes: "c" } }, /does not say where/],
    ["5 bits", { ...inCodes, left: { ...coded, bits: 5 } }, /does not say where/],
    ["bits that are text", { ...inCodes, left: { ...coded, bits: "8" } }, /does not say where/],
    ["bits that objects have", { ...inCodes, left: { ...coded, bits: "constructor" } }, /does not say where/],
    ["a block of 0", { ...inCodes, left: { ...coded, block: 0 } }, /does not say where/],
    ["levels that are text", { ...inCodes, left: { ...coded, levels: ["a"] } }, /does not say where/],
    ["too few levels", { ...inCodes, left: { ...coded, levels: [1, 2] } }, /which its factors are not/],
    ["more blocks than scales", { ...inCodes, left: { ...coded, scales: "s2" } }, /which its factors are not/],
    ["a factor that is not there", { ...whole, left: "nothing" }, /names factors of "W" that are not in the file/],
    ["another rank", { ...whole, rank: 3 }, /says that "W" is 6 x 4 of rank 3, which its factors are not/],
    ["half a row more", { ...inCodes, rows: 5.5 }, /says that "W" is 5.5 x 4 of rank 4/],
    ["no columns", { ...inCodes, cols: 0, rank: 0 }, /says that "W" is 6 x 0 of rank 0/],
    ["rows and columns changed over", { ...whole, rows: 4, cols: 6 }, /4 x 6 of rank 2/],
    ["no right, and not of full rank", { ...whole, right: undefined }, /which its factors are not/],
    ["a type that there is not", { ...whole, type: "int5" }, /of type F32, stored as int5/],
    ["a tensor of another type", { ...whole, dtype: "I64" }, /of type I64, stored as f32/],
    ["a type that is a list", { ...whole, dtype: ["F32"] }, /of type \["F32"\], stored as f32/],
    [
      "one tensor for both factors",
      { ...whole, rows: 2, cols: 2, left: "Q", right: "Q" },
      /has "Q" as a part of "W" and again of "W"/,
    ],
  ])("%s", async (_, layer, message) => {
    const error = await failure(() => readLayer(layer), "INVALID_FORMAT");
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(
      /^small\.onnx: metadata "loewner" .*; the file was damaged, or not written by loewner\.$/,
    );
    expect(error.place.file).toBe("small.onnx");
  });

  test.each([
    ["{", /is not JSON/],
    ["null", /has version undefined, not 1 or 2/],
    ['{"version":3,"layers":{}}', /has version 3, not 1 or 2/],
    ['{"version":2}', /lists no layers/],
    ['{"version":2,"layers":[]}', /lists no layers/],
    ['{"version":2,"layers":{},"by":"me"}', /says "by", which version 2 does not/],
  ])("%s", async (text, message) => {
    expect((await failure(() => read(text), "INVALID_FORMAT")).message).toMatch(message);
  });

  test("any change of one value ends in a tagged error or in a description", () => {
    const text = JSON.stringify({ version: 2, layers: { W: whole, X: inCodes } });
    const damage = fc.record({
      at: fc.nat(text.length - 1),
      put: fc.constantFrom("0", "9", "[", "{", '"', "n", "", "-"),
    });
    fc.assert(
      fc.property(damage, ({ at, put }) => {
        try {
          read(text.slice(0, at) + put + text.slice(at + 1));
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_FORMAT" });
        }
      }),
      { numRuns: 500 },
    );
  });
});
