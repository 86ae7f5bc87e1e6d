import { defineBuild } from "@tsvm-tools/build";

export default defineBuild();
