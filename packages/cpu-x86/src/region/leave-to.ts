// What regions do on the way to an instruction that they do not have: rip is that of the instruction, the fuel counts those before
// it, and the run loop goes on.
import type { ExitTail } from "@tsvm/tcg";
import { AT } from "../state/layout.ts";
import { PAGE_SLOT, REGION_SLOTS } from "./region-slots.ts";

/**
 * Name of such exits. Operands: where the instruction is, in bytes from the region's first page, with a sign; how many instructions
 * the block completed since fuel was last spent.
 */
export const LEAVE_TO = "leaveTo";

const FUEL_SLOT = REGION_SLOTS.find(AT.fuel);

/** Whether an offset can be such an operand. */
export const canLeaveTo = (offset: number): boolean => offset === (offset | 0);

/** @param code64 whether instruction pointers have 64 bits, and not 32. */
export const leaveToTail = (code64: boolean): ExitTail => ({
  slots: [FUEL_SLOT, PAGE_SLOT],
  write(writer, offset, completed, localOfSlot) {
    writer.localGet(localOfSlot(FUEL_SLOT));
    writer.localGet(completed);
    writer.op("i32.sub");
    writer.localSet(localOfSlot(FUEL_SLOT));
    writer.i32Const(0);
    writer.localGet(localOfSlot(PAGE_SLOT));
    writer.localGet(offset);
    writer.op("i64.extend_i32_s");
    writer.op("i64.add");
    if (!code64) {
      writer.i64Const(0xffff_ffff);
      writer.op("i64.and");
    }
    writer.memory("i64.store", AT.rip);
    writer.i32Const(0);
    writer.localSet(offset);
  },
});
