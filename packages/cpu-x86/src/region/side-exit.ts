// What every side exit of a region does: rip is that of the instruction whose record is returned, and the fuel counts the
// instructions before it.
import type { SideExit } from "@tsvm/tcg";
import { RECORD } from "../decode/decoded-insn.ts";
import { AT } from "../state/layout.ts";
import { PAGE_SLOT, REGION_SLOTS } from "./region-slots.ts";

const PAGE_SHIFT = 12;
const FUEL_SLOT = REGION_SLOTS.find(AT.fuel);

/** The detail operand of a side exit: complete instructions of its block, and the page counted from the region's first. */
export const sideDetail = (completed: number, pageDistance: number): number => completed | (pageDistance << 16);

export const SIDE_EXIT: SideExit = {
  slots: [FUEL_SLOT, PAGE_SLOT],
  write(writer, record, detail, localOfSlot) {
    writer.localGet(localOfSlot(FUEL_SLOT));
    writer.localGet(detail);
    writer.i32Const(0xffff);
    writer.op("i32.and");
    writer.op("i32.sub");
    writer.localSet(localOfSlot(FUEL_SLOT));
    writer.i32Const(0);
    writer.localGet(localOfSlot(PAGE_SLOT));
    writer.localGet(detail);
    writer.i32Const(16);
    writer.op("i32.shr_s");
    writer.i32Const(PAGE_SHIFT);
    writer.op("i32.shl");
    writer.op("i64.extend_i32_s");
    writer.op("i64.add");
    writer.localGet(record);
    writer.memory("i64.load16_u", RECORD.pageOffset);
    writer.op("i64.add");
    writer.memory("i64.store", AT.rip);
  },
};
