// Values at which parsers have broken before: ends of integer types, of doubles, of text encodings, and ways out of a folder.

/** As whole numbers of up to 64 bits. */
export const integers = [
  ...[0n, 1n, 2n, 7n, 8n, 63n, 64n, 65n, 127n, 128n, 255n, 256n, 1023n, 1024n, 4095n, 4096n, 32767n, 32768n, 65535n],
  ...[65536n, 65537n, 1n << 24n, 100000000n, 100000001n, (1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n],
  ...[(1n << 32n) + 1n, 1n << 40n, (1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n, 1n << 62n, (1n << 63n) - 1n],
  ...[1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 8n],
];

/** As they stand in JSON or a Python literal; some are numbers in neither. */
export const numerals = [
  ...integers.map(String),
  ...["-1", "-0", "00", "01", "1.5", "0.1", "1e3", "1e308", "1e309", "-1e400", "5e-324", "1e-400", "4294967296.5"],
  ...[
    "9007199254740993",
    "1E+2",
    "0x10",
    "NaN",
    "Infinity",
    "-",
    "+1",
    ".5",
    "1.",
    "1e",
    "3L",
    "-2147483648",
    "9".repeat(400),
  ],
];

/** Text that is easily mishandled. */
export const texts = [
  ...[
    "",
    " ",
    "a",
    "0",
    "__proto__",
    "constructor",
    "toString",
    "length",
    "__metadata__",
    "\0",
    "\n",
    "\r\n",
    "\u001b[31m",
  ],
  ...[
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ud800",
    "\udc00x",
    "\u{1f600}",
    "é",
    "e\u0301",
    "../x",
    "..",
    ".",
    "/etc/hostname",
  ],
  ...[
    "a/../../b",
    "C:\\x",
    "a\\b",
    "a//b",
    "a/",
    "%2e%2e/x",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-1",
    "1e999",
    "$&",
    "*",
  ],
];
