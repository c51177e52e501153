// What a compressed file stores for a layer, multiplied back by plain loops: shares no code with the library's own readers.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { bf16ToF32, f16ToF32 } from "../../../src/formats/index.js";
import { ModelProtoSchema, type TensorProto } from "../../../src/formats/onnx/onnx_pb.js";
import type { BuiltModel } from "./cases.js";
import { Type } from "./graph.js";

type Part =
  | string
  | { tensor: string; transposed: true }
  | {
      codes: string[];
      scales: string;
      bits: number;
      block: number;
      paddedCols: number;
      levels: number[] | number;
      unsigned?: true;
    };

/** Transform codes. */
interface Code {
  windowBits: number;
  bands: { bits: number; cols: number }[];
  codes: string[];
  right: { components: number; part: Part }[];
  tables: string[];
  centre: string;
  scales: string;
  scaleLevels: string;
  exact?: { rows: string; residual: Part };
}

/** Trellis codes of equal bits. */
interface Trellis {
  bits: number;
  windowBits: number;
  codes: string;
  scales: string;
  scaleLevels: string;
  table: string;
  mixing: string;
  signs: string;
}

interface Layer {
  trellis?: Trellis;
  left?: Part;
  right?: Part;
  code?: Code;
  rows: number;
  cols: number;
  transposed?: true;
  rank: number;
}

/** The original with each raw float weight, initializer or Constant, that the compressed model has factors of replaced by left times right. */
export function putBack(original: BuiltModel, small: BuiltModel): BuiltModel {
  const model = fromBinary(ModelProtoSchema, original.bytes);
  const described = describedIn(small);
  const put = (name: string, tensor: TensorProto) => {
    if (name in described) tensor.rawData = new Uint8Array(storedProduct(small, name).buffer);
  };
  for (const tensor of model.graph!.initializer) put(tensor.name, tensor);
  for (const { opType, output, attribute } of model.graph!.node) {
    if (opType === "Constant" && attribute[0].t) put(output[0], attribute[0].t);
  }
  return { bytes: toBinary(ModelProtoSchema, model) };
}

function describedIn({ bytes }: BuiltModel): Record<string, Layer> {
  const { metadataProps } = fromBinary(ModelProtoSchema, bytes);
  const text = metadataProps.find(({ key }) => key === "loewner")?.value ?? '{"layers":{}}';
  return (JSON.parse(text) as { layers: Record<string, Layer> }).layers;
}

interface Dense {
  rows: number;
  cols: number;
  at(i: number, j: number): number;
}

/** left times right of `name`, rows x cols as the tensor that they replace. */
export function storedProduct({ bytes, external }: BuiltModel, name: string): Float32Array {
  const { graph } = fromBinary(ModelProtoSchema, bytes);
  const tensors = new Map(graph!.initializer.map((tensor) => [tensor.name, tensor]));
  const { left, right, code, trellis, rows, cols, rank, transposed } = describedIn({ bytes })[name];
  const read = (part: Part) => partOf(part, (tensor) => tensors.get(tensor)!, external);
  const raw = (tensor: string) => bytesOf(tensors.get(tensor)!, external);
  if (code || trellis) {
    const { at } = code ? transformed(code, rows, cols, read, raw) : equalBits(trellis!, rows, cols, raw);
    return Float32Array.from({ length: rows * cols }, (_, i) =>
      transposed ? at(i % rows, Math.floor(i / rows)) : at(Math.floor(i / cols), i % cols),
    );
  }
  const L = read(left!);
  const R = right === undefined ? undefined : read(right);
  // In few bits columns of left are padded, and so are rows of right.
  const inner = R ? Math.min(L.cols, R.rows) : rank;
  const product = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < cols; ++j) {
      let sum = R ? 0 : L.at(i, j);
      if (R) for (let k = 0; k < inner; ++k) sum += L.at(i, k) * R.at(k, j);
      product[transposed ? j * rows + i : i * cols + j] = sum;
    }
  }
  return product;
}

/** Windows are read bit by bit. */
function transformed(
  { windowBits, bands, codes, right, tables, centre, scales, scaleLevels, exact }: Code,
  rows: number,
  cols: number,
  read: (part: Part) => Dense,
  raw: (tensor: string) => Uint8Array,
): Dense {
  const f32 = (name: string) => new Float32Array(raw(name).slice().buffer);
  const rights = right.map(({ components, part }) => ({ components, part: read(part) }));
  const rightAt = (component: number, j: number) => {
    for (const { components, part } of rights) {
      if (component < components) return part.at(component, j);
      component -= components;
    }
    throw new Error("no such component");
  };
  const halves = tables.map((name) => f16ToF32(new Uint16Array(raw(name).slice().buffer)));
  const tensorsOfCodes = codes.map(raw);
  const rowBytes = bands.map((band) => (band.bits * band.cols) / 8);
  const allBytes = rowBytes.reduce((sum, each) => sum + each, 0);
  const left = (i: number) => {
    let first = 0;
    return bands.flatMap(({ bits, cols: components }, b) => {
      const row =
        codes.length === bands.length
          ? tensorsOfCodes[b].subarray(i * rowBytes[b], (i + 1) * rowBytes[b])
          : tensorsOfCodes[0].subarray(i * allBytes + first, i * allBytes + first + rowBytes[b]);
      first += rowBytes[b];
      return valuesOf(row, components, { bits, windowBits, half: halves[b] });
    });
  };
  const [middle, levels, level] = [f32(centre), f32(scaleLevels), raw(scales)];
  const far = exact && { rows: [...new Uint32Array(raw(exact.rows).slice().buffer)], residual: read(exact.residual) };
  const lefts = Array.from({ length: rows }, (_, i) => left(i));
  return {
    ...{ rows, cols },
    at(i, j) {
      const scale = levels[level[i]];
      const at = far?.rows.indexOf(i) ?? -1;
      const coded = scale === 0 ? 0 : middle[j] + lefts[i].reduce((sum, x, k) => sum + x * scale * rightAt(k, j), 0);
      return coded + (at < 0 ? 0 : far!.residual.at(at, j));
    },
  };
}

/** Of one circle of codes. */
function valuesOf(
  row: Uint8Array,
  count: number,
  { bits, windowBits, half }: { bits: number; windowBits: number; half: Float32Array },
): number[] {
  const length = 8 * row.length;
  const bit = (at: number) => {
    const within = ((at % length) + length) % length;
    return (row[within >> 3] >> (7 - (within & 7))) & 1;
  };
  return Array.from({ length: count }, (_, j) => {
    let window = 0;
    for (let k = windowBits; k > 0; --k) window = 2 * window + bit((j + 1) * bits - k);
    return window < half.length ? half[window] : -half[2 * half.length - 1 - window];
  });
}

/** The rotation entry by entry: signs, the mixing matrix, and signs by the parity of common bits. */
function equalBits(of: Trellis, rows: number, cols: number, raw: (tensor: string) => Uint8Array): Dense {
  const f32 = (name: string) => new Float32Array(raw(name).slice().buffer);
  const [mixing, levels, scales] = [f32(of.mixing), f32(of.scaleLevels), raw(of.scales)];
  const signs = new Int8Array(raw(of.signs).slice().buffer);
  const half = f16ToF32(new Uint16Array(raw(of.table).slice().buffer));
  const size = signs.length;
  const order = Math.sqrt(mixing.length);
  const h = size / order;
  const codes = raw(of.codes);
  const segments = Math.ceil(rows / 256);
  const segment = 8 * Math.ceil(rows / segments / 8);
  const bytes = (segment * of.bits) / 8;
  const lines = Array.from({ length: size }, (_, k) =>
    Array.from({ length: segments }, (_, s) => {
      const first = (k * segments + s) * bytes;
      return valuesOf(codes.subarray(first, first + bytes), segment, { ...of, half });
    }).flat(),
  );
  const parity = (x: number): number => (x ? (x & 1) ^ parity(x >> 1) : 0);
  return {
    ...{ rows, cols },
    at(i, j) {
      const sum = lines.reduce((total, line, k) => {
        const factor = mixing[Math.floor(j / h) * order + Math.floor(k / h)];
        return total + (parity((j % h) & (k % h)) ? -factor : factor) * line[i];
      }, 0);
      return levels[scales[i]] * signs[j] * sum;
    },
  };
}

function partOf(part: Part, tensor: (name: string) => TensorProto, external: BuiltModel["external"]): Dense {
  if (typeof part === "string") return matrix(tensor(part), external);
  if ("tensor" in part) {
    const { rows, cols, at } = matrix(tensor(part.tensor), external);
    return { rows: cols, cols: rows, at: (i, j) => at(j, i) };
  }
  const { bits, block, paddedCols, levels, unsigned } = part;
  const planes = part.codes.map((name) => bytesOf(tensor(name), external));
  const scales = f16ToF32(new Uint16Array(bytesOf(tensor(part.scales), external).slice().buffer));
  const field = (plane: Uint8Array, width: number, i: number, j: number) => {
    const bit = (i * paddedCols + j) * width;
    return (plane[bit >> 3] >> (bit & 7)) & (2 ** width - 1);
  };
  const code = (i: number, j: number) => {
    if (bits === 8) return (planes[0][i * paddedCols + j] + (unsigned ? 0 : 128)) & 255;
    return bits === 3 ? 2 * field(planes[0], 2, i, j) + field(planes[1], 1, i, j) : field(planes[0], bits, i, j);
  };
  const scale = (i: number, j: number) => scales[(i * paddedCols) / block + Math.floor(j / block)];
  const rows = Number(tensor(part.scales).dims[0]);
  const level = (c: number) => (typeof levels === "number" ? (c - 2 ** (bits - 1)) * levels : levels[c]);
  return { rows, cols: paddedCols, at: (i, j) => level(code(i, j)) * scale(i, j) };
}

function matrix(tensor: TensorProto, external: BuiltModel["external"]): Dense {
  const numbers = numbersOf(tensor, external);
  const [rows, cols] = tensor.dims.map(Number);
  return { rows, cols, at: (i, j) => numbers[i * cols + j] };
}

function numbersOf(tensor: TensorProto, external: BuiltModel["external"]): ArrayLike<number> {
  const { buffer } = bytesOf(tensor, external).slice();
  switch (tensor.dataType) {
    case Type.float:
      return new Float32Array(buffer);
    case Type.double:
      return new Float64Array(buffer);
    case Type.float16:
      return f16ToF32(new Uint16Array(buffer));
    case Type.bfloat16:
      return bf16ToF32(new Uint16Array(buffer));
    default:
      throw new Error(`${tensor.name} has data type ${tensor.dataType}, which no factor has`);
  }
}

/** Of what compress wrote: raw_data, or external data. */
function bytesOf({ rawData, externalData }: TensorProto, external: BuiltModel["external"]): Uint8Array {
  if (externalData.length === 0) return rawData;
  const { location, offset, length } = Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
  return external!.get(location)!.subarray(Number(offset), Number(offset) + Number(length));
}
