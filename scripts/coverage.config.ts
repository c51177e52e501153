// How coverage.mjs runs the tests.
import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
import config from "../vitest.config.ts";

/** What these run is built for other runtimes, or runs in a browser: V8's coverage of it is not had. */
export const elsewhere = [
  "test/docs/**",
  "test/examples/**",
  "test/package/**",
  "test/runtimes/**",
  "test/web/page.test.ts",
  "test/web/picture.test.ts",
];

export default mergeConfig(config, {
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    exclude: elsewhere,
    setupFiles: [fileURLToPath(new URL("coverage-children.mjs", import.meta.url))],
    coverage: {
      enabled: true,
      provider: "v8",
      include: ["src/**/*.ts", "dist/**/*.js"],
      exclude: [
        "src/**/*.d.ts",
        "src/types/**",
        "src/formats/onnx/onnx_pb.ts",
        "src/kernel/wasm.generated.ts",
        "dist/web/**",
      ],
      reporter: ["json"],
      reportsDirectory: fileURLToPath(new URL("../build/coverage", import.meta.url)),
      reportOnFailure: true,
    },
  },
});
