// [file, what stands there (exactly once), what it becomes]
export const mutations = [
  ["assembly/gram.ts", "const carries = <u32>ctz<u32>(~block);", "const carries = <u32>ctz<u32>(block + 2);"],
  ["assembly/gemm.ts", "const y = i + 1 < n ? x + ldx : x;", "const y = i + 2 < n ? x + ldx : x;"],
  ["assembly/leverage.ts", "min(d, (j + 1) * width)", "min(d, j * width + 1)"],
  ["assembly/leverage.ts", "+ factor * sqrt", "- factor * sqrt"],
  [
    "assembly/lewis.ts",
    "return Math.exp(logS / p + (0.5 - 1 / p) * logWeight);",
    "return Math.exp(logS / p + (0.5 + 1 / p) * logWeight);",
  ],
  ["assembly/lewis.ts", "const lq = Math.log(qi) + (2 / p) * logS;", "const lq = Math.log(qi) + (1 / p) * logS;"],
  ["assembly/lewis.ts", "(0.5 - 1 / p) * lq + (2 / p - 1) * (w / p)", "(0.5 - 1 / p) * lq + (2 / p + 1) * (w / p)"],
  ["assembly/residual.ts", "if (norm > worst) {", "if (norm >= worst) {"],
  ["assembly/residual.ts", "else if (si > 0) top = max(top, pow);", "else if (si > 0) top = min(top, pow);"],
  ["assembly/cholesky.ts", "pivot > tolerance * before", "pivot > -tolerance * before"],
  ["assembly/random.ts", "k1 += 0xbb67ae85;", "k1 += 0xbb67ae84;"],
  ["assembly/convert.ts", "return reinterpret<f32>((bits + 0x7fff +", "return reinterpret<f32>((bits + 0x8000 +"],
  ["src/geometry/certificate.ts", "(-logDistortion * (2 - p)) / (p * p)", "(-logDistortion * (2 - p)) / (2 * p * p)"],
  ["src/geometry/whiten.ts", "values[rank] > threshold * values[0]", "values[rank] > 1e3 * threshold * values[0]"],
  ["src/engine/factor-operations.ts", "const farRatio = 1e-7 /", "const farRatio = 1e7 /"],
  [
    "src/engine/tree.ts",
    "if (!this.pair || partial[0] > this.pair[0])",
    "if (!this.pair || partial[0] >= this.pair[0])",
  ],
];
