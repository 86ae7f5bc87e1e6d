import { join } from "node:path";
import type { UserConfig } from "vite";

/** The page, with all it needs beside it, for any static host and any path there. */
const config: UserConfig = {
  root: join(import.meta.dirname, "src/page"),
  base: "./",
  // What is not there is not there: a fallback to the page would be booted as a kernel.
  appType: "mpa",
  resolve: { conditions: ["@tsvm/source", "module", "browser", "development|production"] },
  build: {
    outDir: join(import.meta.dirname, "dist/page"),
    emptyOutDir: true,
    target: "es2024",
    license: { fileName: "licenses.md" },
    // The interpreter is large, and is no page's first paint: the worker has it.
    chunkSizeWarningLimit: 4000,
  },
  worker: { format: "es" },
};

export default config;
