import tseslint from "typescript-eslint";

// Imports point one way: each floor of src/ takes from those before it, and formats/ knows nothing of wasm.
const floors = ["kernel", "engine", "geometry", "low-rank", "schedule", "model", "node", "cluster", "cli"];
const paths = (floor) => [`**/${floor}/**`, ...(floor === "low-rank" ? ["**/low-rank.js"] : [])];
const starters = ["src/engine/threads/node-spawn.ts", "src/schedule/node-worker.ts"];
const nodeFloors = ["node", "cluster", "cli"];

/** What files of a floor may not import: `above` floors, and node: where they run in a browser too. */
const forbid = (files, above, { ignores = [], needsNode = false } = {}) => ({
  files,
  ignores,
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          { group: above.flatMap(paths), message: "Imports point one way (CONTRIBUTING.md, the tree)." },
          ...(needsNode ? [] : [{ group: ["node:*"], message: "What needs Node lies in src/node, cluster and cli." }]),
        ].filter(({ group }) => group.length > 0),
      },
    ],
  },
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
  ...floors.map((floor, i) =>
    forbid(
      [`src/${floor}/**`, ...(floor === "low-rank" ? ["src/low-rank.ts"] : [])],
      [...floors.slice(i + 1), ...(floor === "model" || nodeFloors.includes(floor) ? [] : ["formats"])],
      {
        needsNode: nodeFloors.includes(floor),
        ignores: starters,
      },
    ),
  ),
  // The two that start a worker in Node are loaded there alone.
  forbid([starters[0]], floors.slice(2), { needsNode: true }),
  forbid([starters[1]], floors.slice(5), { needsNode: true }),
  forbid(["src/formats/**"], floors),
  forbid(["src/types/**", "src/*.ts"], ["formats", ...nodeFloors], { ignores: ["src/low-rank.ts", "src/node.ts"] }),
);
