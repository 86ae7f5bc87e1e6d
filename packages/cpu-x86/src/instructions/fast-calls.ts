// SYSCALL SYSRET SYSENTER SYSEXIT SWAPGS and the FS/GS base instructions. Written here: system calls of 64-bit code and of flat
// 32-bit code. The helpers know the rest: faults, compatibility mode, AMD's variants, single steps, waiting interrupts.
// SDM vol. 2B, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import {
  anyOf,
  enterContext,
  FLAT,
  FLAT32_MODE,
  flagImage,
  hasMode,
  isCanonical48,
  letsInterruptIn,
  loadFlagImage,
  loadFlatCode,
  loadFlatStack,
  privilegeOf,
} from "../emit/flat-segments.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { CR4, EFER, FLAG } from "../state/bits.ts";
import { PRIVILEGE, SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import type { HelperName } from "../system/helpers.ts";
import { type Row, row, type Semantics } from "./row.ts";

const USER = 3;

/** Continues at `rip` in CPU state, unless `possible` is false: then the helper does it all. */
function transfer(b: X86Builder, possible: Val, commit: () => void, otherwise: () => void): void {
  b.when(possible, () => {
    commit();
    b.exit("indirect");
  });
  otherwise();
}

function selector(b: X86Builder, base: Val, offset: number, rpl: number): Val {
  return b.or(b.and(b.add(base, b.const(offset)), b.const(0xfffc)), b.const(rpl));
}

function loadSegments(b: X86Builder, cs: Val, ss: Val, attributes: number, cpl: 0 | 3): void {
  loadFlatCode(b, cs, attributes, b.const(cpl));
  loadFlatStack(b, ss, b.const(cpl));
}

const isZero = (b: X86Builder, value: Val, mask: number): Val => b.isFalse(anyOf(b, value, mask));

/** SYSCALL and SYSRET exist. */
const knowsSyscall = (b: X86Builder): Val => b.both(hasMode(b, MODE.code64), anyOf(b, b.state("efer"), EFER.SCE));

const syscall: Semantics = (b) => {
  const flags = b.state("rflags");
  const possible = b.both(knowsSyscall(b), isZero(b, flags, FLAG.TF));
  const commit = (): void => {
    const saved = b.and(flagImage(b), b.const(~FLAG.RF));
    const rip = b.nextRip();
    const cs = b.and(b.shr(b.state("star"), b.const(32)), b.const(0xfffc));
    b.setReg(64, "rcx", rip);
    b.setReg(64, "r11", saved);
    loadFlagImage(b, b.and(saved, b.not(b.zext(b.state("sfmask"), 32))));
    b.setState("rip", b.state("lstar"));
    loadSegments(b, cs, b.and(b.add(cs, b.const(8)), b.const(0xffff)), FLAT.code64, 0);
    enterContext(b, privilegeOf(b, b.const(0)));
  };
  transfer(b, possible, commit, () => b.helper("syscall"));
};

const sysret: Semantics = (b) => {
  const { opsize } = b.shape;
  const rip = b.reg(64, "rcx");
  const image = b.zext(b.reg(64, "r11"), 32);
  const quiet = b.isFalse(b.either(anyOf(b, b.or(image, b.state("rflags")), FLAG.TF), letsInterruptIn(b, image)));
  const allowed = b.both(b.eqz(b.state("cpl")), isCanonical48(b, rip));
  const possible = opsize === 64 ? b.both(b.both(knowsSyscall(b), allowed), quiet) : b.const32(0);
  const commit = (): void => {
    const base = b.shr(b.state("star"), b.const(48));
    b.setState("rip", rip);
    loadFlagImage(b, image);
    loadSegments(b, selector(b, base, 16, USER), selector(b, base, 8, USER), FLAT.code64, USER);
    enterContext(b, b.const32(PRIVILEGE.user));
  };
  transfer(b, possible, commit, () => b.helper("sysret", b.const(opsize)));
};

/** Flat 32-bit code outside long mode, and SYSENTER has been set up. */
const knowsSysenter = (b: X86Builder, base: Val): Val => {
  const legacy = b.both(hasMode(b, FLAT32_MODE), isZero(b, b.state("efer"), EFER.LMA));
  return b.both(legacy, b.ne(base, b.const(0)));
};

const sysenter: Semantics = (b) => {
  const flags = b.state("rflags");
  const cs = b.and(b.state("sysenterCs"), b.const(0xfffc));
  const possible = b.both(knowsSysenter(b, cs), isZero(b, flags, FLAG.TF | FLAG.VM));
  const commit = (): void => {
    b.setState("rflags", b.and(flags, b.const(~(FLAG.IF | FLAG.RF))));
    b.setReg(32, "rsp", b.state("sysenterEsp"));
    b.setState("rip", b.zext(b.state("sysenterEip"), 32));
    loadSegments(b, cs, b.add(cs, b.const(8)), FLAT.code32, 0);
    enterContext(b, privilegeOf(b, b.const(0)));
  };
  transfer(b, possible, commit, () => b.helper("sysenter"));
};

const sysexit: Semantics = (b) => {
  const { opsize } = b.shape;
  const base = b.and(b.state("sysenterCs"), b.const(0xfffc));
  const allowed = b.both(b.eqz(b.state("cpl")), isZero(b, b.state("rflags"), FLAG.TF));
  const possible = opsize === 32 ? b.both(knowsSysenter(b, base), allowed) : b.const32(0);
  const commit = (): void => {
    b.setState("rip", b.reg(32, "rdx"));
    b.setReg(32, "rsp", b.reg(32, "rcx"));
    loadSegments(b, selector(b, base, 16, USER), selector(b, base, 24, USER), FLAT.code32, USER);
    enterContext(b, b.const32(PRIVILEGE.user));
  };
  transfer(b, possible, commit, () => b.helper("sysexit", b.const(opsize)));
};

const swapgs: Semantics = (b) => {
  b.raiseIf(b.ne(b.state("cpl"), b.const(0)), "GP", b.const(0));
  const [gs, kernel] = [b.state("segBase", SEGMENT.gs), b.state("kernelGsBase")];
  b.setState("segBase", kernel, SEGMENT.gs);
  b.setState("kernelGsBase", gs);
};

/** RDFSBASE and its relatives are #UD without CR4.FSGSBASE. */
function orWithoutBases(b: X86Builder, refused: Val, name: HelperName, args: Val[], commit: () => void): void {
  const missing = isZero(b, b.state("cr4"), CR4.FSGSBASE);
  b.when(b.either(missing, refused), () => b.helper(name, ...args), commit);
}

const readBase =
  (segment: number): Semantics =>
  (b, dst) => {
    const args = [b.const32(segment), dst!.register(), b.const(b.shape.opsize)];
    orWithoutBases(b, b.const32(0), "readSegmentBase", args, () => dst!.store(b.state("segBase", segment)));
  };

const writeBase =
  (segment: number): Semantics =>
  (b, src) => {
    const base = src!.load();
    const args = [b.const32(segment), base];
    orWithoutBases(b, b.isFalse(isCanonical48(b, base)), "writeSegmentBase", args, () =>
      b.setState("segBase", base, segment),
    );
  };

const jump = { flow: "jump" } as const;
const bases = { o64: true, cpuid: "fsgsbase" } as const;

export const rows: readonly Row[] = [
  row("0F 05", "SYSCALL", [], syscall, { cpuid: "syscall", ...jump }),
  row("0F 07", "SYSRET", [], sysret, { cpuid: "syscall", opsize: true, ...jump }),
  row("0F 34", "SYSENTER", [], sysenter, { cpuid: "sep", ...jump }),
  row("0F 35", "SYSEXIT", [], sysexit, { cpuid: "sep", opsize: true, ...jump }),
  row("0F 01 F8", "SWAPGS", [], swapgs, { o64: true }),
  row("F3 0F AE /0", "RDFSBASE", ["Ry"], readBase(SEGMENT.fs), bases),
  row("F3 0F AE /1", "RDGSBASE", ["Ry"], readBase(SEGMENT.gs), bases),
  row("F3 0F AE /2", "WRFSBASE", ["Ry"], writeBase(SEGMENT.fs), bases),
  row("F3 0F AE /3", "WRGSBASE", ["Ry"], writeBase(SEGMENT.gs), bases),
];
