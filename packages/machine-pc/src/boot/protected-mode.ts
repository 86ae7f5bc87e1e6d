import { type Bytes, u32, zeros } from "../bytes/fields.ts";
import { type BootSegment, segment } from "./boot-image.ts";

/** Registers in the making; the loader adds the few its protocol prescribes. */
export type Registers = Record<string, bigint>;

/** The loaders' scratch memory below 640 KiB: in e820 it is free RAM, kernels copy from it what they want to keep. */
export const GDT_GPA = 0x1000;
export const PAGE_TABLES_GPA = 0x2000;
/** First byte behind the page tables. */
export const PAGE_TABLES_END: number = PAGE_TABLES_GPA + 6 * 4096;

/** The selector that Linux prescribes for code (__BOOT_CS; Documentation/arch/x86/boot.rst). That for data is the next. */
const BOOT_CS = 0x10;

/** Access rights as in the VMCS (SDM vol. 3C, "Guest Register State"). */
const CODE_32 = 0xc09bn;
const CODE_64 = 0xa09bn;
const DATA = 0xc093n;
const TSS_BUSY = 0x8bn;
const UNUSABLE = 0x10000n;

const CR0_PE = 1n << 0n;
const CR0_ET = 1n << 4n;
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const EFER_LME = 1n << 8n;
const EFER_LMA = 1n << 10n;
const RFLAGS_ALWAYS_1 = 1n << 1n;

/** CPU mode a kernel is entered in, and the tables in memory behind it. */
export interface StartingPoint {
  readonly regs: Registers;
  readonly segments: readonly BootSegment[];
}

/** Flat 32-bit protected mode without paging, interrupts off, all general registers 0. Data has the selector after `codeSelector`. */
export function flatProtectedMode(codeSelector: number = BOOT_CS): StartingPoint {
  const regs = { ...commonRegisters(codeSelector, CODE_32), cr0: CR0_PE | CR0_ET, cr3: 0n, cr4: 0n, efer: 0n };
  return { regs, segments: [gdt(codeSelector, CODE_32)] };
}

/** 64-bit mode on page tables that map the low 4 GiB onto itself, interrupts off, all general registers 0. */
export function identityLongMode(): StartingPoint {
  return {
    regs: {
      ...commonRegisters(BOOT_CS, CODE_64),
      cr0: CR0_PE | CR0_ET | CR0_PG,
      cr3: BigInt(PAGE_TABLES_GPA),
      cr4: CR4_PAE,
      efer: EFER_LME | EFER_LMA,
    },
    segments: [gdt(BOOT_CS, CODE_64), identityPageTables()],
  };
}

function commonRegisters(codeSelector: number, code: bigint): Registers {
  const regs: Registers = { rflags: RFLAGS_ALWAYS_1, cr2: 0n };
  for (const name of ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"]) regs[name] = 0n;
  for (let i = 8; i < 16; i++) regs[`r${i}`] = 0n;
  const selector = BigInt(codeSelector);
  putSegment(regs, "cs", selector, 0xffffffffn, code);
  for (const name of ["ds", "es", "fs", "gs", "ss"]) putSegment(regs, name, selector + 8n, 0xffffffffn, DATA);
  putSegment(regs, "tr", 0n, 0x67n, TSS_BUSY);
  putSegment(regs, "ldtr", 0n, 0n, UNUSABLE);
  regs["gdtr.base"] = BigInt(GDT_GPA);
  regs["gdtr.limit"] = selector + 15n;
  regs["idtr.base"] = 0n;
  regs["idtr.limit"] = 0n;
  return regs;
}

function putSegment(regs: Registers, name: string, selector: bigint, limit: bigint, attributes: bigint): void {
  regs[`${name}.selector`] = selector;
  regs[`${name}.base`] = 0n;
  regs[`${name}.limit`] = limit;
  regs[`${name}.attributes`] = attributes;
}

/** Behind the hidden parts above, for guests that reload a segment before they have a table of their own. */
function gdt(codeSelector: number, code: bigint): BootSegment {
  const table = [...zeros(codeSelector), ...descriptor(code), ...descriptor(DATA)];
  return segment(GDT_GPA, Uint8Array.from(table));
}

/** The descriptor for base 0 and limit 4 GiB. SDM vol. 3A, "Segment Descriptors". */
function descriptor(attributes: bigint): Bytes {
  // Access rights keep the order of a descriptor's bits 40-55; bits 48-51 hold limit bits 19:16.
  return [...u32(0xffff), ...u32(Number(((attributes & 0xf0ffn) << 8n) | 0xf0000n))];
}

/** One PML4, one PDPT, four page directories of 2 MiB pages. SDM vol. 3A, "4-Level Paging". */
function identityPageTables(): BootSegment {
  const present = 0x3;
  const large = 0x83;
  const bytes = new Uint8Array(PAGE_TABLES_END - PAGE_TABLES_GPA);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (PAGE_TABLES_GPA + 0x1000) | present, true);
  for (let i = 0; i < 4; i++) view.setUint32(0x1000 + 8 * i, (PAGE_TABLES_GPA + 0x2000 + 0x1000 * i) | present, true);
  for (let i = 0; i < 2048; i++) view.setUint32(0x2000 + 8 * i, ((i << 21) | large) >>> 0, true);
  return segment(PAGE_TABLES_GPA, bytes);
}
