import { defineBuild } from "@tsvm-tools/build";

// Source maps would be two thirds of the package.
export default defineBuild({ entry: ["src/index.ts", "src/main.ts"], sourcemap: false });
