// System instructions; most are helpers. SDM vol. 2, the instruction of each name.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { callSubroutine, type Subroutine } from "../softfloat/subroutine.ts";
import { CR4, FLAG } from "../state/bits.ts";
import { SEGMENT } from "../state/layout.ts";
import type { HelperName } from "../system/helpers.ts";
import { FORM } from "../xstate/areas.ts";
import { XSAVE_MINIMUM } from "../xstate/components.ts";
import { KIND, restorePlain, savePlain } from "../xstate/plain.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";

const opsize = (b: X86Builder): Val => b.const(b.shape.opsize);

/** A helper without arguments. */
const helper =
  (name: HelperName): Semantics =>
  (b) =>
    b.helper(name);

/** The counter to EDX:EAX; see system/time-stamp.ts. #GP(0) above CPL 0 if CR4.TSD is set. */
const rdtsc: Semantics = (b) => {
  const guarded = b.ne(b.and(b.state("cr4"), b.const(CR4.TSD)), b.const(0));
  b.raiseIf(b.both(guarded, b.ne(b.state("cpl"), b.const(0))), "GP", b.const(0));
  const ticks = b.add(b.op("i64.trunc_sat_f64_u", b.clock()), b.state("tscAdjust"));
  b.setReg(32, "rax", ticks);
  b.setReg(32, "rdx", b.shr(ticks, b.const(32)));
};

/** As RDTSC, and IA32_TSC_AUX to ECX. */
const rdtscp: Semantics = (b) => {
  rdtsc(b);
  b.setReg(32, "rcx", b.state("tscAux"));
};

/** A helper on the value of the operand. */
const onValue =
  (name: HelperName): Semantics =>
  (b, src) =>
    b.helper(name, src!.load());

/** A helper on `bytes` bytes of memory. It checks pages, the address record checks limits. */
const onMemory =
  (name: HelperName, bytes: number, write: boolean): Semantics =>
  (b, area) => {
    b.noteOperandAccess(bytes, write);
    b.helper(name, area!.address(), opsize(b), b.fields.segment());
  };

/** A save area: moved at once where it can be reached, otherwise by the helper. @param kind see KIND. */
function onSaveArea(name: HelperName, plain: Subroutine, kind: number, optimize = 0): Semantics {
  const help = onMemory(name, XSAVE_MINIMUM, plain === savePlain);
  return (b, area) => {
    if (b.leavesForHelpers) return help(b, area!);
    const wide = b.shape.opsize === 64 ? FORM.wide : 0;
    const form = b.select(b.inCode64(), b.const32(wide | optimize | FORM.all), b.const32(wide | optimize));
    const done = callSubroutine(b, plain, area!.address(), b.const32(kind), form);
    b.when(b.isFalse(done), () => help(b, area!));
  };
}

/** Bits of one field that user-mode code may read unless CR4.UMIP forbids it. */
const storeGuarded =
  (value: (b: X86Builder) => Val): Semantics =>
  (b, dst) => {
    b.helper("checkUmip");
    dst!.store(value(b));
  };

const question =
  (name: "lar" | "lsl"): Semantics =>
  (b, dst, selector) =>
    b.helper(name, selector!.load(), dst!.register(), opsize(b));

/** RPL of the destination is raised to that of the source; ZF tells whether it was. A selector that stays is not written. */
const arpl: Semantics = (b, dst, src) => {
  const selector = dst!.load();
  const rpl = b.and(src!.load(), b.const(3));
  const raised = b.ltU(b.and(selector, b.const(3)), rpl);
  dst!.storeIf(raised, b.or(b.and(selector, b.const(~3)), rpl));
  const others = b.and(b.flags.image(), b.const(~FLAG.ZF));
  b.flags.load(b.or(others, b.select(raised, b.const(FLAG.ZF), b.const(0))));
};

/** Non-canonical addresses and addresses outside a segment are no error. */
const invlpg: Semantics = (b, area) => b.helper("invlpg", area!.address());

const invpcid: Semantics = (b, type, area) => {
  b.noteOperandAccess(16, false);
  b.helper("invpcid", type!.load(), area!.address());
};

/** The destination's offset is as wide as an address. */
const movdir64b: Semantics = (b, dst, area) => {
  b.noteOperandAccess(64, false);
  b.helper("movdir64b", area!.address(), b.zext(b.gpr(64, dst!.register()), b.shape.asize));
};

const monitor: Semantics = (b) => {
  const { asize } = b.shape;
  const offset = b.zext(b.reg(64, "rax"), asize);
  b.helper("monitor", b.segmentLinear(offset, b.fields.segment(), b.const(1), false));
};

/** Without CR4.PKE they are #UD, and with ECX other than 0 #GP. */
const refusesKeys = (b: X86Builder): Val => {
  const off = b.eqz(b.and(b.state("cr4"), b.const(CR4.PKE)));
  return b.either(off, b.ne(b.reg(32, "rcx"), b.const(0)));
};

const rdpkru: Semantics = (b) =>
  b.when(
    refusesKeys(b),
    () => b.helper("rdpkru"),
    () => {
      b.setReg(32, "rax", b.state("pkru"));
      b.setReg(32, "rdx", b.const(0));
    },
  );

/** Nearly always the value is what it was, so that no translation changes. */
const wrpkru: Semantics = (b) => {
  const changes = b.ne(b.reg(32, "rax"), b.state("pkru"));
  const bad = b.either(refusesKeys(b), b.ne(b.reg(32, "rdx"), b.const(0)));
  b.when(b.either(bad, changes), () => b.helper("wrpkru"));
};

const cr = { f64: true } as const;
const movFromDr: Semantics = (b, dst, number) => b.helper("movFromDr", number!.register(), dst!.register());

/** CR0, CR2, CR3 and CR4 are plain; the helper has CR8, and the faults. */
const movFromCr: Semantics = (b, dst, operand) => {
  const number = operand!.register();
  const is = (other: number): Val => b.op("i32.eq", number, b.const32(other));
  const plain = b.either(b.either(is(0), is(2)), b.either(is(3), is(4)));
  b.when(
    b.either(b.isFalse(plain), b.ne(b.state("cpl"), b.const(0))),
    () => b.helper("movFromCr", number, dst!.register()),
    () => {
      const upper = b.select(is(3), b.state("cr3"), b.state("cr4"));
      dst!.store(b.select(is(0), b.state("cr0"), b.select(is(2), b.state("cr2"), upper)));
    },
  );
};
const writeRegister =
  (name: "movToCr" | "movToDr"): Semantics =>
  (b, number, src) =>
    b.helper(name, number!.register(), src!.load());

/** The line is not written back, there is no cache; but the address must be readable. */
const touchLine: Semantics = (_b, line) => {
  line!.load();
};

/** LDMXCSR and STMXCSR are SSE instructions: #UD without CR4.OSFXSR, #NM under CR0.TS. */
const sse: RowOptions = { cpuid: "sse", fpu: "sse", no66: true };
const avx: RowOptions = { cpuid: "avx", fpu: "avx", protectedOnly: true };
const stmxcsr = (b: X86Builder, dst: Operand): void => dst.store(b.state("mxcsr"));

const undefinedByDesign: Semantics = (b) => b.raise("UD");

/** RDPMC has no counters: every index is wrong, whatever CR4.PCE and CPL say. */
const rdpmc: Semantics = (b) => b.raise("GP", b.const(0));

const jump = { flow: "jump" } as const;
const protectedOnly = { protectedOnly: true } as const;
const area = { opsize: true } as const;
/** Save areas. */
const saved = { opsize: true, no66: true } as const;
const supervisorSaved = { ...saved, cpuid: "xsaves", cpl0: true, osxsave: true } as const;

export const rows: readonly Row[] = [
  row("0F 20 /r", "MOV", ["Ry", "Cy"], movFromCr, cr),
  row("0F 21 /r", "MOV", ["Ry", "Dy"], movFromDr, cr),
  row("0F 22 /r", "MOV", ["Cy", "Ry"], writeRegister("movToCr"), cr),
  row("0F 23 /r", "MOV", ["Dy", "Ry"], writeRegister("movToDr"), cr),
  row("0F 06", "CLTS", [], helper("clts")),
  row("0F 08", "INVD", [], helper("checkSupervisor")),
  row("0F 09", "WBINVD", [], helper("checkSupervisor")),
  row("F4", "HLT", [], helper("hlt")),

  row(
    "0F 00 /0",
    "SLDT",
    ["Mw"],
    storeGuarded((b) => b.state("segSelector", SEGMENT.ldtr)),
    protectedOnly,
  ),
  row(
    "0F 00 /0",
    "SLDT",
    ["Rv"],
    storeGuarded((b) => b.state("segSelector", SEGMENT.ldtr)),
    protectedOnly,
  ),
  row(
    "0F 00 /1",
    "STR",
    ["Mw"],
    storeGuarded((b) => b.state("segSelector", SEGMENT.tr)),
    protectedOnly,
  ),
  row(
    "0F 00 /1",
    "STR",
    ["Rv"],
    storeGuarded((b) => b.state("segSelector", SEGMENT.tr)),
    protectedOnly,
  ),
  row("0F 00 /2", "LLDT", ["Ew"], onValue("lldt"), { ...protectedOnly, cpl0: true }),
  row("0F 00 /3", "LTR", ["Ew"], onValue("ltr"), { ...protectedOnly, cpl0: true }),
  row("0F 00 /4", "VERR", ["Ew"], onValue("verr"), protectedOnly),
  row("0F 00 /5", "VERW", ["Ew"], onValue("verw"), protectedOnly),
  row("0F 02 /r", "LAR", ["Gv", "Ew"], question("lar"), protectedOnly),
  row("0F 03 /r", "LSL", ["Gv", "Ew"], question("lsl"), protectedOnly),
  row("63 /r", "ARPL", ["Ew", "Gw"], arpl, { ...protectedOnly, i64: true }),

  row("0F 01 /0", "SGDT", ["Ms"], onMemory("sgdt", 6, true), area),
  row("0F 01 /1", "SIDT", ["Ms"], onMemory("sidt", 6, true), area),
  row("0F 01 /2", "LGDT", ["Ms"], onMemory("lgdt", 6, false), { ...area, cpl0: true }),
  row("0F 01 /3", "LIDT", ["Ms"], onMemory("lidt", 6, false), { ...area, cpl0: true }),
  row(
    "0F 01 /4",
    "SMSW",
    ["Mw"],
    storeGuarded((b) => b.state("cr0")),
  ),
  row(
    "0F 01 /4",
    "SMSW",
    ["Rv"],
    storeGuarded((b) => b.state("cr0")),
  ),
  row("0F 01 /6", "LMSW", ["Ew"], onValue("lmsw"), { cpl0: true }),
  row("0F 01 /7", "INVLPG", ["Mb"], invlpg, { cpl0: true }),
  row("66 0F 38 82 /r", "INVPCID", ["Gy", "Mdq"], invpcid, { cpuid: "invpcid", cpl0: true, ...cr }),

  row("0F 01 C8", "MONITOR", [], monitor, { cpuid: "monitor", asize: true }),
  row("0F 01 C9", "MWAIT", [], helper("mwait"), { cpuid: "monitor" }),
  row("NP 0F 01 D0", "XGETBV", [], helper("xgetbv"), { cpuid: "xsave", no66: true }),
  row("NP 0F 01 D1", "XSETBV", [], helper("xsetbv"), { cpuid: "xsave", no66: true }),
  row("NP 0F 01 E8", "SERIALIZE", [], () => {}, { cpuid: "serialize", no66: true }),
  row("NP 0F 01 EE", "RDPKRU", [], rdpkru, { cpuid: "pku", no66: true }),
  row("NP 0F 01 EF", "WRPKRU", [], wrpkru, { cpuid: "pku", no66: true }),
  row("66 0F 38 F8 /r", "MOVDIR64B", ["Gd", "M"], movdir64b, { cpuid: "movdir64b", asize: true }),
  row("0F 01 F9", "RDTSCP", [], rdtscp, { cpuid: "rdtscp", readsClock: true }),

  row("0F 30", "WRMSR", [], helper("wrmsr"), { cpuid: "msr" }),
  row("0F 31", "RDTSC", [], rdtsc, { cpuid: "tsc", readsClock: true }),
  row("0F 32", "RDMSR", [], helper("rdmsr"), { cpuid: "msr" }),
  row("0F 33", "RDPMC", [], rdpmc),
  row("0F A2", "CPUID", [], helper("cpuid")),
  row("F3 0F C7 /7", "RDPID", ["Rd"], (b, dst) => b.helper("rdpid", dst!.register()), { cpuid: "rdpid" }),

  row("NP 0F AE /0", "FXSAVE", ["M"], onMemory("fxsave", 512, true), { cpuid: "fxsr", ...saved }),
  row("NP 0F AE /1", "FXRSTOR", ["M"], onMemory("fxrstor", 512, false), { cpuid: "fxsr", ...saved }),
  row("NP 0F AE /2", "LDMXCSR", ["Md"], onValue("ldmxcsr"), sse),
  row("NP 0F AE /3", "STMXCSR", ["Md"], (b, dst) => stmxcsr(b, dst!), sse),
  row("VEX.LZ.NP.0F.WIG AE /2", "VLDMXCSR", ["Md"], onValue("ldmxcsr"), avx),
  row("VEX.LZ.NP.0F.WIG AE /3", "VSTMXCSR", ["Md"], (b, dst) => stmxcsr(b, dst!), avx),
  row("NP 0F AE /4", "XSAVE", ["M"], onSaveArea("xsave", savePlain, 0), { cpuid: "xsave", ...saved }),
  row("NP 0F AE /5", "XRSTOR", ["M"], onSaveArea("xrstor", restorePlain, 0), { cpuid: "xsave", ...saved }),
  row("NP 0F AE /6", "XSAVEOPT", ["M"], onSaveArea("xsaveopt", savePlain, 0, FORM.optimize), {
    cpuid: "xsaveopt",
    ...saved,
  }),
  row("NP 0F C7 /4", "XSAVEC", ["M"], onSaveArea("xsavec", savePlain, KIND.compacted), { cpuid: "xsavec", ...saved }),
  row(
    "NP 0F C7 /5",
    "XSAVES",
    ["M"],
    onSaveArea("xsaves", savePlain, KIND.compacted | KIND.supervisor),
    supervisorSaved,
  ),
  row(
    "NP 0F C7 /3",
    "XRSTORS",
    ["M"],
    onSaveArea("xrstors", restorePlain, KIND.compacted | KIND.supervisor),
    supervisorSaved,
  ),
  row("NP 0F AE /7", "CLFLUSH", ["Mb"], touchLine, { cpuid: "clflush" }),
  row("66 0F AE /7", "CLFLUSHOPT", ["Mb"], touchLine, { cpuid: "clflushopt" }),
  row("66 0F AE /6", "CLWB", ["Mb"], touchLine, { cpuid: "clwb" }),

  // RSM is undefined outside system-management mode, which does not exist; the others are undefined for ever.
  row("0F AA", "RSM", [], undefinedByDesign, jump),
  row("0F 0B", "UD2", [], undefinedByDesign, jump),
  row("0F B9 /r", "UD1", [], undefinedByDesign, jump),
  row("0F FF /r", "UD0", [], undefinedByDesign, jump),
];
