// What every side exit of a region does: rip is that of the instruction whose record is returned, the fuel counts the
// instructions before it, and the cause is counted.
import type { ExitTail } from "@tsvm/tcg";
import type { CodeWriter } from "@tsvm/wasm-emit";
import { RECORD } from "../decode/decoded-insn.ts";
import { AT } from "../state/layout.ts";
import { SIDE_EXIT_COUNTS } from "../state/memory-map.ts";
import { PAGE_SLOT, REGION_SLOTS } from "./region-slots.ts";
import { causeName, causeNumber, SIDE_COUNT_BYTES, type SideCause } from "./side-causes.ts";

const PAGE_SHIFT = 12;
const FUEL_SLOT = REGION_SLOTS.find(AT.fuel);

/** Bits of the detail: instructions, the cause, and what is left for the page, with a sign. */
const COMPLETED_BITS = 9;
const CAUSE_BITS = 8;
const PAGE_AT = COMPLETED_BITS + CAUSE_BITS;
const MAX_COMPLETED = 2 ** COMPLETED_BITS - 1;

/**
 * The detail operand of a side exit: complete instructions of its block, why it is left, and the page counted from the
 * region's first.
 */
export function sideDetail(completed: number, pageDistance: number, cause: SideCause): number {
  if (completed > MAX_COMPLETED) throw new Error(`a block of more than ${MAX_COMPLETED} instructions`);
  return completed | (causeNumber(cause) << COMPLETED_BITS) | (pageDistance << PAGE_AT);
}

/** Such an operand in words. */
export function sideDetailText(detail: number): string {
  const cause = causeName((detail >>> COMPLETED_BITS) & (2 ** CAUSE_BITS - 1));
  return `${cause}, ${detail & MAX_COMPLETED} done`;
}

/** Name of side exits. Operands: the record, and {@link sideDetail}. */
export const SIDE = "side";

export const SIDE_TAIL: ExitTail = {
  slots: [FUEL_SLOT, PAGE_SLOT],
  write(writer, record, detail, localOfSlot) {
    writer.localGet(localOfSlot(FUEL_SLOT));
    writer.localGet(detail);
    writer.i32Const(MAX_COMPLETED);
    writer.op("i32.and");
    writer.op("i32.sub");
    writer.localSet(localOfSlot(FUEL_SLOT));
    writer.i32Const(0);
    writer.localGet(localOfSlot(PAGE_SLOT));
    writer.localGet(detail);
    writer.i32Const(PAGE_AT);
    writer.op("i32.shr_s");
    writer.i32Const(PAGE_SHIFT);
    writer.op("i32.shl");
    writer.op("i64.extend_i32_s");
    writer.op("i64.add");
    writer.localGet(record);
    writer.memory("i64.load16_u", RECORD.pageOffset);
    writer.op("i64.add");
    writer.memory("i64.store", AT.rip);
    countCause(writer, detail);
  },
};

/** Leaves the detail's local as the place of the count. */
function countCause(writer: CodeWriter, detail: number): void {
  writer.localGet(detail);
  writer.i32Const(COMPLETED_BITS - Math.log2(SIDE_COUNT_BYTES));
  writer.op("i32.shr_u");
  writer.i32Const((2 ** CAUSE_BITS - 1) * SIDE_COUNT_BYTES);
  writer.op("i32.and");
  writer.localTee(detail);
  writer.localGet(detail);
  writer.memory("i64.load", SIDE_EXIT_COUNTS);
  writer.i64Const(1);
  writer.op("i64.add");
  writer.memory("i64.store", SIDE_EXIT_COUNTS);
}
