// What inspect says of a model: spectra against the plain twin, figures against what compress then does, marks and shares.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jacobiSvd } from "../../reference/jacobi-svd.js";
import { toDense } from "../../reference/matrix.js";
import { bytesSource, encodeNumbers, memorySink, openSafetensors, writeSafetensors } from "../../src/formats/index.js";
import { createLoewner, type Loewner, type Matrix } from "../../src/index.js";
import { relativeErrors, spectrumOf } from "../../src/model/inspect.js";
import { compressModel, inspectModel, safetensorsModel, type Layer, type Model } from "../../src/model/index.js";
import { kinds, matrix, type Kind } from "../library/matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

/** A model with these matrices as f64 tensors. */
async function modelOf(tensors: Record<string, Matrix>): Promise<Model> {
  const inputs = Object.entries(tensors).map(([name, { data, rows, cols }]) => {
    const bytes = encodeNumbers(data, "f64");
    return { name, dtype: "F64" as const, shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] };
  });
  const sink = memorySink();
  await writeSafetensors(sink, { tensors: inputs });
  return safetensorsModel(await openSafetensors(bytesSource(sink.bytes(), "model.safetensors")));
}

/** Without numbers: only its sizes are looked at. */
function emptyModel(layers: Partial<Layer>[], byteLength: number): Model {
  const nothing = () => Promise.reject(new Error("no numbers are read"));
  return {
    ...{ format: "onnx", name: "m.onnx", byteLength, described: new Map(), layOut: nothing, bytes: nothing },
    layers: layers.map((layer) => ({
      ...{ name: "W", kind: "other", shape: [], dtype: "F32", bytes: 0, byDefault: false, transposed: false },
      ...layer,
    })),
    tensorBytes: () => 0,
    isTaken: () => false,
    rows: () => {
      throw new Error("no numbers are read");
    },
    floats: () => [],
    shape: () => undefined,
  };
}

const layerOf = (rows: number, cols: number) => {
  return { shape: [rows, cols], transposed: false, kind: "embedding", bytes: 4 * rows * cols, dtype: "F32" } as const;
};

const settings = { numRuns: 40, seed: 77 };

describe("spectra", () => {
  test("are those of the twin, tall or wide, however the layer is stored", async () => {
    const shapes = fc.record({
      kind: fc.constantFrom<Kind>(...(Object.keys(kinds) as Kind[])),
      rows: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 40 }), fc.constantFrom(255, 257)),
      cols: fc.integer({ min: 1, max: 20 }),
      seed: fc.integer({ min: 0, max: 1e6 }),
      name: fc.constantFrom("ffn.weight", "word_embeddings.weight"),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ kind, rows, cols, seed, name }) => {
        const a = matrix(kind, rows, cols, { seed });
        const { layers } = await inspectModel(loewner, await modelOf({ [name]: a }), { spectra: "all" });
        const { spectrum, atKeep } = layers[0];
        const { sigma } = jacobiSvd(toDense(a));
        const most = Math.min(rows, cols);
        expect(spectrum!.singularValues).toHaveLength(most);
        // A Gram matrix sees nothing below 1e-8 of the largest.
        spectrum!.singularValues.forEach((x, j) => expect(Math.abs(x - sigma[j])).toBeLessThanOrEqual(3e-8 * sigma[0]));
        const energy = (k: number) => sigma.slice(k).reduce((sum, x) => sum + x * x, 0);
        if (sigma[0] === 0) return;
        expect(spectrum!.stableRank).toBeCloseTo(energy(0) / sigma[0] ** 2, 6);
        for (const [rank, share] of [
          [spectrum!.rankAt90, 0.9],
          [spectrum!.rankAt99, 0.99],
        ]) {
          expect(energy(rank)).toBeLessThanOrEqual((1 - share + 1e-9) * energy(0));
          if (rank > 1) expect(energy(rank - 1)).toBeGreaterThan((1 - share - 1e-9) * energy(0));
        }
        for (const { rank, error } of spectrum!.errors)
          expect(Math.abs(error - Math.sqrt(energy(rank) / energy(0)))).toBeLessThan(1e-7);
        if (atKeep) expect(atKeep.error).toBe(spectrum!.errors.find(({ keep }) => keep === 0.5)!.error);
      }),
      settings,
    );
  });

  test("known values: errors, ranks and stable rank of 4, 3, 2, 1", () => {
    const values = Float64Array.of(4, 3, 2, 1);
    const spectrum = spectrumOf(values, values, layerOf(100, 4));
    expect(spectrum.stableRank).toBe(30 / 16);
    expect([spectrum.rankAt90, spectrum.rankAt99]).toEqual([3, 4]);
    expect(Array.from(relativeErrors([4, 3, 2, 1]), (x) => Math.round(x * x * 30))).toEqual([30, 14, 5, 1, 0]);
    // Ranks floor(keep 400 / 104).
    expect(spectrum.errors.map(({ keep, rank }) => [keep, rank])).toEqual([
      [0.9, 3],
      [0.72, 2],
      [0.5, 1],
      [0.3, 1],
    ]);
  });

  test("a layer of zeros has no error at any rank, and huge values do not overflow", () => {
    expect(Array.from(relativeErrors([0, 0]))).toEqual([0, 0, 0]);
    expect(spectrumOf(Float64Array.of(0, 0), Float64Array.of(0, 0), layerOf(8, 2))).toMatchObject({
      stableRank: 0,
      rankAt90: 1,
    });
    expect(Array.from(relativeErrors([3e200, 4e200].reverse()))).toEqual([1, 0.6, 0]);
    const huge = Float64Array.of(1e200, 1e200);
    expect(spectrumOf(huge, huge, layerOf(8, 2)).stableRank).toBe(2);
  });

  test("what auto would try first: more bytes, a smaller measure", async () => {
    const a = matrix("badly scaled columns", 3000, 48);
    const { layers } = await inspectModel(loewner, await modelOf({ "wte.weight": a }));
    const { auto } = layers[0].spectrum!;
    expect(auto.map(({ keep }) => keep)).toEqual([0.2, 0.14, 0.11, 0.072, 0.054, 0.036]);
    auto.slice(1).forEach(({ measure }, i) => expect(measure).toBeGreaterThanOrEqual(auto[i].measure));
    for (const { dtype, rank } of auto) expect(rank === undefined).toBe(dtype === "transform");
  });

  test("scaling a layer changes its singular values alone", async () => {
    const a = matrix("heavy-tailed rows", 60, 6);
    const b = { ...a, data: a.data.map((x) => 1024 * x) };
    const model = await modelOf({ "a.weight": a, "b.weight": b });
    const [{ spectrum: one }, { spectrum: two }] = (await inspectModel(loewner, model)).layers;
    expect(two!.singularValues).toEqual(one!.singularValues.map((x) => 1024 * x));
    expect({ ...two, singularValues: [] }).toEqual({ ...one, singularValues: [] });
  });

  test("which are computed", async () => {
    const model = await modelOf({
      "word_embeddings.weight": matrix("plain", 40, 4),
      "position_embeddings.weight": matrix("plain", 40, 4),
      "ffn.weight": matrix("plain", 6, 4),
    });
    const known = async (spectra: "all" | "default" | "none") =>
      (await inspectModel(loewner, model, { spectra })).layers.map(({ spectrum }) => spectrum !== undefined);
    expect(await known("none")).toEqual([false, false, false]);
    expect(await known("default")).toEqual([false, false, true]);
    expect(await known("all")).toEqual([true, true, true]);
  });

  test("a NaN is named, and stops nothing when no spectrum is asked for", async () => {
    const a = matrix("plain", 40, 4);
    a.data[4 * 7 + 2] = NaN;
    const model = await modelOf({ "word_embeddings.weight": a });
    const { layers } = await inspectModel(loewner, model);
    expect(layers[0].blocked).toMatch(/^holds NaN or infinity at row 7, column 2/);
    expect((await inspectModel(loewner, model, { spectra: "none" })).layers).toHaveLength(1);
  });
});

describe("figures", () => {
  test("what keep would save and cost is what compress with SVD then saves and costs", async () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 30, max: 80 }),
      cols: fc.integer({ min: 2, max: 9 }),
      keep: fc.constantFrom(0.3, 0.5, 0.72, 0.9),
      seed: fc.integer({ min: 0, max: 1000 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, cols, keep, seed }) => {
        const a = matrix("plain", rows, cols, { seed });
        const model = await modelOf({ "wte.weight": a });
        const inspection = await inspectModel(loewner, model, { keep });
        expect(inspection.keep).toBe(keep);
        const { atKeep } = inspection.layers[0];
        const { layers } = await compressModel(loewner, model, { keep, method: "svd", p: 2 });
        expect(atKeep?.rank).toBe(layers[0]?.rank);
        if (!atKeep) return;
        const [{ bytesBefore, bytesAfter, objective }] = layers;
        expect(atKeep.bytesSaved).toBe(bytesBefore - bytesAfter);
        const norm = Math.sqrt(Array.from(a.data).reduce((sum, x) => sum + x * x, 0));
        expect(Math.abs(atKeep.error! - objective.l2 / norm)).toBeLessThan(1e-7);
      }),
      { ...settings, numRuns: 20 },
    );
  });

  test("a layer in factors is one layer, with what is proved of it", async () => {
    const a = matrix("heavy-tailed rows", 200, 12);
    const model = await modelOf({ "wte.weight": a, "ffn.weight": matrix("plain", 6, 4) });
    const { files, layers } = await compressModel(loewner, model, { rank: 5, type: "int8" });
    const sink = memorySink();
    await files[0].write(sink);
    const small = safetensorsModel(await openSafetensors(bytesSource(sink.bytes(), "small.safetensors")));
    const { layers: inspected, bytes } = await inspectModel(loewner, small);
    const [{ rank, certificate, bytesAfter, bytesBefore }] = layers;
    expect(inspected.map(({ name }) => name)).toEqual(["ffn.weight", "wte.weight"]);
    const { stored, ...layer } = inspected[1];
    expect(layer).toMatchObject({ shape: [200, 12], dtype: "F64", bytes: bytesAfter, share: bytesAfter / bytes });
    const bound = certificate.bound * (1 + certificate.slack) + certificate.rounding;
    expect(stored).toMatchObject({ rank, dense: false, dtype: "int8", p: 1, bound, bytesBefore });
    expect(stored!.parts.reduce((sum, part) => sum + small.tensorBytes(part), 0)).toBe(bytesAfter);
    expect(bytesBefore).toBe(200 * 12 * 8);
  });

  test("marks what is larger than every WebGPU device takes", async () => {
    const sizes = [2 ** 27, 2 ** 27 + 1, 2 ** 28, 2 ** 28 + 1];
    const model = emptyModel(
      sizes.map((bytes) => ({ bytes })),
      2 ** 30,
    );
    const { layers } = await inspectModel(loewner, model);
    expect(layers.map(({ exceeds }) => exceeds)).toEqual([undefined, "128 MiB", "128 MiB", "256 MiB"]);
    expect(layers.map(({ share }) => share)).toEqual(sizes.map((bytes) => bytes / 2 ** 30));
  });

  test("a layer in factors is marked by its largest part, not by their sum", async () => {
    const bytes: Record<string, number> = { left: 2 ** 27, right: 2 ** 27 };
    const description = { left: "left", right: "right", rows: 2 ** 20, cols: 64, rank: 32, dtype: "F32", type: "f32" };
    const more = { p: 1, bound: 1, objective: {} };
    const described = new Map([["W", { ...description, ...more }]]) as unknown as Model["described"];
    const model = { ...emptyModel([], 2 ** 30), described, tensorBytes: (name: string) => bytes[name] };
    const marks = async () => (await inspectModel(loewner, model)).layers[0].exceeds;
    expect(await marks()).toBeUndefined();
    bytes.left += 1;
    expect(await marks()).toBe("128 MiB");
  });

  test("what cannot be factored has neither figures nor a spectrum", async () => {
    const blocked = { kind: "linear", shape: [64, 64], bytes: 2 ** 14, blocked: "is read by Conv" } as const;
    const { layers } = await inspectModel(loewner, emptyModel([blocked, { shape: [64], bytes: 256 }], 2 ** 15), {
      spectra: "all",
    });
    for (const layer of layers) {
      expect(layer.atKeep).toBeUndefined();
      expect(layer.spectrum).toBeUndefined();
    }
  });
});
