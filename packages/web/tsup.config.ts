import { defineBuild } from "@tsvm-tools/build";

// A worker is loaded by its address, by no bundler: all it needs must be in its file.
export default defineBuild({
  entry: ["src/index.ts", "src/machine-worker.ts"],
  dts: { entry: "src/index.ts" },
  noExternal: [/^@tsvm\//],
  tsconfig: "tsconfig.build.json",
});
