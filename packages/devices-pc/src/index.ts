export type { I8259State } from "./pic/i8259.ts";
export { createPicPair, type PicPair, type PicPairOptions, type PicPairState } from "./pic/pic-pair.ts";
