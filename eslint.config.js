import tseslint from "typescript-eslint";

// Dependencies point one way: cli, web -> model -> low-rank -> geometry -> engine -> kernel. Formats know nothing of
// wasm; geometry knows nothing of files; only model/ sees both.
const forbid = (files, patterns, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [{ group: patterns, message }] }] },
});

export default tseslint.config(
  { ignores: ["dist/", "build/", "node_modules/", "assembly/", "demo-output/", "src/kernel/wasm.generated.ts"] },
  ...tseslint.configs.recommended,
  {
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  { files: ["src/**"], ignores: ["src/cli/**"], rules: { "no-console": "error" } },
  forbid(
    ["src/kernel/**"],
    ["../engine/*", "../geometry/*", "../formats/*", "../model/*", "../cli/*", "../low-rank.js"],
    "kernel/ is the bottom layer",
  ),
  forbid(
    ["src/engine/**"],
    ["../geometry/*", "../formats/*", "../model/*", "../cli/*", "../low-rank.js"],
    "engine/ sees only kernel/",
  ),
  forbid(
    ["src/geometry/**"],
    ["../formats/*", "../model/*", "../cli/*", "../low-rank.js"],
    "geometry/ knows nothing of files",
  ),
  forbid(
    ["src/formats/**"],
    ["../kernel/*", "../engine/*", "../geometry/*", "../model/*", "../cli/*", "../low-rank.js"],
    "formats/ know nothing of wasm",
  ),
  forbid(["src/model/**"], ["../cli/*"], "model/ knows nothing of the command line"),
);
