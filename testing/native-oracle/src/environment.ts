/**
 * Where a vector runs: memory windows and segments that are the same on the host's CPU and in an engine.
 *
 * 1. Everything lies below 64 KiB so that 16-bit code reaches it.
 * 2. Every window has unmapped neighbours, except that the read-only window follows the data window.
 * 3. Contents are constant; a vector that needs other bytes brings patches, and every run starts from the contents.
 */
import { doubleEdge, extendedEdge, integerEdge, packedDecimal, singleEdge } from "./edge-values.ts";
import { createRandom, type Random } from "./random.ts";

/** Bytes of a page; window addresses and lengths are multiples of it. */
export const PAGE_BYTES = 4096;
/** Filler around the instruction under test: wherever it goes, INT3 stops it. */
export const INT3 = 0xcc;

export interface Window {
  readonly address: number;
  readonly length: number;
  readonly writable: boolean;
  readonly executable: boolean;
}

export const DATA: Window = { address: 0x4000, length: 0x2000, writable: true, executable: false };
export const READ_ONLY: Window = { address: 0x6000, length: 0x1000, writable: false, executable: false };
export const CODE: Window = { address: 0x8000, length: 0x1000, writable: false, executable: true };
export const STACK: Window = { address: 0xa000, length: 0x1000, writable: true, executable: false };
export const WINDOWS: readonly Window[] = [DATA, READ_ONLY, CODE, STACK];

/** Parts of the data window whose contents have a type; `slot` is the distance from one value to the next. */
export const TYPED_AREAS = {
  integer: { address: 0x4000, length: 0x1000, slot: 8 },
  single: { address: 0x5000, length: 0x400, slot: 4 },
  double: { address: 0x5400, length: 0x400, slot: 8 },
  extended: { address: 0x5800, length: 0x400, slot: 16 },
  decimal: { address: 0x5c00, length: 0x200, slot: 16 },
} as const;
export type ContentType = keyof typeof TYPED_AREAS;

/** Where save areas of XSAVE go: one inside a page, one across two. 1 KiB each. */
export const SAVE_AREAS = [0x4440, 0x4e40] as const;

const CONTENT: Readonly<Record<ContentType, (random: Random) => bigint>> = {
  integer: integerEdge,
  single: singleEdge,
  double: doubleEdge,
  extended: extendedEdge,
  decimal: packedDecimal,
};

/** Contents of `window` before any patch. The caller owns the array. */
export function windowContents(window: Window): Uint8Array {
  const bytes = new Uint8Array(window.length);
  if (window.executable) return bytes.fill(INT3);
  const random = createRandom(window.address);
  fillSlots(bytes, 0, window.length, 8, () => integerEdge(random));
  for (const type of Object.keys(TYPED_AREAS) as ContentType[]) {
    const area = TYPED_AREAS[type];
    const start = area.address - window.address;
    if (start >= 0 && start < window.length)
      fillSlots(bytes, start, area.length, area.slot, () => CONTENT[type](random));
  }
  return bytes;
}

function fillSlots(bytes: Uint8Array, start: number, length: number, slot: number, next: () => bigint): void {
  for (let at = start; at < start + length; at += slot) {
    let value = next();
    for (let i = 0; i < slot; i++, value >>= 8n) bytes[at + i] = Number(value & 0xffn);
  }
}

/** A segment as it is loaded. `limit` is the last offset in bytes. */
export interface Segment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly code: boolean;
  /** The D/B bit: 32-bit code or stack. */
  readonly wide: boolean;
}

const FLAT = { base: 0, limit: 0xffff_ffff } as const;
/** Linux's user code and data segments; 64-bit code has the L bit instead of D. */
export const LONG_CODE: Segment = { ...FLAT, selector: 0x33, code: true, wide: false };
const FLAT_CODE: Segment = { ...FLAT, selector: 0x23, code: true, wide: true };
const FLAT_DATA: Segment = { ...FLAT, selector: 0x2b, code: false, wide: true };
const NULL_SEGMENT: Segment = { selector: 0, base: 0, limit: 0, code: false, wide: false };

/** Index `i` is LDT entry `i`: selector 8i + 7. Bases differ so that a wrong segment is a wrong address. */
export const LOCAL_DESCRIPTORS: readonly Segment[] = [
  { selector: 0x07, base: 0x4000, limit: 0xffff, code: true, wide: false },
  { selector: 0x0f, base: 0x1000, limit: 0xffff, code: false, wide: false },
  { selector: 0x17, base: 0x0800, limit: 0xffff, code: false, wide: false },
  { selector: 0x1f, base: 0x2000, limit: 0xffff, code: false, wide: false },
  { selector: 0x27, base: 0x0040, limit: 0xffff_ffff, code: false, wide: true },
  { selector: 0x2f, base: 0xffff_ff80, limit: 0xffff_ffff, code: false, wide: true },
];
const [CODE16, DATA16, EXTRA16, STACK16, FS_SEGMENT, GS_SEGMENT] = LOCAL_DESCRIPTORS as readonly [
  Segment,
  Segment,
  Segment,
  Segment,
  Segment,
  Segment,
];

/** Segment registers in the order of the ModRM encoding. */
export const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;
export type SegmentName = (typeof SEGMENT_NAMES)[number];

/** Default operand and address size of the code. */
export type CodeBits = 16 | 32 | 64;

export interface Environment {
  /** Number in vector files. */
  readonly id: number;
  readonly name: string;
  readonly codeBits: CodeBits;
  /** Width of the stack pointer: B bit of SS, or 64. */
  readonly stackBits: CodeBits;
  readonly segments: Readonly<Record<SegmentName, Segment>>;
  /** FS and GS base as 64-bit addresses. */
  readonly fsBase: bigint;
  readonly gsBase: bigint;
}

const COMPATIBILITY_BASES = { fsBase: 0x40n, gsBase: 0xffff_ff80n } as const;
const DATA_FLAT = { es: FLAT_DATA, ds: FLAT_DATA } as const;
const LOCAL_FS_GS = { fs: FS_SEGMENT, gs: GS_SEGMENT } as const;

/** Everything runs at CPL 3 under a 64-bit kernel, so the narrower ones are compatibility mode. */
export const ENVIRONMENTS: Readonly<
  Record<"long" | "flat32" | "segmented16" | "flat32stack16" | "segmented16stack32", Environment>
> = {
  segmented16: {
    id: 0,
    name: "16",
    codeBits: 16,
    stackBits: 16,
    segments: { cs: CODE16, ss: STACK16, ds: DATA16, es: EXTRA16, ...LOCAL_FS_GS },
    ...COMPATIBILITY_BASES,
  },
  flat32: {
    id: 1,
    name: "32",
    codeBits: 32,
    stackBits: 32,
    segments: { cs: FLAT_CODE, ss: FLAT_DATA, ...DATA_FLAT, ...LOCAL_FS_GS },
    ...COMPATIBILITY_BASES,
  },
  long: {
    id: 2,
    name: "64",
    codeBits: 64,
    stackBits: 64,
    segments: { cs: LONG_CODE, ss: FLAT_DATA, ...DATA_FLAT, fs: NULL_SEGMENT, gs: NULL_SEGMENT },
    fsBase: 0x40n,
    gsBase: 0xffff_ffff_ffff_ff80n,
  },
  segmented16stack32: {
    id: 3,
    name: "16/ss32",
    codeBits: 16,
    stackBits: 32,
    segments: { cs: CODE16, ss: FLAT_DATA, ds: DATA16, es: EXTRA16, ...LOCAL_FS_GS },
    ...COMPATIBILITY_BASES,
  },
  flat32stack16: {
    id: 4,
    name: "32/ss16",
    codeBits: 32,
    stackBits: 16,
    segments: { cs: FLAT_CODE, ss: STACK16, ...DATA_FLAT, ...LOCAL_FS_GS },
    ...COMPATIBILITY_BASES,
  },
};

const paragraph = (selector: number, code = false): Segment => ({
  selector,
  base: selector * 16,
  limit: 0xffff,
  code,
  wide: false,
});

/**
 * 16-bit code whose selectors are paragraphs: real-address and virtual-8086 mode. Programs alone run in it, so no vector file has it. Bases
 * are those of the segments in the LDT where a paragraph can say them.
 */
export const PARAGRAPHS: Environment = {
  id: 5,
  name: "16/paragraphs",
  codeBits: 16,
  stackBits: 16,
  segments: {
    cs: paragraph(0x400, true),
    ss: paragraph(0x200),
    ds: paragraph(0x100),
    es: paragraph(0x80),
    fs: paragraph(4),
    gs: paragraph(0x10),
  },
  fsBase: 0x40n,
  gsBase: 0x100n,
};

const BY_ID: readonly Environment[] = [...Object.values(ENVIRONMENTS), PARAGRAPHS].sort((a, b) => a.id - b.id);

/** The environment with number `id`, or undefined when a file names one that does not exist. */
export function environmentById(id: number): Environment | undefined {
  return BY_ID[id];
}

/** Base that an access through `segment` adds: 64-bit code ignores all but FS and GS. */
export function segmentBase(environment: Environment, segment: SegmentName): bigint {
  if (segment === "fs") return environment.fsBase;
  if (segment === "gs") return environment.gsBase;
  return environment.codeBits === 64 ? 0n : BigInt(environment.segments[segment].base);
}

/** Base of the code segment that `selector` names; 0 for Linux's own segments. */
export function codeSegmentBase(selector: number): bigint {
  return BigInt(LOCAL_DESCRIPTORS.find((segment) => segment.selector === selector)?.base ?? 0);
}
