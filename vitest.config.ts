import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

// Workspace packages are taken from their sources, so nothing has to be built before it is tested.
const conditions = ["@tsvm/source", "module", "node", "development|production"];

/** One project per package, under the package's name: `vitest run --project @tsvm/mmu`. */
function projectsIn(parent: string): TestProjectInlineConfiguration[] {
  return readdirSync(join(import.meta.dirname, parent))
    .map((folder) => join(parent, folder))
    .filter((root) => existsSync(join(import.meta.dirname, root, "package.json")))
    .map((root) => ({
      extends: true,
      test: {
        name: JSON.parse(readFileSync(join(import.meta.dirname, root, "package.json"), "utf8")).name,
        root,
        include: ["src/**/*.test.ts", "test/**/*.test.ts"],
        setupFiles: [join(import.meta.dirname, "vitest.seed.ts")],
      },
    }));
}

/** Whole machines, one after another and after everything else: each wants a core of its own. */
const boots: TestProjectInlineConfiguration = {
  extends: true,
  test: {
    name: "boots",
    root: "boots",
    include: ["**/*.test.ts"],
    fileParallelism: false,
    sequence: { groupOrder: 1 },
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
};

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [...["packages", "testing", "tools"].flatMap(projectsIn), boots],
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: ".vitest/results.json" }]] : ["default"],
    passWithNoTests: true,
    // Long enough that only what hangs reaches them: a machine with other work to do makes a second ten.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
