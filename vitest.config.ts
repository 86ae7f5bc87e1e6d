import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

const conditions = ["@tsvm/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // One project per package, named after it: `vitest run --project @tsvm/core`.
    projects: readdirSync(new URL("./packages", import.meta.url)).map((dir) => ({
      extends: true as const,
      test: { name: `@tsvm/${dir}`, root: `./packages/${dir}`, include: ["src/**/*.test.ts", "test/**/*.test.ts"] },
    })),
    passWithNoTests: true,
  },
});
