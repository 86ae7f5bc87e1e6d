// A processor with 4 MiB of RAM, one device window and nothing else, in 64-bit, 32-bit or 16-bit (real) mode. Every event
// leads to a HLT of its own, so that a run ends where something happened.
import type { AccessSize, Clock, InterruptPort, IoPort, Vcpu, Vm } from "@tsvm/contracts";
import { createTcgAccelerator, type TcgOptions } from "../src/index.ts";

export const GDT = 0x1000;
export const IDT = 0x2000;
const TSS = 0x3000;
/** Page tables of 64-bit mode: PML4, PDPT, PD, and the PT of the first 2 MiB. All pages are user pages and writable. */
export const PML4 = 0x4000;
const [PDPT, PD] = [0x5000, 0x6000];
export const PT = 0x7000;
/** Handler of vector v: HLT at HANDLERS + 16 v. */
export const HANDLERS = 0x8000;
/** A page of data; rdi and rbx point to it, so that ModRM 07 means [rdi], [edi] and [bx]. */
export const DATA = 0x9000;
/** The stack grows down from here. */
export const STACK = 0xb000;
/** Code runs from here; the page behind is free as well. */
export const CODE = 0xc000;
const KERNEL_STACK = 0xf000;
/** First address of the device, far above RAM; a 1 GiB page maps it. */
export const DEVICE = 0x4000_0000;
const RAM_BYTES = 4 << 20;

export type Bits = 16 | 32 | 64;

const CODE_ATTRIBUTES = { 16: 0x9b, 32: 0xc09b, 64: 0xa09b } as const;
const REAL_DATA = 0x93;
const FLAT_DATA = 0xc093;
/** Selectors of the GDT. */
export const SEL = { code64: 0x08, data: 0x10, code64User: 0x1b, dataUser: 0x23, code32: 0x28, tss: 0x38 } as const;
const DPL3 = 3 << 5;

/** What a handler finds on its stack. */
export interface Event {
  readonly vector: number;
  /** Undefined for vectors without one. */
  readonly error: number | undefined;
  readonly rip: number;
  readonly flags: number;
}
/** Bits of the vectors that push an error code. */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

/** `TSVM_HEAT=2` runs all tests on regions as soon as there can be one, `TSVM_VERIFY=1` checks them against the interpreter. */
const FROM_ENVIRONMENT: Partial<TcgOptions> = {
  ...(process.env["TSVM_HEAT"] !== undefined && { heatLimit: Number(process.env["TSVM_HEAT"]) }),
  verify: process.env["TSVM_VERIFY"] !== undefined,
};

export class TinyMachine implements InterruptPort, IoPort {
  readonly bits: Bits;
  readonly vcpu: Vcpu;
  readonly vm: Vm;
  /** Where RAM starts in host memory. */
  readonly ramHva: number;
  /** Ports and device accesses in order, e.g. `out 80 1 2a`, `load 40000000 4`. */
  readonly log: string[] = [];
  /** Called for every port or device access before it is answered. */
  onAccess: () => void = () => {};
  /** What port and device reads answer, repeated by bytes. */
  answer = 0x5a;
  nowNs = 0;
  tscLead = 0;
  // InterruptPort
  pending = false;
  nmiPending = false;
  tpr = 0;
  readonly #vectors: number[] = [];
  #notify = (): void => {};
  readonly #ram: DataView;

  constructor(bits: Bits, options: Partial<TcgOptions> = {}) {
    this.bits = bits;
    const accelerator = createTcgAccelerator({ cpu: "max", ...FROM_ENVIRONMENT, ...options });
    this.ramHva = accelerator.reservedBytes;
    const pages = (accelerator.reservedBytes + RAM_BYTES) / 0x1_0000;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#ram = new DataView(memory.buffer, accelerator.reservedBytes, RAM_BYTES);
    const clock: Clock = { now: () => this.nowNs, arm: () => ({ dispose(): void {} }) };
    this.vm = accelerator.createVm({ memory }, clock);
    this.vm.setMemorySlot(0, { gpa: 0, length: RAM_BYTES, hva: accelerator.reservedBytes, readOnly: false });
    this.vcpu = this.vm.createVcpu(0, this, this);
    this.#prepareMemory();
    this.set(this.#initialRegisters());
  }

  // --- guest memory ---

  /** Bytes in hexadecimal, written as DMA would. */
  code(at: number, hex: string): this {
    const bytes = hex.trim().split(/\s+/);
    for (const [i, byte] of bytes.entries()) this.#ram.setUint8(at + i, Number.parseInt(byte, 16));
    this.vm.noteHostWrite(at, bytes.length);
    return this;
  }
  read8(gpa: number): number {
    return this.#ram.getUint8(gpa);
  }
  read32(gpa: number): number {
    return this.#ram.getUint32(gpa, true);
  }
  write32(gpa: number, value: number): void {
    this.#ram.setUint32(gpa, value, true);
    this.vm.noteHostWrite(gpa, 4);
  }
  write64(gpa: number, value: bigint): void {
    this.#ram.setBigUint64(gpa, value, true);
    this.vm.noteHostWrite(gpa, 8);
  }
  /** The bytes from `first` to before `end`. */
  fill(first: number, end: number, byte: number): void {
    new Uint8Array(this.#ram.buffer, this.ramHva + first, end - first).fill(byte);
    this.vm.noteHostWrite(first, end - first);
  }
  /** All of another machine's RAM. */
  copyRamFrom(other: TinyMachine): void {
    const bytes = (m: TinyMachine): Uint8Array => new Uint8Array(m.#ram.buffer, m.ramHva, RAM_BYTES);
    bytes(this).set(bytes(other));
    this.vm.noteHostWrite(0, RAM_BYTES);
  }
  /** Sets the page-table entry of a page in the first 2 MiB. */
  mapPage(page: number, entry: number): void {
    this.write64(PT + (page >> 12) * 8, BigInt(entry));
  }

  // --- registers ---

  reg(name: string): bigint {
    const value = this.vcpu.save().regs[name];
    if (value === undefined) throw new Error(`no register ${name}`);
    return value;
  }
  /** A new rip also ends HLT. */
  set(regs: Readonly<Record<string, bigint>>): this {
    this.vcpu.restore({ regs: regs["rip"] === undefined ? regs : { halted: 0n, ...regs } });
    return this;
  }
  get rip(): number {
    return Number(this.reg("rip"));
  }
  get al(): number {
    return Number(this.reg("rax") & 0xffn);
  }

  /** Privilege level 3; 64-bit only. */
  user(): this {
    const code = BigInt(CODE_ATTRIBUTES[64] | DPL3);
    const data = BigInt(FLAT_DATA | DPL3);
    return this.set({
      "cs.selector": BigInt(SEL.code64User),
      "cs.attributes": code,
      "ss.selector": BigInt(SEL.dataUser),
      "ss.attributes": data,
    });
  }

  // --- running ---

  /** @returns the reason of the exit. */
  run(budget = 10_000): string {
    return this.vcpu.run(budget).reason;
  }

  /** Runs code at CODE to a HLT. @throws Error if it does not get there. */
  runToHalt(hex: string): this {
    this.code(CODE, hex).set({ rip: BigInt(CODE) });
    const reason = this.run();
    if (reason !== "hlt") throw new Error(`${reason} at ${this.rip.toString(16)}`);
    return this;
  }

  /** The event whose handler the processor has halted in. @throws Error if it is in none. */
  event(): Event {
    const handler = this.rip - 1 - HANDLERS;
    if (handler < 0 || handler >= 4096 || handler % 16 !== 0)
      throw new Error(`in no handler: ${this.rip.toString(16)}`);
    const vector = handler / 16;
    const slot = this.bits / 8;
    let at = Number(this.reg("rsp"));
    const error = this.bits !== 16 && WITH_ERROR.has(vector) ? this.read32(at) : undefined;
    if (error !== undefined) at += slot;
    const mask = this.bits === 16 ? 0xffff : 0xffff_ffff;
    return { vector, error, rip: this.read32(at) & mask, flags: this.read32(at + 2 * slot) & mask };
  }

  // --- InterruptPort ---

  /** INTR with a vector that the acknowledge cycle gives. */
  interrupt(vector: number): void {
    this.#vectors.push(vector);
    this.pending = true;
    this.#notify();
  }
  acknowledge(): number {
    const vector = this.#vectors.shift() ?? 0xff;
    this.pending = this.#vectors.length > 0;
    return vector;
  }
  nmi(): void {
    this.nmiPending = true;
    this.#notify();
  }
  acknowledgeNmi(): void {
    this.nmiPending = false;
  }
  readMsr(): bigint | undefined {
    return undefined;
  }
  writeMsr(): boolean {
    return false;
  }
  timeStampMoved(ticks: number): void {
    this.tscLead = ticks;
  }
  onRaise(notify: () => void): void {
    this.#notify = notify;
  }

  // --- IoPort ---

  in(port: number, size: AccessSize): number {
    this.log.push(`in ${port.toString(16)} ${size}`);
    this.onAccess();
    return this.answer;
  }
  out(port: number, size: AccessSize, value: number): void {
    this.log.push(`out ${port.toString(16)} ${size} ${value.toString(16)}`);
    this.onAccess();
  }
  load(gpa: number, dst: Uint8Array): void {
    this.log.push(`load ${gpa.toString(16)} ${dst.length}`);
    this.onAccess();
    dst.fill(this.answer);
  }
  store(gpa: number, src: Uint8Array): void {
    const value = [...src].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    this.log.push(`store ${gpa.toString(16)} ${value}`);
    this.onAccess();
  }

  // --- setting up ---

  #prepareMemory(): void {
    const descriptors = [0, 0x00af_9a00, 0x00cf_9200, 0x00af_fa00, 0x00cf_f200, 0x00cf_9a00];
    for (const [i, high] of descriptors.entries()) {
      this.write32(GDT + i * 8, i === 0 ? 0 : 0xffff);
      this.write32(GDT + i * 8 + 4, high);
    }
    for (let vector = 0; vector < 256; vector++) {
      this.code(HANDLERS + vector * 16, "f4");
      this.setGate(vector, HANDLERS + vector * 16);
    }
    this.write64(TSS + 4, BigInt(KERNEL_STACK));
    // The I/O permission map lies beyond the limit: there is none.
    this.write32(TSS + 100, 0x68 << 16);
    this.write64(PML4, BigInt(PDPT + 7));
    this.write64(PDPT, BigInt(PD + 7));
    this.write64(PDPT + 8, BigInt(DEVICE + 0x87));
    this.write64(PD, BigInt(PT + 7));
    this.write64(PD + 8, BigInt(0x20_0000 + 0x87));
    for (let page = 0; page < 512; page++) this.mapPage(page << 12, (page << 12) | 7);
  }

  /** An interrupt gate; user code may call it. In real mode an entry of the vector table. */
  setGate(vector: number, offset: number): void {
    if (this.bits === 16) this.write32(vector * 4, offset);
    else if (this.bits === 32) {
      this.write32(IDT + vector * 8, (SEL.code32 << 16) | offset);
      this.write32(IDT + vector * 8 + 4, 0xee00);
    } else {
      this.write32(IDT + vector * 16, (SEL.code64 << 16) | offset);
      this.write32(IDT + vector * 16 + 4, 0xee00);
      this.write64(IDT + vector * 16 + 8, 0n);
    }
  }

  #initialRegisters(): Record<string, bigint> {
    const { bits } = this;
    const real = bits === 16;
    const regs: Record<string, bigint> = {
      rip: BigInt(CODE),
      rsp: BigInt(STACK),
      rdx: 0n,
      rdi: BigInt(DATA),
      rbx: BigInt(DATA),
      rflags: 2n,
      cr0: bits === 64 ? 0x8000_0011n : bits === 32 ? 0x11n : 0x10n,
      cr3: BigInt(PML4),
      cr4: bits === 64 ? 0x20n : 0n,
      efer: bits === 64 ? 0xd00n : 0n,
      "idtr.base": BigInt(real ? 0 : IDT),
      "idtr.limit": 0xfffn,
      "gdtr.base": BigInt(GDT),
      "gdtr.limit": 0xfffn,
      "tr.selector": BigInt(SEL.tss),
      "tr.base": BigInt(TSS),
      "tr.limit": 0x67n,
      "tr.attributes": 0x8bn,
      "cs.selector": BigInt(real ? 0 : bits === 64 ? SEL.code64 : SEL.code32),
    };
    for (const segment of ["cs", "ss", "ds", "es", "fs", "gs"]) {
      if (segment !== "cs") regs[`${segment}.selector`] = BigInt(real ? 0 : SEL.data);
      regs[`${segment}.base`] = 0n;
      regs[`${segment}.limit`] = real ? 0xffffn : 0xffff_ffffn;
      regs[`${segment}.attributes`] = BigInt(segment === "cs" ? CODE_ATTRIBUTES[bits] : real ? REAL_DATA : FLAT_DATA);
    }
    return regs;
  }
}
