import { defineBuild } from "@tsvm-tools/build";

export default defineBuild({ platform: "node", entry: ["src/index.ts", "src/main.ts"] });
