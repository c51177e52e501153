/** What is said of an array whose type is not read: what it is, and how NumPy makes one of it that is. */

const kinds: Readonly<Record<string, string>> = {
  b: "bool",
  i: "int",
  u: "uint",
  f: "float",
  c: "complex",
  U: "str",
  S: "bytes",
  O: "object",
  M: "datetime64",
  m: "timedelta64",
  V: "void",
};

/**
 * @param descr as the header has it
 * @param read types that are read, in words
 */
export function unsupportedDtype(descr: string, read: string): string {
  const [, kind = "", size = ""] = /^[<>=|]?([a-zA-Z])([0-9]*)/.exec(descr) ?? [];
  const word = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const bits = "iufc".includes(kind || "-") && size ? String(Number(size) * 8) : "";
  // int8 is 'i1'; 'b1' is bool.
  const name = word === undefined ? `'${descr}'` : `${word}${bits} ('${descr}')`;
  return `dtype ${name} is not supported; ${read} are. ${wayOut(kind, Number(size))}`;
}

/** Of an array of records. */
export function structuredDtype(read: string): string {
  return `a structured dtype (an array of records) is not supported; ${read} are. Save one field: numpy.save(path, a['name']).`;
}

function wayOut(kind: string, size: number): string {
  const as = (type: string) => `Convert it first: numpy.save(path, a.astype('${type}')).`;
  switch (kind) {
    case "b":
      return as("float32");
    case "i":
    case "u":
      // Whole numbers past 2^24 are not all numbers of float32.
      return as(size > 2 ? "float64" : "float32");
    case "f":
      return as("float64");
    case "c":
      return "Save its real part, or its size: numpy.save(path, a.real), numpy.save(path, abs(a)).";
    case "U":
    case "S":
      return "Where the texts are numbers, convert them: numpy.save(path, a.astype('float64')).";
    case "O":
      return "Make an array of numbers of them, with rows of one length: numpy.save(path, numpy.array(a.tolist(), dtype='float32')).";
    case "M":
    case "m":
      return "Save it as numbers: numpy.save(path, a.astype('int64').astype('float64')).";
    default:
      return "Save the array from NumPy as float32.";
  }
}
