export * from "./access.ts";
export { type PagingControls, pagingControlsOf, pagingModeOf } from "./control.ts";
export { createMmu, type MmuOptions, type TlbMmu } from "./create-mmu.ts";
export { createWalker } from "./create-walker.ts";
export * from "./fault.ts";
export type * from "./mmu.ts";
export * from "./pte.ts";
export { grantedKinds, type RightsControls } from "./rights.ts";
export * from "./walker.ts";
