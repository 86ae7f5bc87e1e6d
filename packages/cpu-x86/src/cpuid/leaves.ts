// What the CPUID instruction answers. SDM vol. 2A, "CPUID"; AMD APM vol. 3, appendix E; Linux
// Documentation/virt/kvm/x86/cpuid.rst.
import { CR4 } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, GPR } from "../state/layout.ts";
import { TSC_HZ } from "../system/time-stamp.ts";
import { componentsOf, supportedXcr0, supportedXss } from "../xstate/components.ts";
import type { CpuModel } from "./models.ts";

/** eax, ebx, ecx, edx; signed or unsigned. */
type Leaf = readonly [number, number, number, number];
const NOTHING: Leaf = [0, 0, 0, 0];

const KVM_SIGNATURE = "KVMKVMKVM\0\0\0";
const LINE_BYTES = 64;

/** CPUID: leaf in EAX, subleaf in ECX. The upper halves of the four registers are cleared. */
export function cpuid(cpu: Cpu): HelperResult {
  const leaf = readCpuid(cpu, cpu.gpr32(GPR.rax), cpu.gpr32(GPR.rcx));
  const destinations = [GPR.rax, GPR.rbx, GPR.rcx, GPR.rdx];
  for (const [i, register] of destinations.entries()) cpu.setGpr32(register, leaf[i] as number);
  return HELPER.next;
}

/** The four registers of a leaf. Leaves beyond the last give those of the last basic leaf, as Intel has it: zeros here. */
export function readCpuid(cpu: Cpu, leaf: number, subleaf: number): Leaf {
  const { model } = cpu;
  if (leaf < 0x4000_0000) return basicLeaf(cpu, model, leaf, subleaf);
  if (leaf < 0x8000_0000) return model.kvm ? kvmLeaf(model, leaf) : NOTHING;
  return extendedLeaf(model, leaf);
}

function lastBasicLeaf(model: CpuModel): number {
  if (!model.features.has("apic")) return 1;
  return model.features.has("xsave") ? 0x16 : model.features.has("arat") ? 7 : 6;
}

function basicLeaf(cpu: Cpu, model: CpuModel, leaf: number, subleaf: number): Leaf {
  const { features } = model;
  if (leaf > lastBasicLeaf(model)) return NOTHING;
  switch (leaf) {
    case 0: {
      const [ebx, edx, ecx] = words(model.vendor, 3);
      return [lastBasicLeaf(model), ebx as number, ecx as number, edx as number];
    }
    case 1:
      return [signature(model), identification(cpu), featuresEcx(cpu), featuresEdx(cpu)];
    case 4:
      return model.vendor === "GenuineIntel" ? cacheLeaf(subleaf) : NOTHING;
    case 5:
      // MONITOR line sizes; no sub-states, no extensions.
      return features.has("monitor") ? [LINE_BYTES, LINE_BYTES, 0, 0] : NOTHING;
    case 6:
      return [features.word("6.eax"), 0, 0, 0];
    case 7:
      return extendedFeatures(cpu, subleaf);
    case 0xb:
      return topologyLeaf(subleaf);
    case 0xd:
      return xsaveLeaf(cpu, subleaf);
    case 0x15:
      // Crystal at the rate of the time-stamp counter, ratio 1.
      return features.has("tsc") ? [1, 1, TSC_HZ, 0] : NOTHING;
    case 0x16:
      return [TSC_HZ / 1e6, TSC_HZ / 1e6, 100, 0];
    default:
      return NOTHING;
  }
}

function extendedFeatures(cpu: Cpu, subleaf: number): Leaf {
  const { features } = cpu.model;
  const second = features.word("7.1.eax");
  if (subleaf === 1) return [second, 0, 0, 0];
  if (subleaf !== 0) return NOTHING;
  const ospke = (cpu.low(AT.cr4) & CR4.PKE) !== 0 ? 1 << 4 : 0;
  const ecx = (features.word("7.ecx") | ospke) >>> 0;
  return [second === 0 ? 0 : 1, features.word("7.ebx"), ecx, features.word("7.edx")];
}

/** Family above 15 and model above 15 take the extended fields. */
function signature({ family, model, stepping }: CpuModel): number {
  const base = Math.min(family, 15);
  const extendedFamily = family - base;
  return (extendedFamily << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 15) << 4) | stepping;
}

/** CLFLUSH line in units of 8 bytes, one logical processor, APIC ID 0. */
function identification(cpu: Cpu): number {
  return cpu.model.features.has("clflush") ? ((LINE_BYTES / 8) << 8) | (1 << 16) : 0;
}

function featuresEcx(cpu: Cpu): number {
  const osxsave = (cpu.low(AT.cr4) & CR4.OSXSAVE) !== 0 ? 1 << 27 : 0;
  return cpu.model.features.word("1.ecx") | osxsave;
}

const APIC_FEATURE = 1 << 9;
const IA32_APIC_BASE = 0x1b;
const APIC_BASE_ENABLE = 1n << 11n;

/** The APIC bit follows the enable bit of IA32_APIC_BASE. */
function featuresEdx(cpu: Cpu): number {
  const word = cpu.model.features.word("1.edx");
  const base = cpu.host.readApicMsr(IA32_APIC_BASE);
  const disabled = base !== undefined && (base & APIC_BASE_ENABLE) === 0n;
  return disabled ? word & ~APIC_FEATURE : word;
}

/** 32 KiB first-level data and instruction caches, 512 KiB second level; 64-byte lines, 8 ways. */
function cacheLeaf(subleaf: number): Leaf {
  const geometry = (ways: number): number => ((ways - 1) << 22) | (LINE_BYTES - 1);
  if (subleaf === 0) return [0x121, geometry(8), 63, 0];
  if (subleaf === 1) return [0x122, geometry(8), 63, 0];
  return subleaf === 2 ? [0x143, geometry(16), 511, 0] : NOTHING;
}

/** One thread in one core; x2APIC ID 0. */
function topologyLeaf(subleaf: number): Leaf {
  if (subleaf === 0) return [0, 1, 0x100, 0];
  return subleaf === 1 ? [0, 1, 0x201, 0] : [0, 0, subleaf & 0xff, 0];
}

/** SDM vol. 1, "Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features". */
function xsaveLeaf(cpu: Cpu, subleaf: number): Leaf {
  const { model, xstate } = cpu;
  if (!model.features.has("xsave")) return NOTHING;
  const supported = supportedXcr0(model);
  if (subleaf === 0) return [supported, xstate.standardBytes(cpu.low(AT.xcr0)), xstate.standardBytes(supported), 0];
  if (subleaf === 1) {
    // EBX is about the compacted form, EDX:ECX about IA32_XSS.
    const compacted = model.features.has("xsavec") ? xstate.compactedBytes(cpu.low(AT.xcr0) | cpu.low(AT.xss)) : 0;
    const xss = model.features.has("xsaves") ? supportedXss(model) : 0;
    return [model.features.word("d.1.eax"), compacted, xss, 0];
  }
  const component = componentsOf(model).find(({ index, length }) => index === subleaf && length > 0);
  if (component === undefined || (component.supervisor && !model.features.has("xsaves"))) return NOTHING;
  return [component.length, component.offset, component.supervisor ? 1 : 0, 0];
}

function kvmLeaf({ features }: CpuModel, leaf: number): Leaf {
  if (leaf === 0x4000_0000) {
    const [ebx, ecx, edx] = words(KVM_SIGNATURE, 3);
    return [0x4000_0010, ebx as number, ecx as number, edx as number];
  }
  if (leaf === 0x4000_0001) return [features.word("40000001.eax"), 0, 0, 0];
  // Frequencies in kHz: time-stamp counter, and the clock of the local APIC timer.
  return leaf === 0x4000_0010 ? [TSC_HZ / 1000, APIC_BUS_HZ / 1000, 0, 0] : NOTHING;
}
/** Input clock of the local APIC timer. */
export const APIC_BUS_HZ = 1_000_000_000;

/** Last extended leaf. */
const LAST_EXTENDED = 0x8000_0021;

function extendedLeaf(model: CpuModel, leaf: number): Leaf {
  const { features } = model;
  if (!features.has("lm")) return NOTHING;
  const amd = model.vendor === "AuthenticAMD";
  switch (leaf) {
    case 0x8000_0000: {
      const [ebx, edx, ecx] = words(model.vendor, 3);
      return amd ? [LAST_EXTENDED, ebx as number, ecx as number, edx as number] : [0x8000_0008, 0, 0, 0];
    }
    case 0x8000_0001:
      return [signature(model), 0, features.word("80000001.ecx"), extendedEdx(model)];
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004:
      return words(model.brand.padEnd(48, "\0"), 12).slice(
        ((leaf & 15) - 2) * 4,
        ((leaf & 15) - 1) * 4,
      ) as unknown as Leaf;
    case 0x8000_0005:
      // First-level TLBs (255 entries, fully associative) and caches: KiB, ways, lines per tag, line size.
      return amd ? [0x01ff_01ff | 0, 0x01ff_01ff | 0, 0x2008_0140, 0x2008_0140] : NOTHING;
    case 0x8000_0006:
      return [0, 0, (512 << 16) | (8 << 12) | (1 << 8) | LINE_BYTES, 0];
    case 0x8000_0007:
      return [0, 0, 0, features.word("80000007.edx")];
    case 0x8000_0008:
      return [model.physicalBits | (linearBits(model) << 8), features.word("80000008.ebx"), 0, 0];
    case 0x8000_0021:
      return amd ? [features.word("80000021.eax"), 0, 0, 0] : NOTHING;
    default:
      return NOTHING;
  }
}

function linearBits(model: CpuModel): number {
  return model.features.has("la57") ? 57 : 48;
}

/** Bits that AMD repeats from leaf 1: FPU DE PSE TSC MSR PAE MCE CX8 APIC MTRR PGE MCA CMOV PAT PSE36 MMX FXSR. */
const AMD_COPIES = 0x0183_f3ff;

function extendedEdx(model: CpuModel): number {
  const word = model.features.word("80000001.edx");
  return model.vendor === "AuthenticAMD" ? word | (model.features.word("1.edx") & AMD_COPIES) : word;
}

/** Four characters a word, the first in the low byte. */
function words(text: string, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) =>
    [3, 2, 1, 0].reduce((word, byte) => (word << 8) | text.charCodeAt(i * 4 + byte), 0),
  );
}
