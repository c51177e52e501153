// .npy matrices: as rows (what commands read) and whole (what models are fed); both must agree, and what is written of them must
// read the same.
import { bytesSource, memorySink, openNpy, readNpyArray, writeNpy } from "../../build/lib/formats/index.js";
import { isLoewnerError } from "../../build/lib/errors.js";
import { numerals } from "../interesting.mjs";
import { mutateBytes } from "../mutate/bytes.mjs";
import { Random } from "../random.mjs";
import { Mismatch } from "../verdict.mjs";
import { collect, concat, fixtureFiles, sameBytes } from "./seeds.mjs";

const words = [
  "'descr'",
  "'fortran_order'",
  "'shape'",
  "'<f4'",
  "'>f8'",
  "True",
  "False",
  "None",
  "(",
  ")",
  ", ",
  "{",
  "}",
];
const descrs = [
  "<f4",
  ">f4",
  "<f8",
  ">f8",
  "<f2",
  "=f4",
  "|f8",
  "f4",
  "<i4",
  "<i8",
  "|i1",
  "|b1",
  ">u8",
  "<c8",
  "<f16",
  "|O",
  "<U3",
  "",
];

export async function open() {
  const seeds = Object.values(fixtureFiles("formats", /\.npy$/)).filter(({ length }) => length <= 256);
  return {
    main: "A.npy",
    input(seed, index) {
      const random = new Random(seed, "npy", index);
      if (random.chance(0.45)) return { "A.npy": headed(random) };
      return { "A.npy": mutateBytes(random, random.pick(seeds), seeds, words) };
    },
    run: (input) => run(input["A.npy"]),
  };
}

/** A file with a header made of parts that are mostly right, and data that mostly fits. */
function headed(random) {
  const version = random.chance(0.9) ? 1 + random.below(3) : random.below(256);
  const dims = random.pick([0, 1, 1, 2, 2, 2, 2, 3, 5]);
  const shape = Array.from({ length: dims }, () =>
    random.chance(0.08) ? random.pick(numerals) : String(random.below(9)),
  );
  const descr = random.chance(0.6) ? random.pick(["<f4", ">f4", "<f8", ">f8", "<f2", ">f2"]) : random.pick(descrs);
  const tuple = `(${shape.join(", ")}${dims === 1 && random.chance(0.95) ? "," : ""})`;
  const entries = [`'descr': '${descr}'`, `'fortran_order': ${random.pick(["True", "False"])}`, `'shape': ${tuple}`];
  if (random.chance(0.1)) entries.reverse();
  if (random.chance(0.03)) entries.splice(random.below(3), 1);
  const text = latin1(`{${entries.join(", ")}${random.pick([", ", "", ","])}}${" ".repeat(random.below(40))}\n`);
  const size = Number(/\d+$/.exec(descr)?.[0] ?? 1);
  const bytes = shape.reduce((product, n) => product * Number(n), size);
  const length = random.chance(0.85) && bytes >= 0 && bytes < 4096 ? bytes : random.below(64);
  const data = Uint8Array.from({ length }, () => random.below(256));
  const header = new Uint8Array(version === 1 ? 10 : 12);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(header.buffer);
  if (version === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  const file = concat(header, text, data);
  return random.chance(0.9) ? file : mutateBytes(random, file, [], words);
}

const latin1 = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));

async function run(bytes) {
  const [rows, array] = [
    await attempt(openNpy(bytesSource(bytes, "A.npy"))),
    await attempt(readNpyArray(bytesSource(bytes, "A.npy"))),
  ];
  if (rows.value && array.error) throw new Mismatch(`rows can be read, the array cannot: ${array.error.message}`);
  if (array.error) throw rows.error;
  const { dtype, data, shape } = array.value;
  if (rows.value) {
    const { rows: n } = rows.value;
    const all = await rows.value.read(0, n);
    if (!sameBytes(all, bytesOf(data))) throw new Mismatch("the rows are not those of the array");
    const pieces = [];
    for (let row = 0; row < n; row += 2) pieces.push(await rows.value.read(row, Math.min(2, n - row)));
    if (!sameBytes(await collect(pieces), all)) throw new Mismatch("rows two by two are not the rows");
  }
  if (dtype !== "float32" && dtype !== "float64" && dtype !== "int32") return rows.value ? "rows" : "array";
  const sink = memorySink();
  await writeNpy(sink, { data, shape });
  const again = await readNpyArray(bytesSource(sink.bytes(), "again.npy"));
  if (again.dtype !== dtype || again.shape.join() !== shape.map((n) => n + 0).join())
    throw new Mismatch(`${again.dtype} ${again.shape}`);
  if (!sameBytes(bytesOf(again.data), bytesOf(data))) throw new Mismatch("other numbers after writing");
  return rows.value ? "rows, written" : "array, written";
}

/** The answer, or a tagged error; any other error is thrown. */
async function attempt(work) {
  try {
    return { value: await work };
  } catch (error) {
    if (!isLoewnerError(error)) throw error;
    return { error };
  }
}

function bytesOf(data) {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
