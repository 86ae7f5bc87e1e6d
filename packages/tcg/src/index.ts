export { IrBuilder } from "./ir/builder.ts";
export { type IrNames, printNodes } from "./ir/print.ts";
export { type Slot, type SlotPolicy, SlotTable } from "./ir/slots.ts";
export { type Constant, GOTO, type Node, type Val, type Variable } from "./ir/types.ts";
export { LocalPool, type LoweringTarget, lowerNodes } from "./lower/wasm.ts";
export { type RegionFlow, type StructuredFlow, structureEntries } from "./region/entries.ts";
export { type ExitTail, lowerRegion, type Region } from "./region/lower-region.ts";
export * from "./softmmu/tlb-layout.ts";
