// Messages quote names out of files: they must not act on the terminal that shows them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidFormatError, InvalidInputError, LoewnerError, printable } from "../../src/errors.js";

describe("printable", () => {
  test.each([
    ["an escape sequence", "\u001b[31mred", "\\u{1b}[31mred"],
    ["line ends", "a\r\nb\u2028c", "a\\u{d}\\u{a}b\\u{2028}c"],
    ["a mark that turns the direction", "cod\u202eexe.txt", "cod\\u{202e}exe.txt"],
    ["a control character past 127", "\u009b2J", "\\u{9b}2J"],
    ["letters of any script", "łoś 句 😀", "łoś 句 😀"],
  ])("%s", (_, text, expected) => expect(printable(text)).toBe(expected));
});

test("a message is one printable line of at most 2000 characters, its beginning and end kept", () => {
  const text = fc.string({ unit: "binary", maxLength: 3000, size: "max" });
  fc.assert(
    fc.property(text, (name) => {
      const { message } = new InvalidInputError(`A.npy: ${name} is wrong; save it again.`, { tensor: name });
      expect(message.length).toBeLessThanOrEqual(2000);
      expect(message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      expect(message).toMatch(/^A\.npy: .* is wrong; save it again\.$/su);
    }),
    { numRuns: 30 },
  );
});

test("names in the fields stay as they are", () => {
  const error = new InvalidFormatError("m.onnx: \n", { tensor: "a\nb" });
  expect([error.message, error.place.tensor]).toEqual(["m.onnx: \\u{a}", "a\nb"]);
  expect(error).toBeInstanceOf(LoewnerError);
});
