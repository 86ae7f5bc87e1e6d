import { defineBuild } from "@tsvm-tools/build";

// Source maps would be two thirds of the package. Constants are put where they are used: the engine does not, across
// modules, and the loops of simulations would load them again and again.
export default defineBuild({
  entry: ["src/index.ts", "src/main.ts"],
  sourcemap: false,
  esbuildOptions: (options) => {
    options.minifySyntax = true;
  },
});
