// Every model-specific register there is. SDM vol. 4; AMD BKDG and PPR, "MSRs". Anything else is #GP(0).
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR, SEGMENT } from "../state/layout.ts";
import { setTimeStamp, setTimeStampAdjust, timeStamp } from "../system/time-stamp.ts";
import { supportedXss } from "../xstate/components.ts";
import { cetMsrs } from "./cet.ts";
import {
  aliasing,
  amdOnly,
  canonical,
  constant,
  ignored,
  inApic,
  type Msr,
  needing,
  stored,
  within,
} from "./define.ts";
import { eferMsr } from "./efer.ts";
import { kvmClockMsrs } from "./kvm-clock.ts";
import { memoryTypeMsrs } from "./memory-types.ts";

const LOW_32 = 0xffff_ffffn;
/** IA32_MISC_ENABLE: fast strings, and what firmware may toggle (enhanced SpeedStep, MONITOR, CPUID limit, xTPR, XD). */
export const MISC_ENABLE_RESET = 1n;
const MISC_ENABLE_WRITABLE = 0x4_00c5_0889n;
/** Microcode revision in bits 63:32 (Intel) or 31:0 (AMD); the same in both, and none too old. */
const MICROCODE = 0x0100_0065_0100_0065n;
/** Control of SVM: it is disabled and that is locked. */
const VM_CR_LOCKED_OFF = 0x18n;
/** LFENCE serializes. */
const DE_CFG_LFENCE = 2n;

const timeStampMsr: Msr = {
  index: 0x10,
  name: "IA32_TIME_STAMP_COUNTER",
  needs: "tsc",
  read: timeStamp,
  write: (cpu, value) => {
    setTimeStamp(cpu, value);
    return true;
  },
};

/** Saved though "tsc-adjust" may be hidden: it is how far the counter is ahead. */
const timeStampAdjustMsr: Msr = {
  ...stored(0x3b, "IA32_TSC_ADJUST", "tscAdjust"),
  write: (cpu, value) => {
    setTimeStampAdjust(cpu, value);
    return true;
  },
};

/** Components of the supervisor that the processor model has. */
function isValidXss({ model }: Cpu, value: bigint): boolean {
  return (value & ~BigInt(supportedXss(model))) === 0n;
}

const supervisorKeys = stored(0x6e1, "IA32_PKRS", "pkrs", within(LOW_32));
const protectionKeysMsr: Msr = {
  ...supervisorKeys,
  write: (cpu, value) => {
    const taken = supervisorKeys.write(cpu, value);
    if (taken) cpu.linear.protectionKeysChanged();
    return taken;
  },
};

const MSRS: readonly Msr[] = [
  timeStampMsr,
  constant(0x17, "IA32_PLATFORM_ID", 0n),
  inApic(0x1b, "IA32_APIC_BASE", "apic"),
  ignored(0x2a, "EBL_CR_POWERON"),
  constant(0x34, "MSR_SMI_COUNT", 0n),
  timeStampAdjustMsr,
  ignored(0x8b, "IA32_BIOS_SIGN_ID", MICROCODE),
  constant(0xce, "MSR_PLATFORM_INFO", 0n),
  ...needing("sep", [
    stored(0x174, "IA32_SYSENTER_CS", "sysenterCs", within(LOW_32)),
    stored(0x175, "IA32_SYSENTER_ESP", "sysenterEsp", canonical),
    stored(0x176, "IA32_SYSENTER_EIP", "sysenterEip", canonical),
  ]),
  // Machine checks never happen: no banks.
  ...needing("mca", [constant(0x179, "IA32_MCG_CAP", 0n), ignored(0x17a, "IA32_MCG_STATUS")]),
  constant(0x198, "IA32_PERF_STATUS", 0n),
  stored(0x1a0, "IA32_MISC_ENABLE", "miscEnable", within(MISC_ENABLE_WRITABLE)),
  // Last-branch recording and branch single-steps are not there; writes of zero are.
  { index: 0x1d9, name: "IA32_DEBUGCTL", read: () => 0n, write: (_cpu, value) => value === 0n },
  ...memoryTypeMsrs,
  ...needing("pks", [protectionKeysMsr]),
  ...cetMsrs,
  ...needing("xsaves", [stored(0xda0, "IA32_XSS", "xss", isValidXss)]),
  inApic(0x6e0, "IA32_TSC_DEADLINE", "tsc-deadline"),
  ...Array.from({ length: 0x100 }, (_, i) => inApic(0x800 + i, `x2APIC register ${i.toString(16)}`, "x2apic")),
  ...kvmClockMsrs,
  eferMsr,
  ...needing("syscall", [
    stored(0xc000_0081, "IA32_STAR", "star"),
    stored(0xc000_0082, "IA32_LSTAR", "lstar", canonical),
    stored(0xc000_0083, "IA32_CSTAR", "cstar", canonical),
    stored(0xc000_0084, "IA32_FMASK", "sfmask", within(LOW_32)),
  ]),
  ...needing("lm", [
    aliasing(stored(0xc000_0100, "IA32_FS_BASE", "segBase", canonical, SEGMENT.fs)),
    aliasing(stored(0xc000_0101, "IA32_GS_BASE", "segBase", canonical, SEGMENT.gs)),
    stored(0xc000_0102, "IA32_KERNEL_GS_BASE", "kernelGsBase", canonical),
  ]),
  ...needing("rdtscp", [stored(0xc000_0103, "IA32_TSC_AUX", "tscAux", within(LOW_32))]),
  ...amdOnly([
    // Four counters of events, of which none ever happens.
    ...Array.from({ length: 4 }, (_, i) => ignored(0xc001_0000 + i, `PERF_LEGACY_CTL${i}`)),
    ...Array.from({ length: 4 }, (_, i) => ignored(0xc001_0004 + i, `PERF_LEGACY_CTR${i}`)),
    stored(0xc001_0010, "SYSCFG", "sysCfg", within(0xffff_ffffn)),
    stored(0xc001_0015, "HWCR", "hwcr", within(0xffff_ffffn)),
    ignored(0xc001_001f, "NB_CFG"),
    ignored(0xc001_0055, "INT_PENDING_MSG"),
    ignored(0xc001_0114, "VM_CR", VM_CR_LOCKED_OFF),
    ignored(0xc001_1022, "DC_CFG"),
    ignored(0xc001_1023, "BU_CFG"),
    ignored(0xc001_1029, "DE_CFG", DE_CFG_LFENCE),
  ]),
];

const byIndex: ReadonlyMap<number, Msr> = new Map(MSRS.map((msr) => [msr.index, msr]));

/** The register if the CPU model has it. */
export function findMsr(cpu: Cpu, index: number): Msr | undefined {
  const msr = byIndex.get(index);
  if (msr === undefined) return undefined;
  const { features, vendor, kvm } = cpu.model;
  if (msr.needs !== undefined && !features.has(msr.needs)) return undefined;
  if (msr.vendor !== undefined && msr.vendor !== vendor) return undefined;
  return msr.kvm === undefined || kvm ? msr : undefined;
}

/** Registers whose values are state of their own. */
export const savedMsrs: readonly Msr[] = MSRS.filter((msr) => msr.restore !== undefined);

/** RDMSR: ECX to EDX:EAX. */
export function rdmsr(cpu: Cpu): HelperResult {
  const value = cpu.cpl === 0 ? findMsr(cpu, cpu.gpr32(GPR.rcx))?.read(cpu) : undefined;
  if (value === undefined) return cpu.raise("GP", 0);
  cpu.setGpr64(GPR.rax, value & LOW_32);
  cpu.setGpr64(GPR.rdx, value >> 32n);
  return HELPER.next;
}

/** WRMSR: EDX:EAX to ECX. */
export function wrmsr(cpu: Cpu): HelperResult {
  const msr = cpu.cpl === 0 ? findMsr(cpu, cpu.gpr32(GPR.rcx)) : undefined;
  const mode = cpu.get32(AT.mode);
  const value = (BigInt(cpu.gpr32(GPR.rdx)) << 32n) | BigInt(cpu.gpr32(GPR.rax));
  if (msr === undefined || !msr.write(cpu, value)) return cpu.raise("GP", 0);
  // EFER may change how addresses are translated, the controls of CET how code is decoded.
  if (msr === eferMsr || cpu.get32(AT.mode) !== mode) return HELPER.jump;
  // What the local APIC raises by this comes in before the next instruction: a deadline that has passed, an interrupt to itself.
  return cpu.get32(AT.interruptRequest) !== 0 ? HELPER.exit : HELPER.next;
}
