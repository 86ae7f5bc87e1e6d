// How generated code asks the soft TLB; tcg's softmmu/tlb-layout.ts says what an entry is.
import { type IrBuilder, TLB_ADDEND, TLB_INDEX_MASK, TLB_INDEX_SHIFT, TLB_PAGE_SHIFT, type Val } from "@tsvm/tcg";
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";

const PAGE_BYTES = 1 << TLB_PAGE_SHIFT;

/** Where the entry for `linear` is in a table (i32). */
export function tlbEntry(b: IrBuilder, context: Val, linear: Val): Val {
  const mixed = b.op("i32.xor", b.wrap(linear), b.wrap(context));
  const index = b.op("i32.shr_u", mixed, b.const32(TLB_INDEX_SHIFT));
  return b.op("i32.and", index, b.const32(TLB_INDEX_MASK));
}

/** Whether `table` has at `entry` the page of `linear` and of the `last` bytes behind it; i32. */
export function tlbHit(b: IrBuilder, entry: Val, table: number, linear: Val, last: Val): Val {
  const inPage = b.xor(linear, b.load("i64.load", entry, table));
  return b.ltU(inPage, b.sub(b.const(PAGE_BYTES), last));
}

/** Host address (i32) of `linear`, which `table` has at `entry`. */
export function tlbHost(b: IrBuilder, entry: Val, table: number, linear: Val): Val {
  return b.op("i32.add", b.wrap(linear), b.load("i32.load", entry, table + TLB_ADDEND));
}

/** (linear, tlbContext, bytes of the access less 1, table) to the host address, or to 0: a miss. */
export const reachGuest: Subroutine = {
  name: "reachGuest",
  params: ["i64", "i64", "i64", "i32"],
  result: "i32",
  body: (b, linear, context, last, table) => {
    const at = b.op("i32.add", tlbEntry(b, context as Val, linear as Val), table as Val);
    b.when(b.isFalse(tlbHit(b, at, 0, linear as Val, last as Val)), () => giveBack(b, b.const32(0)));
    giveBack(b, tlbHost(b, at, 0, linear as Val));
  },
};
