/** The processor's modes that privileged programs run in, as far as they differ: whoever makes, runs or compares programs asks here. */
import { ENVIRONMENTS, type Environment, PAGE_BYTES, PARAGRAPHS } from "../environment.ts";
import { kernelPage, SELECTOR, SYSTEM_REGISTERS } from "../guest-tables.ts";
import type { Program } from "./program.ts";
import { SERVICE } from "./system-tables.ts";

/** What a mode has that the others have otherwise. */
export interface Mode {
  /** Code that programs are made of, as often as they are. */
  readonly environments: readonly Environment[];
  /** Whether the kernel around programs is 64-bit code in long mode. */
  readonly long: boolean;
  /** Bytes of a page-table entry. */
  readonly entryBytes: 4 | 8;
  /** CR3 of the two address spaces. */
  readonly spaces: readonly bigint[];
  /** Registers that hold the tables, where they are not those of {@link SYSTEM_REGISTERS}. */
  readonly registers: Readonly<Record<string, bigint>>;
  /** Linear address of a large page that maps RAM once more; its entry is the second of both page directories. */
  readonly largePage?: number;
  /** Linear address from which the third level maps all once more. */
  readonly wideAlias?: number;
  /** Set where selectors are paragraphs: in real-address mode, or in virtual-8086 mode under a monitor. */
  readonly paragraphs?: "real" | "virtual";
}

const { long, flat32, segmented16stack32 } = ENVIRONMENTS;
const at = (name: Parameters<typeof kernelPage>[0]): bigint => BigInt(kernelPage(name).gpa);
const CR4 = SYSTEM_REGISTERS["cr4"] ?? 0n;
const CR4_PSE = 0x10n;
const CR4_PAE = 0x20n;
/** SCE and NXE: without LME. */
const LEGACY_EFER = 0x801n;
/** Where the TSS of virtual-8086 mode has its I/O permission bit map, and where it ends. */
export const OPEN_PORTS = { map: 0x200, limit: 0x280 } as const;
const IDT_LIMIT = 256n * 8n - 1n;

/** The kernel is where it is in RAM, so that paging can go on and off under it. */
const LEGACY: Readonly<Record<string, bigint>> = {
  efer: LEGACY_EFER,
  "gdtr.base": at("gdt"),
  "idtr.base": at("idt"),
  "idtr.limit": IDT_LIMIT,
  "tr.base": at("tss"),
  "ldtr.base": at("ldt"),
  "msr.174": BigInt(SELECTOR.kernelCode),
  "msr.175": at("stack") + BigInt(PAGE_BYTES),
  "msr.176": at("services") + BigInt(SERVICE.systemCall),
};
/** Without PG and PE. */
const REAL_CR0 = (SYSTEM_REGISTERS["cr0"] ?? 0n) & ~0x8000_0001n;
/** A vector has four bytes there. */
const VECTOR_TABLE_LIMIT = 256n * 4n - 1n;
const PROTECTED = { long: false, environments: [flat32, flat32, segmented16stack32] } as const;

const MODES = {
  long: {
    long: true,
    environments: [long, long, long, flat32, flat32, segmented16stack32],
    entryBytes: 8,
    spaces: [at("pml4"), at("otherPml4")],
    registers: {},
  },
  paging32: {
    ...PROTECTED,
    entryBytes: 4,
    spaces: [at("lowPd"), at("otherPd")],
    registers: { ...LEGACY, cr3: at("lowPd"), cr4: (CR4 & ~CR4_PAE) | CR4_PSE },
    largePage: 0x40_0000,
  },
  pae: {
    ...PROTECTED,
    entryBytes: 8,
    spaces: [at("lowPdpt"), at("otherPdpt")],
    registers: { ...LEGACY, cr3: at("lowPdpt") },
    largePage: 0x20_0000,
    wideAlias: 0x4000_0000,
  },
  real: {
    long: false,
    environments: [PARAGRAPHS],
    paragraphs: "real",
    entryBytes: 4,
    spaces: [at("lowPd"), at("otherPd")],
    registers: { ...LEGACY, cr0: REAL_CR0, cr3: at("lowPd"), "idtr.limit": VECTOR_TABLE_LIMIT },
  },
  vm86: {
    long: false,
    environments: [PARAGRAPHS],
    paragraphs: "virtual",
    entryBytes: 8,
    spaces: [at("lowPdpt"), at("otherPdpt")],
    registers: { ...LEGACY, cr3: at("lowPdpt"), "tr.limit": BigInt(OPEN_PORTS.limit) },
  },
} as const satisfies Readonly<Record<string, Mode>>;

/**
 * 'long' has 64-bit code and compatibility mode; the others are legacy mode, 'vm86' under PAE paging. SDM vol. 3A, "Modes of Operation".
 */
export type ModeName = keyof typeof MODES;

/** As often as programs are made in each. */
export const MODE_NAMES: readonly ModeName[] = ["long", "long", "paging32", "pae", "real", "vm86"];

/** The mode called `name`. */
export const modeNamed = (name: ModeName): Mode => MODES[name];

/** That of a privileged program. */
export const modeOf = ({ system }: Program): Mode => MODES[system?.mode ?? "long"];
