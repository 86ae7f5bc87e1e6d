// Loads of DS, ES, FS and GS as kernels make them at every entry and exit: by the supervisor, null or with a writable segment
// of 4 GiB in the GDT. The helpers of segments/ do what is left. SDM vol. 2A, "MOV-Move"; vol. 3A, "Segment Descriptors".
import type { IrBuilder, Val } from "@tsvm/tcg";
import { tlbEntry, tlbHit, tlbHost } from "../memory/tlb-probe.ts";
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";
import { FLAG, SEG } from "../state/bits.ts";
import { AT, ELEMENT_SIZE, type FieldName, SEGMENT } from "../state/layout.ts";
import { TLB_READ } from "../state/memory-map.ts";
import { MODE } from "../state/mode.ts";
import { descriptorOf, FLAT, FLAT32_MODE } from "./flat-segments.ts";

const LIMIT = 0xffff_ffff;
const TABLE_INDICATOR = 4;
const DESCRIPTOR_DPL_SHIFT = 45n;
const DESCRIPTOR_BASE = 0xff00_00ff_ffff_0000n;
const DESCRIPTOR_AVAILABLE = 1n << 52n;
/** What must be as in a flat segment: all but base, DPL and AVL. */
const COMPARED = ~(DESCRIPTOR_BASE | DESCRIPTOR_AVAILABLE | (3n << DESCRIPTOR_DPL_SHIFT));

/** (SEGMENT, selector) to 1: it was loaded; or to 0: nothing was done, the helper has to. */
export const loadUsualSegment: Subroutine = {
  name: "loadUsualSegment",
  params: ["i32", "i64"],
  result: "i32",
  body: (b, segment, selector) => loadUsual(b, segment as Val, selector as Val),
};

function loadUsual(b: IrBuilder, segment: Val, selector: Val): void {
  const refuseUnless = (condition: Val): void => b.when(b.isFalse(condition), () => giveBack(b, b.const32(0)));
  const code64 = b.eq(state(b, "mode"), b.const(MODE.code64));
  // A null or based DS or ES would end the mode of flat segments.
  const isFree = b.either(code64, b.op("i32.ge_u", segment, b.const32(SEGMENT.fs)));
  refuseUnless(b.both(isOfData(b, segment), isUsualState(b, code64)));
  const isNull = b.eqz(b.and(selector, b.const(0xfffc)));
  const descriptor = b.variable(b.const(0));
  b.when(
    isNull,
    () => refuseUnless(isFree),
    () => {
      b.set(descriptor, readDescriptor(b, selector, refuseUnless));
      refuseUnless(
        b.both(isUsual(b, b.get(descriptor), selector), b.either(isFree, b.eqz(baseOf(b, b.get(descriptor))))),
      );
    },
  );
  commit(b, segment, selector, b.get(descriptor), isNull);
  giveBack(b, b.const32(1));
}

function state(b: IrBuilder, field: FieldName): Val {
  return b.load(ELEMENT_SIZE[field] === 4 ? "i64.load32_u" : "i64.load", undefined, AT[field]);
}

/** DS, ES, FS or GS: CS, and what is no segment register, never come here. */
function isOfData(b: IrBuilder, segment: Val): Val {
  const isStack = b.op("i32.eq", segment, b.const32(SEGMENT.ss));
  return b.both(b.op("i32.le_u", segment, b.const32(SEGMENT.gs)), b.isFalse(isStack));
}

/** In flat 32-bit or 64-bit code at CPL 0, whose TLB context is that of implicit accesses. */
function isUsualState(b: IrBuilder, code64: Val): Val {
  const known = b.either(code64, b.eq(state(b, "mode"), b.const(FLAT32_MODE)));
  const explicit = b.and(state(b, "rflags"), b.const(FLAG.AC));
  return b.both(known, b.eqz(b.or(state(b, "cpl"), explicit)));
}

/** The descriptor in the GDT, if the TLB has its place. */
function readDescriptor(b: IrBuilder, selector: Val, refuseUnless: (condition: Val) => void): Val {
  const offset = b.and(selector, b.const(0xfff8));
  const isInTable = b.isFalse(b.ltU(state(b, "gdtrLimit"), b.add(offset, b.const(7))));
  refuseUnless(b.both(isInTable, b.eqz(b.and(selector, b.const(TABLE_INDICATOR)))));
  const linear = b.add(state(b, "gdtrBase"), offset);
  const entry = tlbEntry(b, state(b, "tlbContext"), linear);
  refuseUnless(tlbHit(b, entry, TLB_READ, linear, b.const(7)));
  return b.load("i64.load", tlbHost(b, entry, TLB_READ, linear), 0);
}

/** Like a flat data segment, wherever it begins; CPL 0 may have it by every selector whose RPL is not above its DPL. */
function isUsual(b: IrBuilder, descriptor: Val, selector: Val): Val {
  const dpl = b.and(b.shr(descriptor, b.const(DESCRIPTOR_DPL_SHIFT)), b.const(3));
  const alike = b.eq(b.and(descriptor, b.const(COMPARED)), b.const(descriptorOf(FLAT.data)));
  return b.both(alike, b.isFalse(b.ltU(dpl, b.and(selector, b.const(3)))));
}

/** Bits 31:0 of the base. */
function baseOf(b: IrBuilder, descriptor: Val): Val {
  const high = b.and(b.shr(descriptor, b.const(32)), b.const(0xff00_0000));
  return b.or(b.and(b.shr(descriptor, b.const(16)), b.const(0xff_ffff)), high);
}

function commit(b: IrBuilder, segment: Val, selector: Val, descriptor: Val, isNull: Val): void {
  const put = (field: FieldName, value: Val): void => {
    const size = ELEMENT_SIZE[field];
    const at = b.op("i32.mul", segment, b.const32(size));
    b.store(size === 4 ? "i64.store32" : "i64.store", at, AT[field], value);
  };
  const attributes = b.and(b.shr(descriptor, b.const(40)), b.const(0xf0ff));
  const first = b.op("i64.extend_i32_u", isNull);
  const last = b.select(isNull, b.const(0), b.const(LIMIT));
  put("segSelector", selector);
  put("segAttributes", b.select(isNull, b.const(SEG.UNUSABLE), attributes));
  put("segBase", baseOf(b, descriptor));
  put("segLimit", last);
  for (const end of ["segReadFirst", "segWriteFirst"] as const) put(end, first);
  for (const end of ["segReadLast", "segWriteLast"] as const) put(end, last);
}
