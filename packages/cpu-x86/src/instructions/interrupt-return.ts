// IRET from the kernel in 64-bit code and in flat 32-bit code, to flat segments: the end of every interrupt and page fault.
// Frame and descriptors are read only where the TLB knows them, so nothing can fault; the helper does what is left. SDM
// vol. 2A, "IRET/IRETD/IRETQ".
import type { Val } from "@tsvm/tcg";
import {
  anyOf,
  enterContext,
  FLAT,
  FLAT32_MODE,
  hasMode,
  isCanonical48,
  isFlat,
  letsInterruptIn,
  loadFlagImage,
  loadFlatCode,
  loadFlatStack,
  loadNullStack,
  privilegeOf,
} from "../emit/flat-segments.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { EFER, FLAG, SEG } from "../state/bits.ts";
import { SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import type { Semantics } from "./row.ts";

const USER = 3;
const TABLE_INDICATOR = 4;
const DR7_ENABLES = 0xff;

export const returnFromInterrupt: Semantics = (b) => {
  const { opsize } = b.shape;
  if (opsize === 64) returnLong(b);
  else if (opsize === 32) returnFlat32(b);
  b.helper("returnFromInterrupt", b.const(opsize));
};

/** CPL 0, and nothing that makes returns special: nested tasks, blocked NMIs, breakpoints (RF), explicit access. */
function isPlainReturn(b: X86Builder): Val {
  const flags = anyOf(b, b.state("rflags"), FLAG.NT | FLAG.AC | FLAG.TF);
  const special = b.either(flags, b.ne(b.state("nmiBlocked"), b.const(0)));
  const watched = anyOf(b, b.state("dr", 7), DR7_ENABLES);
  return b.both(b.eqz(b.state("cpl")), b.isFalse(b.either(special, watched)));
}

/** Runs `then` with the descriptors of two selectors if the TLB has their places in the GDT. The current context is the supervisor's. */
function withDescriptors(b: X86Builder, cs: Val, ss: Val, then: (code: Val, stack: Val) => void): void {
  const code = probeDescriptor(b, cs);
  const stack = probeDescriptor(b, ss);
  b.when(b.both(code.hit, stack.hit), () => then(b.hostLoad(64, code.host), b.hostLoad(64, stack.host)));
}

function probeDescriptor(b: X86Builder, selector: Val): { hit: Val; host: Val } {
  const offset = b.and(selector, b.const(~7));
  const { hit, host } = b.probeForRead(8, b.add(b.state("gdtrBase"), offset));
  const inTable = b.isFalse(b.ltU(b.state("gdtrLimit"), b.add(offset, b.const(7))));
  return { hit: b.both(b.both(hit, inTable), b.isFalse(anyOf(b, selector, TABLE_INDICATOR))), host };
}

/** DS ES FS GS are 0 or the user's own: none is taken away on the way out, as are null selectors with an RPL. */
function keepsDataSegments(b: X86Builder): Val {
  const user = USER << SEG.dplShift;
  return [SEGMENT.ds, SEGMENT.es, SEGMENT.fs, SEGMENT.gs]
    .map((segment) => {
      const attributes = b.state("segAttributes", segment);
      const own = b.eq(b.and(attributes, b.const(user)), b.const(user));
      const none = b.both(anyOf(b, attributes, SEG.UNUSABLE), b.eqz(b.state("segSelector", segment)));
      return b.either(own, none);
    })
    .reduce((all, kept) => b.both(all, kept));
}

/** Whether an image may be loaded without anybody looking afterwards. */
const isQuiet = (b: X86Builder, image: Val): Val =>
  b.isFalse(b.either(anyOf(b, image, FLAG.TF | FLAG.VM), letsInterruptIn(b, image)));

/** A frame of RIP CS RFLAGS RSP SS. */
function returnLong(b: X86Builder): void {
  const frame = b.probeForRead(5 * 8, b.reg(64, "rsp"));
  const possible = b.both(b.both(hasMode(b, MODE.code64), isPlainReturn(b)), frame.hit);
  b.when(possible, () => {
    const slot = slotReader(b, frame.host, 8);
    const [rip, cs, image, rsp, ss] = [slot(64, 0), slot(16, 1), slot(32, 2), slot(64, 3), slot(16, 4)];
    const cpl = b.and(cs, b.const(3));
    withDescriptors(b, cs, ss, (code, stack) => {
      const noStack = b.eqz(b.or(ss, cpl));
      const stackFits = b.either(noStack, isStackOf(b, ss, stack, cpl));
      const fits = b.both(isFlat(b, code, FLAT.code64, cpl), b.both(stackFits, isCanonical48(b, rip)));
      b.when(b.both(b.both(fits, mayReturnTo(b, cpl)), isQuiet(b, image)), () => {
        b.setReg(64, "rsp", rsp);
        b.when(
          noStack,
          () => loadNullStack(b, ss),
          () => loadFlatStack(b, ss, cpl),
        );
        commit(b, rip, cs, FLAT.code64, cpl, image);
      });
    });
  });
}

/** A frame of EIP CS EFLAGS, and ESP SS if it leads to CPL 3. */
function returnFlat32(b: X86Builder): void {
  const pointer = b.reg(32, "rsp");
  const frame = b.probeForRead(5 * 4, pointer);
  const legacy = b.both(hasMode(b, FLAT32_MODE), b.isFalse(anyOf(b, b.state("efer"), EFER.LMA)));
  b.when(b.both(b.both(legacy, isPlainReturn(b)), frame.hit), () => {
    const slot = slotReader(b, frame.host, 4);
    const [rip, cs, image, rsp] = [slot(32, 0), slot(16, 1), slot(32, 2), slot(32, 3)];
    const cpl = b.and(cs, b.const(3));
    const outward = b.ne(cpl, b.const(0));
    const ss = b.select(outward, slot(16, 4), b.state("segSelector", SEGMENT.ss));
    withDescriptors(b, cs, ss, (code, stack) => {
      const stackFits = b.either(b.isFalse(outward), isStackOf(b, ss, stack, cpl));
      const fits = b.both(isFlat(b, code, FLAT.code32, cpl), stackFits);
      b.when(b.both(b.both(fits, mayReturnTo(b, cpl)), isQuiet(b, image)), () => {
        b.setReg(32, "rsp", b.select(outward, rsp, b.add(pointer, b.const(12))));
        b.when(outward, () => loadFlatStack(b, ss, cpl));
        commit(b, rip, cs, FLAT.code32, cpl, image);
      });
    });
  });
}

/** Reads `width` bits of a slot of a frame. */
function slotReader(b: X86Builder, frame: Val, slotBytes: number): (width: 16 | 32 | 64, slot: number) => Val {
  return (width, slot) => b.hostLoad(width, b.op("i32.add", frame, b.const32(slot * slotBytes)));
}

/** A flat stack segment for this CPL: its DPL and the RPL of the selector are CPL. */
function isStackOf(b: X86Builder, selector: Val, descriptor: Val, cpl: Val): Val {
  return b.both(isFlat(b, descriptor, FLAT.data, cpl), b.eq(b.and(selector, b.const(3)), cpl));
}

/** To CPL 0, or to CPL 3 with data segments that stay. */
function mayReturnTo(b: X86Builder, cpl: Val): Val {
  return b.either(b.eqz(cpl), b.both(b.eq(cpl, b.const(USER)), keepsDataSegments(b)));
}

function commit(b: X86Builder, rip: Val, cs: Val, attributes: number, cpl: Val, image: Val): void {
  b.setState("rip", rip);
  loadFlatCode(b, cs, attributes, cpl);
  loadFlagImage(b, image);
  enterContext(b, privilegeOf(b, cpl));
  b.exit("indirect");
}
