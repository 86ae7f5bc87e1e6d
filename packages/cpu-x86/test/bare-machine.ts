// A CPU without generated code: 16 MiB of RAM, descriptor tables at fixed places, and helpers called by name.
import { parseCpuModel } from "../src/cpuid/models.ts";
import { takePendingException } from "../src/exceptions/deliver.ts";
import type { CpuHost } from "../src/memory/physical-memory.ts";
import { recomputeMode, setSegment } from "../src/segments/cache.ts";
import { parseDescriptor } from "../src/segments/descriptor.ts";
import { Cpu, HELPER } from "../src/state/cpu.ts";
import { SEGMENT } from "../src/state/layout.ts";
import { RESERVED_BYTES } from "../src/state/memory-map.ts";
import { resetState } from "../src/state/reset.ts";
import { HELPERS, type HelperName } from "../src/system/helpers.ts";

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const LDT = 0x4000;
export const PAGE_TABLES = 0x10_0000;
const RAM_BYTES = 16 * 1024 * 1024;

/** High words of flat descriptors with limit 4 GiB, by DPL 0; low word is {@link FLAT_LOW}. */
export const FLAT_LOW = 0x0000_ffff;
export const CODE32 = 0x00cf_9a00;
export const CODE64 = 0x00af_9a00;
export const CONFORMING32 = 0x00cf_9e00;
export const DATA32 = 0x00cf_9200;
export const DPL3 = 3 << 13;
export const PRESENT = 1 << 15;

/** Selectors of the table that {@link BareMachine.protect} makes. */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  tss: 0x28,
  /** Upper half of the TSS descriptor in long mode. */
  ldt: 0x38,
  conforming: 0x48,
  code64: 0x50,
  code64User: 0x5b,
  absent: 0x60,
  spare: 0x68,
} as const;

export class BareMachine {
  readonly cpu: Cpu;
  readonly memory = new WebAssembly.Memory({ initial: (RESERVED_BYTES + RAM_BYTES) / 0x1_0000 });
  nowNs = 0;
  randomState = 1;
  readonly portLog: string[] = [];
  /** What the next port reads give. */
  portValue = 0;
  /** Frames that are no plain memory: they are reached by loads and stores only. */
  readonly devices = new Set<number>();
  readonly #ram: DataView;

  constructor(model = "max,kvm=on,+la57") {
    const { buffer } = this.memory;
    this.#ram = new DataView(buffer, RESERVED_BYTES);
    const bytes = new Uint8Array(buffer);
    const frame = (gfn: number): number =>
      gfn * 4096 < RAM_BYTES && !this.devices.has(gfn) ? RESERVED_BYTES + gfn * 4096 : -1;
    const host: CpuHost = {
      physical: {
        readableFrame: frame,
        writableFrame: frame,
        load: (gpa, size, hva) => void bytes.copyWithin(hva, RESERVED_BYTES + gpa, RESERVED_BYTES + gpa + size),
        store: (gpa, size, hva) => void bytes.copyWithin(RESERVED_BYTES + gpa, hva, hva + size),
      },
      portIn: (port, size) => {
        this.portLog.push(`in ${port.toString(16)} ${size}`);
        return this.portValue;
      },
      portOut: (port, size, value) => void this.portLog.push(`out ${port.toString(16)} ${size} ${value.toString(16)}`),
      now: () => this.nowNs,
      taskPriority: 0,
      random: () => (this.randomState = (Math.imul(this.randomState, 1664525) + 1013904223) >>> 0),
      powerOnTime: 1_700_000_000.5,
      readApicMsr: (index) => (index === 0x1b ? 0xfee0_0900n : undefined),
      writeApicMsr: () => false,
    };
    this.cpu = new Cpu(this.memory, host, parseCpuModel(model));
    resetState(this.cpu);
  }

  // --- guest physical memory ---

  write8(gpa: number, value: number): void {
    this.#ram.setUint8(gpa, value);
  }
  write16(gpa: number, value: number): void {
    this.#ram.setUint16(gpa, value, true);
  }
  write32(gpa: number, value: number): void {
    this.#ram.setUint32(gpa, value, true);
  }
  write64(gpa: number, value: bigint): void {
    this.#ram.setBigUint64(gpa, value, true);
  }
  read8(gpa: number): number {
    return this.#ram.getUint8(gpa);
  }
  read16(gpa: number): number {
    return this.#ram.getUint16(gpa, true);
  }
  read32(gpa: number): number {
    return this.#ram.getUint32(gpa, true);
  }
  read64(gpa: number): bigint {
    return this.#ram.getBigUint64(gpa, true);
  }

  // --- descriptor tables ---

  setDescriptor(selector: number, low: number, high: number): void {
    const at = (selector & 4 ? LDT : GDT) + (selector & 0xfff8);
    this.write32(at, low);
    this.write32(at + 4, high);
  }

  /** A system descriptor with byte granularity; `type` includes P and DPL. */
  setSystem(selector: number, base: number, limit: number, type: number): void {
    this.setDescriptor(
      selector,
      ((base & 0xffff) << 16) | (limit & 0xffff),
      (base & 0xff00_0000) | (limit & 0xf_0000) | (type << 8) | ((base >>> 16) & 0xff),
    );
  }

  setGate(vector: number, selector: number, offset: number, type: number): void {
    this.write32(IDT + vector * 8, (selector << 16) | (offset & 0xffff));
    this.write32(IDT + vector * 8 + 4, (offset & 0xffff_0000) | (type << 8));
  }

  setGate64(vector: number, selector: number, offset: bigint, type: number, ist = 0): void {
    const low = Number(offset & 0xffff_ffffn);
    const at = IDT + vector * 16;
    this.write32(at, (selector << 16) | (low & 0xffff));
    this.write32(at + 4, (low & 0xffff_0000) | (type << 8) | ist);
    this.write64(at + 8, offset >> 32n);
  }

  // --- modes ---

  /** Flat 32-bit protected mode at CPL 0, with all tables. Interrupt gates of all vectors lead to 0x8000 + 16 * vector. */
  protect(): this {
    const { cpu } = this;
    for (const [selector, high] of [
      [SEL.code0, CODE32],
      [SEL.data0, DATA32],
      [SEL.code3, CODE32 | DPL3],
      [SEL.data3, DATA32 | DPL3],
      [SEL.conforming, CONFORMING32],
      [SEL.code64, CODE64],
      [SEL.code64User, CODE64 | DPL3],
      [SEL.absent, DATA32 & ~PRESENT],
    ] as const)
      this.setDescriptor(selector & ~7, FLAT_LOW, high);
    this.setSystem(SEL.tss, TSS, 0x67, 0x89);
    this.setSystem(SEL.ldt, LDT, 0xfff, 0x82);
    this.write32(TSS + 4, 0x9000);
    this.write16(TSS + 8, SEL.data0);
    // No I/O permission map.
    this.write16(TSS + 102, 0x68);
    for (let vector = 0; vector < 256; vector++) this.setGate(vector, SEL.code0, 0x8000 + 16 * vector, 0x8e);
    cpu.set64("gdtrBase", BigInt(GDT));
    cpu.set32("gdtrLimit", 0xfff);
    cpu.set64("idtrBase", BigInt(IDT));
    cpu.set32("idtrLimit", 0xfff);
    cpu.set64("cr0", 0x11n);
    this.setFlat(0);
    this.call("ltr", SEL.tss);
    cpu.rip = 0x1_0000n;
    cpu.rsp = 0x7000n;
    return this;
  }

  /** Flat segments at a privilege level, without checks. */
  setFlat(cpl: 0 | 3, code: number = cpl === 0 ? SEL.code0 : SEL.code3): void {
    const { cpu } = this;
    const load = (segment: number, selector: number): void => {
      const at = GDT + (selector & 0xfff8);
      setSegment(cpu, segment, selector, parseDescriptor(this.read32(at), this.read32(at + 4)));
    };
    cpu.set32("cpl", cpl);
    load(SEGMENT.cs, code);
    for (const segment of [SEGMENT.ss, SEGMENT.ds, SEGMENT.es]) load(segment, cpl === 0 ? SEL.data0 : SEL.data3);
    recomputeMode(cpu);
  }

  /** 64-bit mode at CPL 0; the first GiB is mapped to itself for everyone. Gates of all vectors lead to 0x8000 + 16 * vector. */
  long(): this {
    const { cpu } = this;
    this.protect();
    this.mapIdentity();
    cpu.set64("cr4", 0x20n);
    cpu.set64("cr3", BigInt(PAGE_TABLES));
    cpu.set64("efer", 0xd01n);
    cpu.set64("cr0", 0x8000_0011n);
    cpu.linear.pagingChanged(true);
    for (let vector = 0; vector < 256; vector++) this.setGate64(vector, SEL.code64, BigInt(0x8000 + 16 * vector), 0x8e);
    this.write64(TSS + 4, 0x9000n);
    this.write64(TSS + 36, 0xa000n);
    this.setFlat(0, SEL.code64);
    return this;
  }

  /** 4 levels: one GiB page, user, writable. */
  mapIdentity(): void {
    this.write64(PAGE_TABLES, BigInt(PAGE_TABLES + 0x1000) | 7n);
    this.write64(PAGE_TABLES + 0x1000, 0x87n);
  }

  user(): this {
    this.setFlat(3, this.cpu.code64 ? SEL.code64User : SEL.code3);
    return this;
  }

  // --- running ---

  /** Calls a helper. @returns name of the result. */
  call(name: HelperName, ...args: readonly (number | bigint)[]): keyof typeof HELPER {
    for (const [i, arg] of args.entries()) this.cpu.set64("helperArgs", BigInt.asUintN(64, BigInt(arg)), i);
    const result = HELPERS[name](this.cpu);
    return Object.entries(HELPER).find(([, value]) => value === result)?.[0] as keyof typeof HELPER;
  }

  /** The pending exception as the manual writes it, `#GP(10)` with the error code in hex; then it is forgotten. */
  fault(): string {
    const { cpu } = this;
    const vector = cpu.get32("pendingVector") - 1;
    const code = cpu.get32("pendingErrorCode") | 0;
    cpu.set32("pendingVector", 0);
    if (vector < 0) return "none";
    return `#${VECTOR_NAMES[vector] ?? vector}${code === -1 ? "" : `(${code.toString(16)})`}`;
  }

  /** As {@link fault} after a helper call that must have faulted. */
  faultOf(name: HelperName, ...args: readonly (number | bigint)[]): string {
    const result = this.call(name, ...args);
    return result === "fault" ? this.fault() : `no fault but ${result}`;
  }

  take(): string {
    return takePendingException(this.cpu);
  }

  selector(name: keyof typeof SEGMENT): number {
    return this.cpu.get32("segSelector", SEGMENT[name]);
  }
}

const VECTOR_NAMES: Readonly<Record<number, string>> = {
  0: "DE",
  1: "DB",
  3: "BP",
  4: "OF",
  6: "UD",
  7: "NM",
  8: "DF",
  10: "TS",
  11: "NP",
  12: "SS",
  13: "GP",
  14: "PF",
  21: "CP",
};
