export { IrBuilder } from "./ir/builder.ts";
export type { Node, Val, Variable } from "./ir/types.ts";
export { LocalPool, type LoweringTarget, lowerNodes } from "./lower/wasm.ts";
export * from "./softmmu/tlb-layout.ts";
