// Factors made by hand, laid out in either format and read back: the same numbers, and the graph computes them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockColumns, decodeRows, paddedColumns, planeBits } from "../../src/codes.js";
import { f16ToF32, f32ToF16 } from "../../src/formats/index.js";
import { readRows, type RowType } from "../../src/matrix.js";
import { levelsOf } from "../../src/code-levels.js";
import { descriptionText, readDescription } from "../../src/model/description.js";
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
import { TransformDecoder } from "../../src/transform-codes.js";
import type { CodeBits, CodedMatrix, TransformCode } from "../../src/types/index.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsBytes, safetensorsOf } from "./in-memory.js";
import { ids } from "./onnx-models/cases.js";
import { uniform } from "./onnx-models/random.js";
import { run } from "./onnx-models/session.js";
import { transformLayer, type TransformShape } from "./onnx-models/transform.js";

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

describe("transform codes", () => {
  const codes = fc.record({
    rows: fc.integer({ min: 2, max: 30 }),
    cols: fc.integer({ min: 2, max: 30 }),
    windowBits: fc.constantFrom(10 as const, 12 as const),
    bands: fc.uniqueArray(
      fc.tuple(fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8), fc.integer({ min: 1, max: 4 }).map((n) => 8 * n), fc.constantFrom(8, 4)), // prettier-ignore
      { maxLength: 5, selector: ([bits]) => bits },
    ),
    zeros: fc.boolean(),
    exact: fc.uniqueArray(fc.nat(29), { maxLength: 5 }),
    seed: fc.nat(1000),
  });

  test.each(["safetensors", "onnx"] as const)("read back from %s to the same numbers", async (format) => {
    await fc.assert(
      fc.asyncProperty(codes, async ({ exact, bands, ...shape }) => {
        const { rows, cols } = shape;
        const tables = [{ name: "W", rows, cols }];
        const model = await openers[format](format === "onnx" ? onnxBytes(tables) : await safetensorsBytes(tables));
        const [{ transposed }] = model.layers;
        const [n, d] = shapeOf(model.layers[0]);
        const layer = transformLayer(
          { ...shape, rows: n, cols: d, bands: bands as TransformShape["bands"], exact: exact.filter((row) => row < n).sort((a, b) => a - b) }, // prettier-ignore
          "W",
          transposed,
        );
        const again = await openers[format](await mainFile(await model.layOut([layer])));
        const described = again.described.get("W")!;
        const value = (await openValue(again, described)) as TransformCode;
        const before = layer.value as TransformCode;
        expect(new TransformDecoder(value).rows(0, n)).toEqual(new TransformDecoder(before).rows(0, n));
        expect(value.bands.map(({ codes: bytes }) => bytes)).toEqual(before.bands.map(({ codes: bytes }) => bytes));
        expect(again.layers.map(({ name }) => name).filter((name) => /W|trellis/.test(name))).toEqual([]);
        expect(readDescription(descriptionText(again.described), "again", again.shape)).toEqual(again.described);
      }),
      { numRuns: 40 },
    );
  });

  test("tables stand once in a file, whichever layers need them, and stay when another comes", async () => {
    const tables = ["a", "b", "c"].map((name) => ({ name, rows: 12, cols: 6 }));
    const model = await openers.safetensors(await safetensorsBytes(tables));
    const two = ["a", "b"].map((name) => transformLayer({ rows: 12, cols: 6, bands: [[3, 8], [1, 8]] }, name)); // prettier-ignore
    const first = await mainFile(await model.layOut(two));
    const third = transformLayer({ rows: 12, cols: 6, bands: [[2, 8], [1, 8]] }, "c"); // prettier-ignore
    const second = await mainFile(await (await openers.safetensors(first)).layOut([third]));
    const { tensors } = await openBytes(second);
    expect([...tensors.keys()].filter((name) => name.startsWith("loewner")).sort()).toEqual([
      "loewner.trellis1_10",
      "loewner.trellis2_10",
      "loewner.trellis3_10",
    ]);
    const again = await openers.safetensors(second);
    for (const [, described] of again.described) await openValue(again, described);
    expect([...again.described.keys()]).toEqual(["a", "b", "c"]);
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

  describe("of transform codes", () => {
    const halves = { T: [512], T12: [2048] };
    const parts: Record<string, number[]> = {
      ...{ c0: [6, 6], c1: [6, 1], call: [6, 7], s: [6], m: [4], l: [9], e: [2] },
      ...{ r0c: [16, 8], r0s: [16, 1], r1c: [8, 4], r1s: [8, 1], q: [2, 4], qs: [2, 1] },
      ...halves,
    };
    const levels = [...levelsOf(4, "normal").values];
    const right0 = { codes: ["r0c"], scales: "r0s", bits: 8, block: 8, paddedCols: 8, levels: 0.5 };
    const right1 = { codes: ["r1c"], scales: "r1s", bits: 4, block: 8, paddedCols: 8, levels };
    const residual = { codes: ["q"], scales: "qs", bits: 4, block: 8, paddedCols: 8, levels };
    const code = {
      ...{ windowBits: 10, bands: [{ bits: 3, cols: 16 }, { bits: 1, cols: 8 }], codes: ["c0", "c1"] }, // prettier-ignore
      right: [{ components: 16, part: right0 }, { components: 8, part: right1 }], // prettier-ignore
      ...{ tables: ["T", "T"], centre: "m", scales: "s", scaleLevels: "l", exact: { rows: "e", residual } },
    };
    const claim = { ...whole, left: undefined, right: undefined };
    const described = { ...claim, code, rank: 24, type: "transform" };
    const readCode = (layer: unknown) =>
      readDescription(JSON.stringify({ version: 2, layers: { W: layer } }), "small.onnx", (name) => parts[name]);
    const withCode = (change: object) => ({ ...described, code: { ...code, ...change } });

    test("whole, it is read; codes side by side too", () => {
      expect(readCode(described).get("W")).toMatchObject({ code });
      expect(readCode(withCode({ codes: ["call"] })).size).toBe(1);
      expect(readCode(withCode({ exact: undefined })).size).toBe(1);
    });

    test.each<[string, unknown, RegExp]>([
      ["no code", { ...described, code: undefined }, /lacks the bound or the error of "W"/],
      ["code that is text", { ...described, code: "c0" }, /does not say where/],
      ["bands that are numbers", withCode({ bands: [3, 1] }), /does not say where/],
      ["a right factor in floats", withCode({ right: [{ components: 24, part: "r0c" }] }), /does not say where/],
      ["left beside it", { ...described, left: "c0" }, /says "code" of "W", which version 2 does not/],
      ["a band's own word", withCode({ bands: [{ bits: 3, cols: 16, rows: 6 }, { bits: 1, cols: 8 }] }), /says "rows" of "W"/], // prettier-ignore
      ["more of the code", withCode({ seed: 1 }), /says "seed" of "W"/],
      ["windows of 11 bits", withCode({ windowBits: 11 }), /"W" has windows of 11 bits; they have 10 or 12/],
      ["tables of other windows", withCode({ windowBits: 12 }), /keeps a table in "T" of shape \[512\], not \[2048\]/],
      ["9 bits", withCode({ bands: [{ bits: 9, cols: 16 }, { bits: 1, cols: 8 }] }), /has a band of 9 bits, not 1 to 8/], // prettier-ignore
      ["12 components", withCode({ bands: [{ bits: 3, cols: 12 }, { bits: 1, cols: 8 }] }), /a band of 12 components, which is no multiple of 8/], // prettier-ignore
      ["bands that do not add up", { ...described, rank: 32 }, /is of rank 32, but its bands have 24 components/],
      ["codes of one band of two, and more", withCode({ codes: ["c0", "c1", "call"] }), /has 3 tensors of codes for 2 bands/], // prettier-ignore
      ["codes short by a byte", withCode({ bands: [{ bits: 4, cols: 16 }, { bits: 1, cols: 8 }] }), /keeps the codes of band 0 \(4 bits of 16 components\) in "c0" of shape \[6, 6\], not \[6, 8\]/], // prettier-ignore
      ["codes side by side that are short", withCode({ codes: ["c0"] }), /keeps the codes of 2 bands in "c0" of shape \[6, 6\], not \[6, 7\]/], // prettier-ignore
      ["one table of two", withCode({ tables: ["T"] }), /has 1 tables for 2 bands/],
      ["right factors of other components", withCode({ right: [{ components: 24, part: right0 }] }), /has a right factor that is not 24 x 4/], // prettier-ignore
      ["right factors across bands", withCode({ right: [{ components: 8, part: right1 }, { components: 16, part: right0 }] }), /has right factors of 8 \+ 16 components, which are not those of its bands/], // prettier-ignore
      ["right factors of none", withCode({ right: [{ components: 16, part: right0 }, { components: 0, part: right1 }, { components: 8, part: right1 }] }), /16 \+ 0 \+ 8 components/], // prettier-ignore
      ["other levels", withCode({ exact: { rows: "e", residual: { ...residual, levels: levels.map((x) => 1.5 * x) } } }), /has levels that are not those of transform codes/], // prettier-ignore
      ["a centre of another width", withCode({ centre: "l" }), /keeps the centre in "l" of shape \[9\], not \[4\]/],
      ["scales of other rows", withCode({ scales: "m" }), /keeps the scales in "m" of shape \[4\], not \[6\]/],
      ["levels in rows", withCode({ scaleLevels: "c1" }), /keeps its levels of scales in "c1" of shape \[6, 1\]; 1 to 256/], // prettier-ignore
      ["more exact rows than rows", withCode({ exact: { rows: "l", residual } }), /keeps its exact rows in "l" of shape \[9\]; 1 to 6/], // prettier-ignore
      ["a residual of fewer rows", withCode({ exact: { rows: "m", residual } }), /has another residual than that of 4 exact rows of 4 columns/], // prettier-ignore
      ["a part that is not there", withCode({ centre: "nothing" }), /names factors of "W" that are not in the file/],
      ["one tensor twice", withCode({ centre: "m", codes: ["c0", "c0"] }), /band 1|has "c0" as a part of "W" and again/], // prettier-ignore
    ])("%s", async (_, layer, message) => {
      const error = await failure(() => readCode(layer), "INVALID_FORMAT");
      expect(error.message).toMatch(message);
      expect(error.place.file).toBe("small.onnx");
    });

    test("a table that is a part of another layer", async () => {
      const text = JSON.stringify({ version: 2, layers: { V: { ...claim, left: "T", right: undefined, rows: 1, cols: 512, rank: 512, type: "f32" }, W: described } }); // prettier-ignore
      const shapesOf = (name: string) => (name === "T" ? [1, 512] : parts[name]);
      const error = await failure(() => readDescription(text, "small.onnx", shapesOf), "INVALID_FORMAT");
      expect(error.message).toMatch(/table/);
    });
  });

  test.each([
    ["{", /is not JSON/],
    ["null", /has version undefined, not 1, 2 or 3/],
    ['{"version":4,"layers":{}}', /has version 4, not 1, 2 or 3/],
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
