/**
 * What a 64-bit kernel would have set up for a vector's environment: page tables, descriptor tables, and one HLT per
 * exception vector. Supervisor pages lie in the kernel half, so that user addresses fault as they do under Linux.
 */
import { LOCAL_DESCRIPTORS, PAGE_BYTES, type Segment, WINDOWS, type Window } from "./environment.ts";

/** Bytes of guest RAM the tables and windows need. */
export const GUEST_RAM_BYTES: number = 2 << 20;
/** Where the kernel half begins. */
const KERNEL_BASE = 0xffff_8000_0000_0000n;
/** Guest physical address of the first table; table pages follow one another. */
const TABLES = 0x10_0000;
const PAGE = {
  pml4: 0,
  lowPdpt: 1,
  lowPd: 2,
  lowPt: 3,
  highPdpt: 4,
  highPd: 5,
  highPt: 6,
  gdt: 7,
  ldt: 8,
  tss: 9,
  idt: 10,
  handlers: 11,
  stack: 12,
  resumption: 13,
  log: 14,
  services: 15,
  otherPml4: 16,
  otherPdpt: 17,
  otherPd: 18,
  otherPt: 19,
  switch: 20,
  count: 21,
} as const;

/** Pages of tables, and one behind them. */
export const GUEST_IMAGE_PAGES: number = PAGE.count + 1;

/** Page-table entry bits. SDM vol. 3A, "4-Level Paging and 5-Level Paging". */
const PTE = { P: 1n, RW: 2n, US: 4n, A: 0x20n, D: 0x40n, NX: 1n << 63n } as const;
const TABLE_ENTRY = PTE.P | PTE.RW | PTE.US | PTE.A;
const KERNEL_PAGE = PTE.P | PTE.RW | PTE.A | PTE.D;
/** The others cannot be executed: programs that return into their stack would run what emulators push differently. */
const CODE_PAGES: ReadonlySet<number> = new Set([PAGE.handlers, PAGE.resumption, PAGE.services, PAGE.switch]);

/** Selectors of Linux's GDT. */
export const SELECTOR = { kernelCode: 0x10, kernelData: 0x18, tss: 0x40, ldt: 0x50, processor: 0x78 } as const;
/** Data that cannot be written and expands down: the limit tells LSL in user code which processor it is on, here 0. */
const PROCESSOR_NUMBER = 0xf5;
const GDT_BYTES = 128;
const TSS_BYTES = 104;
const VECTORS = 256;
const HLT = 0xf4;
/** INT3 and INTO gates are open to user code. */
export const USER_GATES: ReadonlySet<number> = new Set([3, 4]);

/** Segment attributes as VMX packs them: descriptor bits 47:40 in 7:0, 55:52 in 15:12. SDM vol. 3C, "Guest Register State". */
export const ATTRIBUTES = {
  code: 0xfb,
  data: 0xf3,
  AVL: 0x1000,
  L: 0x2000,
  DB: 0x4000,
  G: 0x8000,
  unusable: 0x1_0000,
} as const;

function gpaOf(page: number): number {
  return TABLES + page * PAGE_BYTES;
}

function kernelAddress(page: number): bigint {
  return KERNEL_BASE + BigInt(page * PAGE_BYTES);
}

/** Attributes of a segment as Linux describes it; LDT entries carry the AVL bit (`useable` of user_desc). */
export function attributesOf({ selector, limit, code, wide }: Segment): number {
  if (selector === 0) return ATTRIBUTES.unusable;
  const size = selector === 0x33 ? ATTRIBUTES.L : wide ? ATTRIBUTES.DB : 0;
  const local = (selector & 4) !== 0 ? ATTRIBUTES.AVL : 0;
  return (code ? ATTRIBUTES.code : ATTRIBUTES.data) | size | local | (limit > 0xfffff ? ATTRIBUTES.G : 0);
}

/** Eight descriptor bytes. SDM vol. 3A, "Segment Descriptors". */
export function descriptor(base: number, limit: number, attributes: number): bigint {
  const units = BigInt((attributes & ATTRIBUTES.G) !== 0 ? Math.floor(limit / PAGE_BYTES) : limit);
  const b = BigInt(base);
  const low = (units & 0xffffn) | ((b & 0xff_ffffn) << 16n);
  const high = BigInt(attributes & 0xff) | ((units >> 16n) << 8n) | (BigInt((attributes >> 12) & 0xf) << 12n);
  return low | (high << 40n) | ((b >> 24n) << 56n);
}

/** Writes everything but the windows' contents into guest RAM, which starts at gpa 0. */
export function writeGuestTables(ram: DataView, windows: readonly Window[] = WINDOWS): void {
  writePageTables(ram, windows);
  writeDescriptors(ram);
  writeGates(ram);
}

function writePageTables(ram: DataView, windows: readonly Window[]): void {
  const link = (table: number, index: number, target: number): void =>
    ram.setBigUint64(gpaOf(table) + index * 8, BigInt(gpaOf(target)) | TABLE_ENTRY, true);
  link(PAGE.pml4, 0, PAGE.lowPdpt);
  link(PAGE.lowPdpt, 0, PAGE.lowPd);
  link(PAGE.lowPd, 0, PAGE.lowPt);
  link(PAGE.pml4, 256, PAGE.highPdpt);
  link(PAGE.highPdpt, 0, PAGE.highPd);
  link(PAGE.highPd, 0, PAGE.highPt);
  for (const { address, length, writable, executable } of windows) {
    const bits = PTE.P | PTE.US | PTE.A | PTE.D | (writable ? PTE.RW : 0n) | (executable ? 0n : PTE.NX);
    for (let gpa = address; gpa < address + length; gpa += PAGE_BYTES) {
      ram.setBigUint64(gpaOf(PAGE.lowPt) + (gpa / PAGE_BYTES) * 8, BigInt(gpa) | bits, true);
    }
  }
  for (let page = 0; page < PAGE.count; page++) {
    const bits = KERNEL_PAGE | (CODE_PAGES.has(page) ? 0n : PTE.NX);
    ram.setBigUint64(gpaOf(PAGE.highPt) + page * 8, BigInt(gpaOf(page)) | bits, true);
  }
}

function writeDescriptors(ram: DataView): void {
  const gdt = gpaOf(PAGE.gdt);
  const system = (selector: number, type: number, page: number, limit: number): void => {
    const base = kernelAddress(page);
    ram.setBigUint64(gdt + selector, descriptor(Number(base & 0xffff_ffffn), limit, type), true);
    ram.setBigUint64(gdt + selector + 8, base >> 32n, true);
  };
  ram.setBigUint64(gdt + SELECTOR.kernelCode, descriptor(0, 0xffff_ffff, 0x9b | ATTRIBUTES.L | ATTRIBUTES.G), true);
  ram.setBigUint64(gdt + SELECTOR.kernelData, descriptor(0, 0xffff_ffff, 0x93 | ATTRIBUTES.DB | ATTRIBUTES.G), true);
  ram.setBigUint64(gdt + 0x20, descriptor(0, 0xffff_ffff, ATTRIBUTES.code | ATTRIBUTES.DB | ATTRIBUTES.G), true);
  ram.setBigUint64(gdt + 0x28, descriptor(0, 0xffff_ffff, ATTRIBUTES.data | ATTRIBUTES.DB | ATTRIBUTES.G), true);
  ram.setBigUint64(gdt + 0x30, descriptor(0, 0xffff_ffff, ATTRIBUTES.code | ATTRIBUTES.L | ATTRIBUTES.G), true);
  ram.setBigUint64(gdt + SELECTOR.processor, descriptor(0, 0, PROCESSOR_NUMBER | ATTRIBUTES.DB), true);
  system(SELECTOR.tss, 0x8b, PAGE.tss, TSS_BYTES - 1);
  system(SELECTOR.ldt, 0x82, PAGE.ldt, LOCAL_DESCRIPTORS.length * 8 - 1);
  for (const [i, segment] of LOCAL_DESCRIPTORS.entries()) {
    ram.setBigUint64(gpaOf(PAGE.ldt) + i * 8, descriptor(segment.base, segment.limit, attributesOf(segment)), true);
  }
  // RSP0, and an I/O bitmap beyond the limit: no port is open.
  ram.setBigUint64(gpaOf(PAGE.tss) + 4, kernelAddress(PAGE.stack + 1), true);
  ram.setUint16(gpaOf(PAGE.tss) + 102, TSS_BYTES, true);
}

/** Gate `n` leads to byte `n` of the handlers' page, which is HLT. */
function writeGates(ram: DataView): void {
  for (let vector = 0; vector < VECTORS; vector++) {
    const handler = kernelAddress(PAGE.handlers) + BigInt(vector);
    writeGate(ram, vector, handler);
    ram.setUint8(gpaOf(PAGE.handlers) + vector, HLT);
  }
}

/** Gate `vector` to privilege 0; `dpl` is the privilege that may call it. */
export function writeGate(
  ram: DataView,
  vector: number,
  handler: bigint,
  dpl: bigint = USER_GATES.has(vector) ? 3n : 0n,
): void {
  const low = (handler & 0xffffn) | (BigInt(SELECTOR.kernelCode) << 16n) | ((0x8en | (dpl << 5n)) << 40n);
  const gate = gpaOf(PAGE.idt) + vector * 16;
  ram.setBigUint64(gate, low | (((handler >> 16n) & 0xffffn) << 48n), true);
  ram.setBigUint64(gate + 8, handler >> 32n, true);
}

/** What a page of the kernel half is for, as code finds it and as the host does. */
export function kernelPage(name: Exclude<keyof typeof PAGE, "count">): { address: bigint; gpa: number } {
  return { address: kernelAddress(PAGE[name]), gpa: gpaOf(PAGE[name]) };
}

/**
 * Gates that lead to `handler` with the vector on the stack, above an error code that is 0 where the processor pushes none.
 */
export function writeNumberedGates(ram: DataView, handler: bigint): void {
  const { address, gpa } = kernelPage("handlers");
  for (let vector = 0; vector < VECTORS; vector++) {
    const at = vector * 16;
    writeGate(ram, vector, address + BigInt(at));
    // push 0, or nop twice; push vector; jmp handler
    const push = WITH_ERROR_CODE.has(vector) ? [0x90, 0x90] : [0x6a, 0];
    for (const [i, byte] of [...push, 0x68, vector, 0, 0, 0, 0xe9].entries()) ram.setUint8(gpa + at + i, byte);
    ram.setInt32(gpa + at + 8, Number(handler - (address + BigInt(at + 12))), true);
  }
}

/** Registers that hold the tables, by their names in VcpuState. CR0 and CR4 are Linux's, as far as user code can tell. */
export const SYSTEM_REGISTERS: Readonly<Record<string, bigint>> = {
  cr0: 0x8005_0033n,
  cr2: 0n,
  cr3: BigInt(gpaOf(PAGE.pml4)),
  // PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE.
  cr4: 0x5_0620n,
  // x87, SSE, AVX, PKRU: what the host has.
  xcr0: 0x207n,
  // SCE, LME, LMA, NXE.
  efer: 0xd01n,
  "gdtr.base": kernelAddress(PAGE.gdt),
  "gdtr.limit": BigInt(GDT_BYTES - 1),
  "idtr.base": kernelAddress(PAGE.idt),
  "idtr.limit": BigInt(VECTORS * 16 - 1),
  "tr.selector": BigInt(SELECTOR.tss),
  "tr.base": kernelAddress(PAGE.tss),
  "tr.limit": BigInt(TSS_BYTES - 1),
  "tr.attributes": 0x8bn,
  "ldtr.selector": BigInt(SELECTOR.ldt),
  "ldtr.base": kernelAddress(PAGE.ldt),
  "ldtr.limit": BigInt(LOCAL_DESCRIPTORS.length * 8 - 1),
  "ldtr.attributes": 0x82n,
};

/** Exception vectors that push an error code. SDM vol. 3A, "Exception and Interrupt Reference". */
const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);

/** What the CPU pushed on its way into a handler. */
export interface TrapFrame {
  readonly vector: number;
  readonly errorCode: number;
  readonly rip: bigint;
  readonly cs: number;
  readonly rflags: number;
  readonly rsp: bigint;
  readonly ss: number;
}

/** The frame a handler found, or undefined when `rip` is not the one after a handler's HLT. */
export function readTrapFrame(ram: DataView, rip: bigint, rsp: bigint): TrapFrame | undefined {
  const handlers = kernelAddress(PAGE.handlers);
  const stackEnd = gpaOf(PAGE.stack + 1);
  const depth = Number(kernelAddress(PAGE.stack + 1) - rsp);
  if (rip <= handlers || rip > handlers + BigInt(VECTORS) || depth < 0x28 || depth > 0x40) return undefined;
  const vector = Number(rip - handlers) - 1;
  const frame = stackEnd - depth;
  const start = WITH_ERROR_CODE.has(vector) ? 8 : 0;
  const at = (index: number): bigint => ram.getBigUint64(frame + start + index * 8, true);
  const errorCode = start > 0 ? ram.getUint32(frame, true) : 0;
  return {
    vector,
    errorCode,
    rip: at(0),
    cs: Number(at(1) & 0xffffn),
    rflags: Number(at(2)),
    rsp: at(3),
    ss: Number(at(4) & 0xffffn),
  };
}
