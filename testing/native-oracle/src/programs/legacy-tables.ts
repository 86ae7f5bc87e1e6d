/**
 * The kernel's tables outside long mode, made of those that writeGuestTables and writeSystemTables wrote: the same pages, gates and
 * descriptors in the formats of 32-bit and PAE paging and of 32-bit protected mode.
 *
 * 1. The kernel's pages are mapped where they are in RAM.
 * 2. Events go on with the stack they find, at privilege 0 the program's; where that is not one, #DF is a task of its own.
 * 3. A large page maps RAM once more; with PAE paging so does the second entry of the third level.
 */
import { type Environment, PAGE_BYTES } from "../environment.ts";
import { descriptor, kernelPage, SELECTOR, USER_GATES, writeNumberedGates } from "../guest-tables.ts";
import { DOUBLE_FAULT_ENTRY, legacyHandler, SERVICE_CODE_32 } from "./legacy-handler.ts";
import { listingBytes } from "./listing.ts";
import type { Mode } from "./mode.ts";
import { SERVICE, serviceGates } from "./system-tables.ts";

type PageName = Parameters<typeof kernelPage>[0];

const PTE = { P: 1, RW: 2, US: 4, A: 0x20, D: 0x40, PS: 0x80 } as const;
const LINK = PTE.P | PTE.RW | PTE.US | PTE.A;
const NX = 1n << 63n;
const LARGE = LINK | PTE.D | PTE.PS;
/** Pages of the kernel half in long mode, the local APIC's last. */
const KERNEL_PAGES = 23;
const LOW_PAGES = 16;

const DOUBLE_FAULT = 8;
const DOUBLE_FAULT_TASK = 0x70;
/** Where it has its TSS, in that of programs, and its stack, in the kernel's. */
const DOUBLE_FAULT_TSS = 0x100;
const DOUBLE_FAULT_STACK = 0x800;
const TSS_BYTES = 104;
/** SDM vol. 3A, "32-Bit Task-State Segment (TSS)". */
const TSS = {
  esp0: 4,
  ss0: 8,
  cr3: 28,
  eip: 32,
  eflags: 36,
  esp: 56,
  es: 72,
  cs: 76,
  ss: 80,
  ds: 84,
  ldt: 96,
  iomap: 102,
} as const;
const GATE = { interrupt: 0x8e00, task: 0x8500 } as const;
const ACCESS = { code32: 0xc09b, tss: 0x89, ldt: 0x82 } as const;
const VECTORS = 256;

/** Writes all of it, and handlers and services, over the tables of long mode. */
export function writeLegacyTables(ram: DataView, mode: Mode, { codeBits }: Environment): void {
  writePaging(ram, mode);
  writeDescriptors(ram);
  writeTasks(ram, mode);
  writeHandlers(ram, codeBits === 32);
}

function writePaging(ram: DataView, mode: Mode): void {
  for (const [directory, table] of [
    ["lowPd", "lowPt"],
    ["otherPd", "otherPt"],
  ] as const) {
    const kernel = pageEntries(ram, "highPt", KERNEL_PAGES);
    const low = pageEntries(ram, table, LOW_PAGES);
    for (const page of [directory, table]) clearPage(ram, page);
    const set = (page: PageName, index: number, entry: bigint): void => setEntry(ram, mode, page, index, entry);
    for (const [i, entry] of low.entries()) set(table, i, entry);
    for (const [i, entry] of kernel.entries()) set(table, kernelPage("pml4").gpa / PAGE_BYTES + i, entry);
    set(directory, 0, BigInt(kernelPage(table).gpa | LINK));
    // What is no code is not executed, where paging knows such.
    set(directory, 1, BigInt(LARGE) | (mode.entryBytes === 8 ? NX : 0n));
  }
  if (mode.entryBytes === 4) return;
  // Rights are reserved in entries of the third level.
  for (const [pointers, directory] of [
    ["lowPdpt", "lowPd"],
    ["otherPdpt", "otherPd"],
  ] as const)
    for (const index of [0, 1]) setEntry(ram, mode, pointers, index, BigInt(kernelPage(directory).gpa | PTE.P));
}

const pageEntries = (ram: DataView, page: PageName, count: number): readonly bigint[] =>
  Array.from({ length: count }, (_, i) => ram.getBigUint64(kernelPage(page).gpa + i * 8, true));

function setEntry(ram: DataView, { entryBytes }: Mode, page: PageName, index: number, entry: bigint): void {
  const at = kernelPage(page).gpa + index * entryBytes;
  if (entryBytes === 8) ram.setBigUint64(at, entry, true);
  else ram.setUint32(at, Number(BigInt.asUintN(32, entry)), true);
}

function clearPage(ram: DataView, page: PageName): void {
  const { gpa } = kernelPage(page);
  for (let at = gpa; at < gpa + PAGE_BYTES; at += 8) ram.setBigUint64(at, 0n, true);
}

function writeDescriptors(ram: DataView): void {
  const set = (selector: number, base: number, limit: number, access: number): void =>
    ram.setBigUint64(kernelPage("gdt").gpa + selector, descriptor(base, limit, access), true);
  const tss = kernelPage("tss").gpa;
  const localBytes = ram.getUint16(kernelPage("gdt").gpa + SELECTOR.ldt, true);
  set(SELECTOR.kernelCode, 0, 0xffff_ffff, ACCESS.code32);
  // The second halves that they have in long mode go.
  for (const selector of [SELECTOR.tss, SELECTOR.ldt]) ram.setBigUint64(kernelPage("gdt").gpa + selector + 8, 0n, true);
  set(SELECTOR.tss, tss, TSS_BYTES - 1, ACCESS.tss | BUSY);
  set(SELECTOR.ldt, kernelPage("ldt").gpa, localBytes, ACCESS.ldt);
  set(DOUBLE_FAULT_TASK, tss + DOUBLE_FAULT_TSS, TSS_BYTES - 1, ACCESS.tss);
}

const BUSY = 2;

function writeTasks(ram: DataView, { spaces }: Mode): void {
  clearPage(ram, "tss");
  const stack = kernelPage("stack").gpa;
  for (const offset of [0, DOUBLE_FAULT_TSS]) {
    const set = (field: keyof typeof TSS, value: number): void =>
      ram.setUint32(kernelPage("tss").gpa + offset + TSS[field], value, true);
    set("esp0", stack + PAGE_BYTES);
    set("cr3", Number(spaces[0]));
    for (const field of ["ss0", "es", "ss", "ds"] as const) set(field, SELECTOR.kernelData);
    set("cs", SELECTOR.kernelCode);
    set("eip", DOUBLE_FAULT_ENTRY);
    set("eflags", 2);
    set("esp", stack + DOUBLE_FAULT_STACK);
    set("ldt", SELECTOR.ldt);
    // No port is open.
    ram.setUint16(kernelPage("tss").gpa + offset + TSS.iomap, TSS_BYTES, true);
  }
}

function writeHandlers(ram: DataView, own: boolean): void {
  const bytes = (gpa: number, code: Uint8Array): void => {
    for (const [i, byte] of code.entries()) ram.setUint8(gpa + i, byte);
  };
  const { gpa } = kernelPage("resumption");
  writeNumberedGates(ram, kernelPage("resumption").address);
  bytes(gpa, legacyHandler());
  for (const [name, code] of Object.entries(SERVICE_CODE_32))
    bytes(kernelPage("services").gpa + SERVICE[name as keyof typeof SERVICE], listingBytes(code));
  clearPage(ram, "idt");
  for (let vector = 0; vector < VECTORS; vector++) {
    const target = kernelPage("handlers").gpa + vector * 16;
    writeGate32(ram, vector, SELECTOR.kernelCode, target, GATE.interrupt | ((USER_GATES.has(vector) ? 3 : 0) << 13));
  }
  for (const { vector, service, dpl } of serviceGates(own)) {
    const target = kernelPage("services").gpa + SERVICE[service];
    writeGate32(ram, vector, SELECTOR.kernelCode, target, GATE.interrupt | (dpl << 13));
  }
  writeGate32(ram, DOUBLE_FAULT, DOUBLE_FAULT_TASK, 0, GATE.task);
}

/** A gate. SDM vol. 3A, "IDT Descriptors". @param access its upper half's lower 16 bits */
export function writeGate32(ram: DataView, vector: number, selector: number, offset: number, access: number): void {
  const at = kernelPage("idt").gpa + vector * 8;
  ram.setUint32(at, (selector << 16) | (offset & 0xffff), true);
  ram.setUint32(at + 4, (offset & 0xffff_0000) | access, true);
}
