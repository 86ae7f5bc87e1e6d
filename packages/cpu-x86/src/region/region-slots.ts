import { type Slot, SlotTable } from "@tsvm/tcg";
import { AT, GPR } from "../state/layout.ts";

const ZMM_BYTES = 64;
const XMM_BYTES = 16;
const REGISTERS = 16;

const cached = (address: number, type: Slot["type"]): Slot => ({ address, type, policy: "cached" });
/** What only helpers write, which end the region's run, or rare instructions: reading it costs no load. */
const mirrored = (address: number, type: Slot["type"]): Slot => ({ address, type, policy: "mirrored" });

/** The CPU state that regions keep in locals. */
export const REGION_SLOTS: SlotTable = new SlotTable([
  ...Array.from({ length: REGISTERS }, (_, i) => cached(AT.gpr + i * 8, "i64")),
  { ...cached(AT.ccResult, "i64"), lazy: true },
  { ...cached(AT.ccMinuend, "i64"), lazy: true },
  { ...cached(AT.ccSubtrahend, "i64"), lazy: true },
  { ...cached(AT.ccAux, "i64"), lazy: true },
  { ...cached(AT.fuel, "i32"), lazy: true },
  ...Array.from({ length: REGISTERS }, (_, i) => cached(AT.zmm + i * ZMM_BYTES, "v128")),
  ...Array.from({ length: REGISTERS }, (_, i) => cached(AT.zmm + i * ZMM_BYTES + XMM_BYTES, "v128")),
  mirrored(AT.tlbContext, "i64"),
  mirrored(AT.cr0, "i64"),
  mirrored(AT.cr4, "i64"),
  mirrored(AT.mxcsr, "i32"),
  mirrored(AT.rflags, "i64"),
  { address: AT.gpr + GPR.pageRip * 8, type: "i64", policy: "scratch" },
  { address: AT.effectiveAddress, type: "i64", policy: "scratch", lazy: true },
]);

/** Number of the slot that holds the address of the region's first page. */
export const PAGE_SLOT: number = REGION_SLOTS.find(AT.gpr + GPR.pageRip * 8);
