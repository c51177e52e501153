import tseslint from "typescript-eslint";

// Dependencies point one way: cli, web -> model -> schedule -> low-rank -> geometry -> engine -> kernel. Formats know nothing of
// wasm; geometry knows nothing of files; only model/ sees both.
const forbid = (files, patterns, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [{ group: patterns, message }] }] },
});

export default tseslint.config(
  {
    ignores: [
      "dist/",
      "build/",
      "node_modules/",
      "assembly/",
      "demo-output/",
      "src/kernel/wasm.generated.ts",
      "src/formats/onnx/onnx_pb.ts",
    ],
  },
  ...tseslint.configs.recommended,
  {
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  { files: ["src/**"], rules: { "no-console": "error" } },
  {
    files: ["src/cli/**"],
    ignores: ["src/cli/output.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "CallExpression[callee.object.property.name=/^std(out|err)$/][callee.property.name='write']",
          message: "Names from files may act on a terminal: print, note and printJson of output.ts escape them.",
        },
      ],
    },
  },
  {
    // The same bytes in every engine: these differ in the last place between Node, Bun and browsers. The kernel has them.
    files: [
      ...["src/engine/**", "src/geometry/**", "src/low-rank/**", "src/low-rank.ts", "src/options.ts", "src/code*.ts"],
      ...[
        "src/model/budget.ts",
        "src/model/choices.ts",
        "src/model/plan.ts",
        "src/model/fit.ts",
        "src/model/tokens/**",
      ],
    ],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["pow", "exp", "expm1", "log", "log1p", "log10", "sin", "cos", "tan", "atan2", "tanh", "cbrt", "hypot"].map(
          (property) => ({ object: "Math", property, message: "Engines differ: use a dense step of the kernel." }),
        ),
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: "BinaryExpression[operator='**']:not([left.value=2])",
          message: "Engines round powers differently: multiply, or use a dense step of the kernel.",
        },
      ],
    },
  },
  forbid(
    ["src/kernel/**"],
    [
      "../engine/*",
      "../geometry/*",
      "../formats/*",
      "../model/*",
      "../cli/*",
      "../low-rank.js",
      "../low-rank/*",
      "../schedule/*",
    ],
    "kernel/ is the bottom layer",
  ),
  forbid(
    ["src/engine/**"],
    ["../geometry/*", "../formats/*", "../model/*", "../cli/*", "../low-rank.js", "../low-rank/*", "../schedule/*"],
    "engine/ sees only kernel/",
  ),
  forbid(
    ["src/geometry/**"],
    ["../formats/*", "../model/*", "../cli/*", "../low-rank.js", "../low-rank/*", "../schedule/*"],
    "geometry/ knows nothing of files",
  ),
  forbid(
    ["src/formats/**"],
    [
      "../kernel/*",
      "../engine/*",
      "../geometry/*",
      "../model/*",
      "../cli/*",
      "../low-rank.js",
      "../low-rank/*",
      "../schedule/*",
    ],
    "formats/ know nothing of wasm",
  ),
  forbid(["src/model/**"], ["../cli/*", "../cluster/*"], "model/ knows nothing of the command line, nor of clusters"),
  forbid(
    ["src/schedule/**", "src/low-rank/**", "src/*.ts"],
    ["./cluster/*", "../cluster/*"],
    "cluster/ stands above the library",
  ),
  forbid(["src/cluster/**"], ["../cli/*"], "cluster/ knows nothing of the command line"),
);
