// The one place that knows which bundler builds a package.
import { defineConfig, type Options } from "tsup";

/** One ESM bundle with declarations from `src/index.ts`; `extra` overrides. */
export const defineBuild = (extra: Options = {}): ReturnType<typeof defineConfig> =>
  defineConfig({
    entry: ["src/index.ts"],
    format: "esm",
    target: "es2024",
    platform: "neutral",
    dts: true,
    sourcemap: true,
    clean: true,
    tsconfig: "../../tsconfig.build.json",
    ...extra,
  });
