// Changes of privilege between flat segments, as 64-bit kernels and flat 32-bit ones make them all the time: segment caches
// become constants. What is not flat is left to the helpers of segments/. SDM vol. 3A, "Segment Descriptors".
import type { Val } from "@tsvm/tcg";
import { FLAG, SEG } from "../state/bits.ts";
import { PRIVILEGE, SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import type { X86Builder } from "./x86-builder.ts";

const ANY = SEG.G | SEG.P | SEG.S | SEG.ACCESSED;
/** Access rights of flat segments; DPL is added. */
export const FLAT = {
  code64: ANY | SEG.L | SEG.CODE | SEG.READABLE,
  code32: ANY | SEG.DB | SEG.CODE | SEG.READABLE,
  data: ANY | SEG.DB | SEG.WRITABLE,
} as const;

/** The mode in flat 32-bit segments. */
export const FLAT32_MODE: number = MODE.code32 | MODE.stack32 | MODE.flat;

const FLAT_LIMIT = 0xffff_ffff;
const DESCRIPTOR_DPL_SHIFT = 45;
/** RFLAGS bits that have a place in CPU state as they are: all but the arithmetic ones, which are lazy. */
export const KEPT_FLAGS = 0x3f_7700;
const FIXED_FLAG = 2;

/** The descriptor of a flat segment with these rights, without its DPL. */
export function descriptorOf(attributes: number): bigint {
  return (BigInt(attributes & 0xff) << 40n) | (BigInt(attributes >> 12) << 52n) | 0x000f_0000_0000_ffffn;
}

/** Whether `descriptor` is that of a flat segment with these rights and this DPL; i32. */
export function isFlat(b: X86Builder, descriptor: Val, attributes: number, dpl: Val): Val {
  const expected = b.or(b.const(descriptorOf(attributes)), b.shl(dpl, b.const(DESCRIPTOR_DPL_SHIFT)));
  return b.eq(descriptor, expected);
}

/** Loads a segment cache with a flat segment. */
function loadFlat(b: X86Builder, segment: number, selector: Val, attributes: number, dpl: Val): void {
  const code = (attributes & SEG.CODE) !== 0;
  b.setState("segSelector", selector, segment);
  b.setState("segAttributes", b.or(b.const(attributes), b.shl(dpl, b.const(SEG.dplShift))), segment);
  b.setState("segBase", b.const(0), segment);
  b.setState("segLimit", b.const(FLAT_LIMIT), segment);
  b.setState("segReadFirst", b.const(0), segment);
  b.setState("segReadLast", b.const(FLAT_LIMIT), segment);
  b.setState("segWriteFirst", b.const(code ? 1 : 0), segment);
  b.setState("segWriteLast", b.const(code ? 0 : FLAT_LIMIT), segment);
}

/** CS and the privilege that comes with it; the mode is to stay what it is. */
export function loadFlatCode(b: X86Builder, selector: Val, attributes: number, cpl: Val): void {
  loadFlat(b, SEGMENT.cs, selector, attributes, cpl);
  b.setState("cpl", cpl);
}

export function loadFlatStack(b: X86Builder, selector: Val, cpl: Val): void {
  loadFlat(b, SEGMENT.ss, selector, FLAT.data, cpl);
}

/** A null SS, as code in 64-bit mode below CPL 3 may have. */
export function loadNullStack(b: X86Builder, selector: Val): void {
  const { ss } = SEGMENT;
  b.setState("segSelector", selector, ss);
  b.setState("segAttributes", b.const(SEG.UNUSABLE), ss);
  b.setState("segBase", b.const(0), ss);
  b.setState("segLimit", b.const(0), ss);
  b.setState("segReadFirst", b.const(1), ss);
  b.setState("segReadLast", b.const(0), ss);
  b.setState("segWriteFirst", b.const(1), ss);
  b.setState("segWriteLast", b.const(0), ss);
}

/** RFLAGS by an image without VM and RF that are not looked at again: the caller deals with TF, and with IF becoming set. */
export function loadFlagImage(b: X86Builder, image: Val): void {
  const kept = b.and(image, b.const(KEPT_FLAGS & ~(FLAG.VM | FLAG.RF)));
  b.setState("rflags", b.or(kept, b.const(FIXED_FLAG)));
  b.flags.load(image);
}

/** Adopts the contexts of a privilege (i32, PRIVILEGE). */
export function enterContext(b: X86Builder, privilege: Val): void {
  b.setState("tlbContext", b.stateAt("tlbContexts", privilege));
  const others = b.and(b.state("jumpKey"), b.const(~0xfff));
  b.setState("jumpKey", b.or(others, b.stateAt("codeContexts", privilege)));
}

/** The PRIVILEGE of a CPL that is 0 or 3 with RFLAGS as they are. */
export function privilegeOf(b: X86Builder, cpl: Val): Val {
  const ac = b.ne(b.and(b.state("rflags"), b.const(FLAG.AC)), b.const(0));
  const supervisor = b.select(ac, b.const32(PRIVILEGE.supervisorAc), b.const32(PRIVILEGE.supervisor));
  return b.select(b.eqz(cpl), supervisor, b.const32(PRIVILEGE.user));
}

/** All of RFLAGS, with the arithmetic flags. */
export function flagImage(b: X86Builder): Val {
  return b.or(b.state("rflags"), b.flags.image());
}

/** Whether any bit of `mask` is set; i32. */
export function anyOf(b: X86Builder, value: Val, mask: number): Val {
  return b.ne(b.and(value, b.const(mask)), b.const(0));
}

export function hasMode(b: X86Builder, mode: number): Val {
  return b.eq(b.state("mode"), b.const(mode));
}

/** The run loop has to look before the next instruction if an image sets IF: an interrupt waits. */
export function letsInterruptIn(b: X86Builder, image: Val): Val {
  return b.both(anyOf(b, image, FLAG.IF), b.ne(b.state("interruptRequest"), b.const(0)));
}

/** Bits 63:47 are equal. False also for addresses that are canonical under 5-level paging only. */
export function isCanonical48(b: X86Builder, linear: Val): Val {
  return b.eq(b.sar(b.shl(linear, b.const(16)), b.const(16)), linear);
}
