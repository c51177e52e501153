import { describe, expect, test } from "vitest";
import { nearest } from "../../src/nearest.js";
import { readTable, type Table, type TableOptions } from "../../src/model/evaluate/table.js";
import type { LoewnerErrorCode } from "../../src/errors.js";
import { failure, latin1 } from "../formats/fixtures.js";

/** All of a table but its name. */
const all = ({ columns, column, length, lines, emptyLines, leftOut }: Table) => ({
  rows: Array.from({ length }, (_, i) => columns.map((name) => column(name)[i])),
  ...{ columns, lines, emptyLines, leftOut },
});
const read = async (name: string, text: string | Uint8Array, options?: TableOptions) =>
  all(await readTable(text, name, options));
const message = async (name: string, text: string | Uint8Array, options?: TableOptions, code?: LoewnerErrorCode) =>
  (await failure(readTable(text, name, options), code ?? "INVALID_FORMAT")).message;

describe(".tsv", () => {
  test("quotation marks mean nothing, alone or around a field", async () => {
    const text = 'sentence\tlabel\nhe said "no\t1\n"yes"\t0\n" , \t1\n';
    expect(await read("dev.tsv", text)).toEqual({
      columns: ["sentence", "label"],
      rows: [
        ['he said "no', "1"],
        ['"yes"', "0"],
        ['" , ', "1"],
      ],
      ...{ lines: [2, 3, 4], emptyLines: 0, leftOut: 0 },
    });
  });

  test("a byte order mark, \\r\\n and empty lines; lines are counted as an editor does", async () => {
    const text = "\ufeffQuality\t#1 String\r\n\r\n1\tAmrozi accused\r\n\r\n0\tThey\r\n";
    const expected = {
      columns: ["Quality", "#1 String"],
      rows: [
        ["1", "Amrozi accused"],
        ["0", "They"],
      ],
      ...{ lines: [3, 5], emptyLines: 2, leftOut: 0 },
    };
    expect(await read("dev.tsv", text)).toEqual(expected);
    expect(await read("DEV.TSV", new TextEncoder().encode(text))).toEqual(expected);
  });

  test("without a first line of names where the columns are given; the last line needs no end", async () => {
    const columns = ["source", "label", "star", "sentence"];
    expect(
      await read("dev.tsv", "gj04\t1\t\tThe sailors rode the breeze.\ngj04\t0\t*\tThe weights.", { columns }),
    ).toEqual({
      columns,
      rows: [
        ["gj04", "1", "", "The sailors rode the breeze."],
        ["gj04", "0", "*", "The weights."],
      ],
      ...{ lines: [1, 2], emptyLines: 0, leftOut: 0 },
    });
  });

  test("a row of more or fewer fields than columns: its line, and what is probably wrong", async () => {
    expect(await message("a.tsv", "a\tb\n1\t2\n3\n")).toBe(
      'a.tsv: line 3 has 1 field, and 2 columns are in its first line ("a", "b"). A tab is missing, or a text has a line end in it.',
    );
    expect(await message("a.tsv", "1\t2\n1\t2\t3", { columns: ["a", "b"] })).toBe(
      'a.tsv: line 2 has 3 fields, and 2 columns ("a", "b") without a line of names are what it should have. A text has a tab in it.',
    );
    expect(await message("a.tsv", 'a\tb\n1\t"x\ty"')).toMatch(
      /Tabs and line ends within quotation marks divide a \.tsv too: save it as \.csv\.$/,
    );
  });

  test("the same where that is allowed: more are cut off, fewer are left out and counted", async () => {
    expect(await read("a.tsv", "a\tb\n1\t2\n3\n4\t5\t6\n", { ragged: true })).toEqual({
      columns: ["a", "b"],
      rows: [
        ["1", "2"],
        ["4", "5"],
      ],
      ...{ lines: [2, 4], emptyLines: 0, leftOut: 1 },
    });
    expect(await message("a.tsv", "a\tb\n1\n", { ragged: true }, "INVALID_INPUT")).toBe("a.tsv has no rows.");
  });
});

describe(".csv", () => {
  test("fields in quotation marks hold commas, line ends and marks written twice", async () => {
    const text = '\ufefftext,label\r\n"a, b",1\r\n"he said ""no""\nand left",0\r\n\r\n,"é 中 😀"\r\n';
    expect(await read("a.csv", new TextEncoder().encode(text))).toEqual({
      columns: ["text", "label"],
      rows: [
        ["a, b", "1"],
        ['he said "no"\nand left', "0"],
        ["", "é 中 😀"],
      ],
      ...{ lines: [2, 3, 6], emptyLines: 1, leftOut: 0 },
    });
  });

  test("a quotation mark that never closes: the line that it stands on", async () => {
    expect(await message("a.csv", 'a,b\n"x\ny",1\n2,"it ""was"" open\n3,4\n5,6\n')).toBe(
      'a.csv: line 4 opens a quotation mark (") that is never closed. Close it, or write it twice if it is text.',
    );
    expect(await message("a.csv", 'a\n\n"x"\n"')).toMatch(/^a\.csv: line 4 opens/);
  });

  test("marks within a field that has none around it, and text behind a field that has", async () => {
    expect(await message("a.csv", 'a,b\n1,5" wide\n')).toMatch(
      /^a\.csv: line 2 has a quotation mark \("\) within a field that does not begin with one\./,
    );
    expect(await message("a.csv", 'a,b\n1,"x\n2,3\n4,"y"\n')).toMatch(
      /^a\.csv: line 4 closes a quotation mark \("\) that line 2 opened, and goes on behind it\./,
    );
  });

  test("a row of more or fewer fields than columns", async () => {
    expect(await message("a.csv", "a,b\n1,2,3\n")).toBe(
      'a.csv: line 2 has 3 fields, and 2 columns are in its first line ("a", "b"). A text with a comma in it needs quotation marks.',
    );
    expect(await message("a.csv", "a,b\n1\n")).toMatch(/A comma is missing, or a text with a line end in it needs/);
  });
});

describe(".jsonl", () => {
  test("texts, numbers and truth values by name; fields may come in any order, or be missing where nobody asks", async () => {
    const table = await readTable(
      '{"text": "a", "label": 1}\r\n  \n{"label": 2.5, "text": "b\\nc", "more": [1]}\n',
      "a.jsonl",
    );
    expect(table.columns).toEqual(["text", "label", "more"]);
    expect([table.column("text"), table.column("label")]).toEqual([
      ["a", "b\nc"],
      ["1", "2.5"],
    ]);
    expect([table.length, table.lines, table.emptyLines]).toEqual([2, [1, 3], 1]);
    expect((await readTable('{"__proto__": true}', "a.jsonl")).column("__proto__")).toEqual(["true"]);
  });

  test("what is no object, and fields that are nested, null or missing, by line", async () => {
    const column = async (text: string) => {
      const table = await readTable(text, "a.jsonl");
      return (await failure(() => table.column("x"), "INVALID_FORMAT")).message;
    };
    expect(await message("a.jsonl", '{"x": 1}\n[2]')).toBe(
      "a.jsonl: line 2 is no JSON object; a .jsonl file has one a line.",
    );
    expect(await column('{"x": 1}\n{"x": {"en": "a"}}')).toBe(
      'a.jsonl: line 2 has in its field "x" "{\\"en\\":\\"a\\"}"; a text, a number or a truth value was expected. Write what is within as fields of their own.',
    );
    expect(await column('{"x": 1}\n{"x": null}')).toMatch(/^a\.jsonl: line 2 has in its field "x" null;/);
    expect(await column('{"x": 1}\n{"y": 1}')).toBe('a.jsonl: line 2 has no field "x"; it has "y".');
  });
});

test(".txt is one column of texts", async () => {
  expect(await read("a.txt", '\ufeffone, "two\n\nthree\tfour')).toEqual({
    columns: ["text"],
    rows: [['one, "two'], ["three\tfour"]],
    ...{ lines: [1, 3], emptyLines: 1, leftOut: 0 },
  });
});

describe("columns that are not there", () => {
  const missing = async (wanted: string, text: string, name = "a.tsv") => {
    const table = await readTable(text, name);
    return (await failure(() => table.column(wanted), "INVALID_INPUT")).message;
  };

  test("the message has those there, and the nearest", async () => {
    expect(await missing("sentense1", "sentence1\tsentence2\tscore\na\tb\t1")).toBe(
      'a.tsv has no column "sentense1"; it has "sentence1", "sentence2", "score". Did you mean "sentence1"?',
    );
    expect(await missing("quality", "Quality\tID\n1\t2")).toMatch(/Did you mean "Quality"\?$/);
    expect(await missing("labl", '{"label": 1}', "a.jsonl")).toBe(
      'a.jsonl has no column "labl"; it has "label". Did you mean "label"?',
    );
  });

  test("where none is near, that the first line may be no line of names", async () => {
    expect(await missing("sentence", "gj04\t1\ngj04\t0")).toBe(
      'a.tsv has no column "sentence"; it has "gj04", "1" by its first line. If that line is a row already, say what the columns are.',
    );
  });

  test("two by one name, and more than can be read in a message", async () => {
    expect(await missing("a", "a\ta\n1\t2")).toBe('a.tsv has two columns "a"; give each a name of its own.');
    const names = Array.from({ length: 40 }, (_, i) => `c${i}`).join("\t");
    expect(await missing("x", `${names}\n${names}`)).toMatch(/"c29" and 10 more by its first line\./);
  });

  test("the nearest is equal but for case, or has a third of its letters wrong at most", () => {
    expect(nearest("Label", ["lable", "label"])).toBe("label");
    expect(nearest("gold", ["gold_label", "text"])).toBe("gold_label");
    expect(nearest("senteces", ["text", "sentences"])).toBe("sentences");
    expect(nearest("x", [])).toBeUndefined();
  });
});

test("files without rows, of another kind, of other bytes", async () => {
  for (const name of ["a.tsv", "a.csv", "a.jsonl", "a.txt"])
    expect(await message(name, "\n", {}, "INVALID_INPUT")).toBe(`${name} has no rows.`);
  expect(await message("a.tsv", "a\tb\n", {}, "INVALID_INPUT")).toBe(
    "a.tsv has no row behind the names of its columns.",
  );
  expect(await message("a.xlsx", "", {}, "INVALID_INPUT")).toBe(
    "a.xlsx: rows are read from .tsv, .csv, .jsonl and .txt files, told by the end of the name.",
  );
  expect(await message("a.jsonl", "{}", { columns: ["a"] }, "INVALID_INPUT")).toBe(
    "a.jsonl: columns are named for .tsv and .csv; those of a .jsonl have names already.",
  );
  expect(await message("a.tsv", "1", { columns: [] }, "INVALID_INPUT")).toMatch(/columns must have a name each/);
  expect(await message("a.tsv", latin1("a\n\xe9"), {}, "FILE")).toBe("a.tsv is no text in UTF-8. Convert it first.");
  for (const text of ["<!doctype html><title>Not found</title>", latin1("<!doctype html><title>Not found</title>")])
    expect(await message("a.csv", text)).toMatch(/^a\.csv: these are no texts\. It is a web page/);
});
