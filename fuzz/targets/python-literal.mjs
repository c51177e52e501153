// The header of .npy files: Python literals. What is read must come back from being written as Python writes it.
import { parsePythonLiteral, PythonLiteralError } from "../../build/lib/formats/python-literal.js";
import fc from "fast-check";
import { mutateBytes } from "../mutate/bytes.mjs";
import { Random } from "../random.mjs";
import { sampler } from "../sampler.mjs";
import { Mismatch } from "../verdict.mjs";
import { utf8 } from "./seeds.mjs";

const plain = fc.string({ maxLength: 6 }).filter((text) => !/['"\\\n]/.test(text));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.integer().map(String),
    fc.constantFrom("True", "False", "None", "3L", "()", "[]", "{}", "-0"),
    plain.map((text) => `'${text}'`),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `(${items.join(", ")}${items.length === 1 ? "," : ""})`),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc
      .array(fc.tuple(plain, tie("value")), { maxLength: 4 })
      .map((all) => `{${all.map(([k, v]) => `'${k}': ${v}`).join(", ")}}`),
  ),
}));

export async function open() {
  const sample = sampler(value);
  const words = ["'descr'", "True", "None", "(", ")", "[", "]", "{", "}", ", ", ": ", "'", '"', "\\"];
  return {
    main: "literal.txt",
    input(seed, index) {
      const random = new Random(seed, "python-literal", index);
      const text = random.chance(0.01) ? `${"(".repeat(random.length(14))}1` : sample(seed, index);
      return { "literal.txt": random.chance(0.3) ? utf8(text) : mutateBytes(random, utf8(text), [], words) };
    },
    allows: (error) => error instanceof PythonLiteralError,
    run(input) {
      const text = new TextDecoder("latin1").decode(input["literal.txt"]);
      const read = parsePythonLiteral(text);
      const written = write(read);
      if (write(parsePythonLiteral(written)) !== written) throw new Mismatch(`${written} reads as another`);
      return "read";
    },
  };
}

function write(literal) {
  if (typeof literal === "string") return literal.includes("'") ? `"${literal}"` : `'${literal}'`;
  if (typeof literal === "number") return BigInt(literal).toString();
  if (literal instanceof Map)
    return `{${[...literal].map(([key, each]) => `${write(key)}: ${write(each)}`).join(", ")}}`;
  if (Array.isArray(literal)) return `[${literal.map(write).join(", ")}]`;
  return literal === null ? "None" : literal ? "True" : "False";
}
