// CLI STI PUSHF POPF STAC CLAC. What is written here is what happens nearly always; the helpers know the rest: faults, interrupt
// shadows with something waiting, single steps. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import { anyOf, enterContext, KEPT_FLAGS, letsInterruptIn } from "../emit/flat-segments.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { CR4, FLAG, IOPL_SHIFT } from "../state/bits.ts";
import { AT, PRIVILEGE } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** Fuel with which no block that began before ends the run: what follows STI comes next, as its shadow demands. */
const ENOUGH_FUEL = 128;

/** CPL > IOPL, i32. Real mode has CPL 0, virtual-8086 mode 3. */
const refusesInterruptFlag = (b: X86Builder, flags: Val): Val =>
  b.ltU(b.and(b.shr(flags, b.const(IOPL_SHIFT)), b.const(3)), b.state("cpl"));

const cli: Semantics = (b) => {
  const flags = b.state("rflags");
  b.when(
    refusesInterruptFlag(b, flags),
    () => b.helper("cli"),
    () => b.setState("rflags", b.and(flags, b.const(~FLAG.IF))),
  );
};

/** With nothing waiting the shadow is not to be told from none. */
const sti: Semantics = (b) => {
  const flags = b.state("rflags");
  const waiting = b.ne(b.state("interruptRequest"), b.const(0));
  const fuel = b.load("i32.load", undefined, AT.fuel);
  const late = b.op("i32.lt_s", fuel, b.const32(ENOUGH_FUEL));
  const refused = b.either(refusesInterruptFlag(b, flags), anyOf(b, flags, FLAG.TF));
  b.when(
    b.either(refused, b.either(waiting, late)),
    () => b.helper("sti"),
    () => b.setState("rflags", b.or(flags, b.const(FLAG.IF))),
  );
};

/** STAC and CLAC: EFLAGS.AC lifts SMAP from explicit accesses if CR4.SMAP forbids them. #UD above CPL 0. */
const setAlignmentCheck =
  (name: "stac" | "clac"): Semantics =>
  (b) => {
    const on = name === "stac";
    const noSmap = b.isFalse(anyOf(b, b.state("cr4"), CR4.SMAP));
    b.when(
      b.either(b.ne(b.state("cpl"), b.const(0)), noSmap),
      () => b.helper(name),
      () => {
        const others = b.and(b.state("rflags"), b.const(~FLAG.AC));
        b.setState("rflags", on ? b.or(others, b.const(FLAG.AC)) : others);
        enterContext(b, b.const32(on ? PRIVILEGE.supervisorAc : PRIVILEGE.supervisor));
      },
    );
  };

/** Virtual-8086 mode below IOPL 3 may neither read nor write its flags. */
const vm86Guard = (b: X86Builder): void => {
  if (b.shape.code64) return;
  const flags = b.state("rflags");
  const vm86 = b.ne(b.and(flags, b.const(FLAG.VM)), b.const(0));
  const iopl = b.const(3 << IOPL_SHIFT);
  b.raiseIf(b.op("i32.and", vm86, b.ne(b.and(flags, iopl), iopl)), "GP", b.const(0));
};

/** VM and RF read as 0. */
const pushf: Semantics = (b) => {
  vm86Guard(b);
  const flags = b.and(b.or(b.state("rflags"), b.flags.image()), b.const(~(FLAG.VM | FLAG.RF)));
  b.stackStore(b.shape.opsize, flags);
  b.adjustStack(b.const(-b.shape.opsize / 8));
};

/** What every privilege may change without anybody having to look, beside the arithmetic flags. */
const PLAIN = FLAG.DF | FLAG.NT;

const popf: Semantics = (b) => {
  const { opsize } = b.shape;
  const image = b.stackLoad(opsize);
  const flags = b.state("rflags");
  const wide = opsize !== 16;
  // IF and IOPL change by privilege; they are the same nearly always, or CPL is 0.
  const guarded = b.and(b.xor(flags, image), b.const(FLAG.IF | (3 << IOPL_SHIFT)));
  const refused = b.both(b.ne(b.state("cpl"), b.const(0)), b.ne(guarded, b.const(0)));
  const looked = anyOf(b, b.or(flags, image), FLAG.TF | FLAG.VM | FLAG.VIF | FLAG.VIP);
  const context = wide ? anyOf(b, b.xor(flags, image), FLAG.AC) : b.const32(0);
  b.when(
    b.either(b.either(refused, looked), b.either(context, letsInterruptIn(b, image))),
    () => b.helper("popf", image, b.const(opsize)),
    () => {
      const mask = PLAIN | FLAG.IF | (3 << IOPL_SHIFT) | (wide ? FLAG.ID : 0);
      const cleared = wide ? FLAG.RF : 0;
      const kept = b.and(flags, b.const(KEPT_FLAGS & ~(mask | cleared)));
      b.setState("rflags", b.or(b.or(kept, b.and(image, b.const(mask))), b.const(2)));
      b.flags.load(image);
      b.adjustStack(b.const(opsize / 8));
    },
  );
};

const stackFlags = { d64: true, stack: true, opsize: true } as const;

export const rows: readonly Row[] = [
  row("FA", "CLI", [], cli),
  row("FB", "STI", [], sti),
  row("9C", "PUSHF", [], pushf, stackFlags),
  row("9D", "POPF", [], popf, stackFlags),
  row("NP 0F 01 CA", "CLAC", [], setAlignmentCheck("clac"), { cpuid: "smap", no66: true }),
  row("NP 0F 01 CB", "STAC", [], setAlignmentCheck("stac"), { cpuid: "smap", no66: true }),
];
