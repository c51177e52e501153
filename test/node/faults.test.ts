// What errors of the operating system mean for a person; a test run as root meets few of them.
import { expect, test } from "vitest";
import { readFault, writeFault } from "../../src/node/files/faults.js";

const error = (code: string) => Object.assign(new Error(`${code}: as the system says it`), { code });

test.each([
  ["ENOENT", /^No such file: a\/b\. Check the path\.$/],
  ["ENOTDIR", /^No such file: a\/b/],
  ["EACCES", /^No permission to read a\/b\. Change its permissions, or run as a user who may\.$/],
  ["EPERM", /^No permission to read/],
  ["EIO", /^Cannot read a\/b: EIO: as the system says it\.$/],
])("reading: %s", (code, message) => {
  const fault = readFault("a/b", error(code));
  expect([fault.code, fault.place]).toEqual(["FILE", { file: "a/b" }]);
  expect(fault.message).toMatch(message);
});

test.each([
  [
    "a/b",
    "ENOSPC",
    /^Cannot write a\/b: no space left \(ENOSPC\); needed 9 bytes, got room for 3\. No unfinished file is left\./,
  ],
  ["a/b", "EDQUOT", /no space left \(EDQUOT\)/],
  ["a/b", "EFBIG", /no space left \(EFBIG\)/],
  ["a/b", "EACCES", /^Cannot write a\/b: no permission to write in a \(EACCES\)\. Write elsewhere/],
  ["b", "EROFS", /no permission to write in \. \(EROFS\)/],
  ["a\\b", "EPERM", /no permission to write in a \(EPERM\)/],
  ["/b", "EIO", /^Cannot write \/b: EIO: as the system says it\.$/],
])("writing %s: %s", (path, code, message) => {
  const cause = error(code);
  const fault = writeFault(path, cause, 3, 9);
  expect(fault.message).toMatch(message);
  expect(fault.cause).toBe(cause);
});
