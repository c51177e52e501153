// A layer in trellis codes in the graph, by operators of ai.onnx that every opset from 11 on has, all of constants: onnxruntime makes the
// matrix as it loads the model. With D coordinates, lines of codes [D, rows], Q = diag(signs) (mixing x H) of the rotation,
//
//   (mixing values) as [order, D / order, rows], H on its left, times signs and the rows' scales: the transpose [cols, rows] of the layer
import type { RowType } from "../../matrix.js";
import type { TrellisCode } from "../../types/index.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import { trellisSizes } from "../kinds/trellis-description.js";
import { rotationName } from "../kinds/trellis.js";
import { DataType, helperPrefix, type Builder } from "./builder.js";
import { once } from "./once.js";
import type { PlacedValue } from "./operand.js";
import { TrellisWindows } from "./trellis-windows.js";

/** @param type what comes out */
export function trellisOperand(builder: Builder, name: string, code: TrellisCode, type: RowType): PlacedValue {
  const { rows, cols, bits, windowBits, codes, scales, scaleLevels, rotation } = code;
  const { segment, segments, size, order } = trellisSizes(code);
  const windows = new TrellisWindows(builder, windowBits, [{ bits, cols: segment }]);
  const key = rotationName(rotation);
  const mixing = builder.shared(`mixing ${key}`, `mixing${size}`, () => ({
    ...{ dataType: DataType.f32, dims: [order, order], data: bytesOf(rotation.mixing) },
  }));
  const signs = builder.shared(`signs ${key}`, `signs${size}`, () => ({
    ...{ dataType: DataType.int8, dims: [size, 1], data: bytesOf(rotation.signs) },
  }));
  const codesName = builder.tensor(`${name}.codes`, DataType.uint8, [size * segments, (segment * bits) / 8], codes);
  const scalesName = builder.tensor(`${name}.scales`, DataType.uint8, [rows], scales);
  const levelsName = builder.tensor(`${name}.levels`, DataType.f32, [scaleLevels.length], bytesOf(scaleLevels));
  const base = builder.fresh(`${helperPrefix}code`);
  const node = (opType: string, inputs: string[], as: string, attributes = {}) =>
    builder.node(opType, inputs, { name: `${base}/${as}`, attributes });
  const cast = (value: string, to: keyof typeof DataType) => node("Cast", [value], to, { to: DataType[to] });

  const whole = once(() => {
    const width = segments * segment;
    const values = windows.values(codesName, base);
    const lines = node("Reshape", [values, builder.vector([order, -1])], "lines");
    const mixed = node(
      "Reshape",
      [node("MatMul", [mixing, lines], "mixed"), builder.vector([order, size / order, width])],
      "apart",
    );
    const turned = size === order ? mixed : node("MatMul", [hadamard(builder, size / order), mixed], "turned");
    const rotated = node("Reshape", [turned, builder.vector([size, width])], "rotated");
    const exact =
      width === rows && size === cols
        ? rotated
        : node("Slice", [rotated, builder.vector([0, 0]), builder.vector([cols, rows])], "exact");
    const signed = builder.once(`signs ${key} ${cols}`, () => {
      const as = (op: string, inputs: string[], attributes = {}) =>
        builder.node(op, inputs, { name: `${helperPrefix}signs`, attributes });
      const floats = as("Cast", [signs], { to: DataType.f32 });
      return size === cols ? floats : as("Slice", [floats, builder.vector([0]), builder.vector([cols])]);
    });
    const scale = node("Gather", [levelsName, cast(scalesName, "int32")], "scale");
    const scaled = node("Mul", [node("Mul", [exact, scale], "scaled"), signed], "whole");
    return type === "f32" ? scaled : cast(scaled, type);
  });

  return {
    left: {
      ...{ rows, cols, transposed: true, needsRank: false, whole },
      gather() {
        throw new Error(`${name}: rows of trellis codes are not read one by one`);
      },
    },
    description: {
      trellis: {
        ...{ bits, windowBits, codes: codesName, scales: scalesName, scaleLevels: levelsName },
        ...{ table: windows.tables[0], mixing, signs },
      },
    },
  };
}

/** Rows of a Hadamard matrix that takes fewer bytes than the nodes that make it of two smaller ones. */
const mostWhole = 16;

/** Of `size` rows, a power of two; large ones as the Kronecker product of two smaller ones, whose entries are few. */
function hadamard(builder: Builder, size: number): string {
  const small = (n: number) =>
    builder.once(`hadamard ${n} f32`, () => {
      const bits = builder.shared(`hadamard ${n}`, `hadamard${n}`, () => ({
        ...{ dataType: DataType.int8, dims: [n, n], data: bytesOf(signsOf(n)) },
      }));
      return builder.node("Cast", [bits], { name: `${helperPrefix}hadamard`, attributes: { to: DataType.f32 } });
    });
  if (size <= mostWhole) return small(size);
  const first = 2 ** Math.floor(Math.log2(size) / 2);
  const second = size / first;
  return builder.once(`hadamard ${size} whole`, () => {
    const as = (op: string, inputs: string[]) => builder.node(op, inputs, { name: `${helperPrefix}hadamard` });
    const left = as("Reshape", [small(first), builder.vector([first, 1, first, 1])]);
    const right = as("Reshape", [small(second), builder.vector([1, second, 1, second])]);
    return as("Reshape", [as("Mul", [left, right]), builder.vector([size, size])]);
  });
}

/** Sylvester's. */
function signsOf(n: number): Int8Array {
  return Int8Array.from({ length: n * n }, (_, at) => {
    let both = Math.floor(at / n) & (at % n);
    let odd = 0;
    for (; both; both &= both - 1) odd ^= 1;
    return odd ? -1 : 1;
  });
}
