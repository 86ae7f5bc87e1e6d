import { defineBuild } from "@tsvm-tools/build";

// Not cleaned: the guest itself stands in dist too.
export default defineBuild({ platform: "node", clean: false });
