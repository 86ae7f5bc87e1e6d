import { defineBuild } from "@tsvm-tools/build";

export default defineBuild({ entry: ["src/index.ts", "src/main.ts"] });
