// The one table of where CPU state lies in the WebAssembly memory. Offsets are computed, never typed.
//
// Invariants:
// 1. Every field is naturally aligned; vector registers have room for 512 bits.
// 2. Register files are indexed by the byte offsets that decoded-instruction records carry.
// 3. Everything an interrupted instruction needs to continue is here: no state lives in generated code.

/** Size in bytes and number of elements of one field. */
interface Field {
  readonly size: 1 | 2 | 4 | 8 | 16 | 64;
  readonly count: number;
}
const u32 = (count = 1): Field => ({ size: 4, count });
const u64 = (count = 1): Field => ({ size: 8, count });

/**
 * Segment registers in encoding order (SDM vol. 2B, "Segment register field"), then LDTR and TR.
 * `none` is a pseudo segment with base 0 and no limits, for addresses that need neither; set up once by Cpu.
 */
export const SEGMENT = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7, none: 8 } as const;
/** Number of segment caches kept. */
const SEGMENT_COUNT = 9;

/** Privileges that have TLB contexts of their own: supervisor, supervisor with EFLAGS.AC, user. */
export const PRIVILEGE = { supervisor: 0, supervisorAc: 1, user: 2 } as const;

const FIELDS = {
  /** rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15, then two pseudo registers: always zero, and `pageRip`. */
  gpr: u64(18),
  /** rip of the next instruction; exact whenever generated code is left. */
  rip: u64(),
  /** Lazy flags, see emit/flags.ts: result sign-extended to 64 bits. */
  ccResult: u64(),
  /** The subtraction whose carries CF, OF and AF are, zero-extended. */
  ccMinuend: u64(),
  ccSubtrahend: u64(),
  /** Bits 15:8 are xored into the byte whose parity is PF, bit 0 into CF, bit 63 into SF; bits 21:16: 64 less the width. */
  ccAux: u64(),
  /** RFLAGS without CF PF AF ZF SF OF (those are lazy); bit 1 always set. */
  rflags: u64(),
  /** Instructions left before generated code must return; checked at block ends. */
  fuel: u32(),
  /** How often a block is entered by the interpreter before it asks for a translation; 0: never. */
  heatLimit: u32(),
  /** Why generated code returned, see EXIT. */
  exitReason: u32(),
  /** Privilege level 0..3. */
  cpl: u32(),
  /** Execution mode bits, see MODE in mode.ts; part of the key of decoded code. */
  mode: u32(),
  /** The soft TLB's context of the current address space and privilege, see softmmu. */
  tlbContext: u64(),
  /** What tlbContext is in the current address space, by PRIVILEGE. */
  tlbContexts: u64(3),
  /** The number by which the jump cache tells code of the current address space apart, by PRIVILEGE; AC makes no difference. */
  codeContexts: u64(3),
  /** What a jump cache entry must match besides rip: code context, mode, and which base the code segment has. */
  jumpKey: u32(),
  /** Pending exception: vector + 1, or 0; its error code (-1: none), and CR2 for #PF. */
  pendingVector: u32(),
  pendingErrorCode: u32(),
  pendingAddress: u64(),
  /** Linear address computed by the preceding address record. */
  effectiveAddress: u64(),
  /** 1 while an interrupt or NMI is requested, whatever RFLAGS.IF says: instructions that enable interrupts look here. */
  interruptRequest: u32(),
  /** Interrupt shadow: 1 after STI, 2 after MOV SS or POP SS; cleared by the next instruction. */
  interruptShadow: u32(),
  /** 1 while NMIs are blocked (until IRET). */
  nmiBlocked: u32(),
  /** Halted: 1 after HLT or MWAIT until an interrupt. */
  halted: u32(),
  /** Counts #UD by unimplemented instructions. */
  undefinedCount: u32(),
  /** Segment caches, by SEGMENT: selector, access rights (VMX layout), base, inclusive limit. */
  segSelector: u32(SEGMENT_COUNT),
  segAttributes: u32(SEGMENT_COUNT),
  segBase: u64(SEGMENT_COUNT),
  segLimit: u32(SEGMENT_COUNT),
  /** Offsets that may be read (first, last) and written; first > last: none. Derived from limit and attributes. */
  segReadFirst: u64(SEGMENT_COUNT),
  segReadLast: u64(SEGMENT_COUNT),
  segWriteFirst: u64(SEGMENT_COUNT),
  segWriteLast: u64(SEGMENT_COUNT),
  gdtrBase: u64(),
  idtrBase: u64(),
  gdtrLimit: u32(),
  idtrLimit: u32(),
  cr0: u64(),
  cr2: u64(),
  cr3: u64(),
  cr4: u64(),
  xcr0: u64(),
  /** Rights that protection keys take away: of user pages, of supervisor pages. */
  pkru: u32(),
  pkrs: u64(),
  dr: u64(8),
  efer: u64(),
  star: u64(),
  lstar: u64(),
  cstar: u64(),
  sfmask: u64(),
  kernelGsBase: u64(),
  sysenterCs: u64(),
  sysenterEsp: u64(),
  sysenterEip: u64(),
  tscAux: u64(),
  /** IA32_TSC_ADJUST: what the time-stamp counter is ahead of the machine's clock. */
  tscAdjust: u64(),
  pat: u64(),
  miscEnable: u64(),
  mtrrDefType: u64(),
  /** The fixed-range MTRRs in order of address, then base and mask of each variable one. */
  mtrrFixed: u64(11),
  mtrrVariable: u64(16),
  /** SYSCFG and HWCR of AMD models. */
  sysCfg: u64(),
  hwcr: u64(),
  /** KVM's paravirtual clock: gpa of the vCPU's time area (bit 0: enabled), and of the wall clock. */
  kvmSystemTime: u64(),
  kvmWallClock: u64(),
  mxcsr: u32(),
  mxcsrMask: u32(),
  /** x87: control, status (TOP inside), tag (bit i set: physical register i is not empty), last opcode. */
  fpuControl: u32(),
  fpuStatus: u32(),
  fpuTag: u32(),
  fpuOpcode: u32(),
  fpuIp: u64(),
  fpuDp: u64(),
  fpuCs: u32(),
  fpuDs: u32(),
  /** Physical x87 registers 0..7, 16 bytes each: 64-bit significand, 16-bit sign and exponent. MMX aliases the significand. */
  fpr: { size: 16, count: 8 },
  /** Results of transcendental functions before they are rounded: two of five words, see softfloat/transcendental.ts. */
  x87Results: u64(10),
  /** Vector registers, 64 bytes each: zmm0..zmm31. */
  zmm: { size: 64, count: 32 },
  /** AVX-512 mask registers. */
  opmask: u64(8),
  /** Where page-crossing and device accesses are assembled for generated code. */
  bounce: { size: 64, count: 2 },
  /** Operands and results between generated code and TypeScript helpers: 64-bit values, and vectors behind the first four. */
  helperArgs: u64(20),
  /** Shadow-stack pointer. */
  ssp: u64(),
  /** IA32_S_CET, IA32_U_CET. */
  cetControl: u64(2),
  /** IA32_PL0_SSP .. IA32_PL3_SSP. */
  privilegeSsp: u64(4),
  /** IA32_INTERRUPT_SSP_TABLE_ADDR. */
  interruptSspTable: u64(),
  /** IA32_XSS: supervisor state components that XSAVES and XRSTORS may move. */
  xss: u64(),
  /** What of control-flow enforcement is on at the current privilege, see ENFORCED in cet/controls.ts; while CR4.CET is set. */
  enforcement: u32(),
  /** Vectors between the records of one EVEX instruction; registers of the vector file as far as records are concerned. */
  vectorScratch: { size: 64, count: 3 },
  /** What the slow path of floating point is told of the EVEX instruction it works for, see EVEX_CONTROL; 0: none. */
  evexControl: u32(),
  /** Exceptions of an EVEX instruction's parts so far. */
  evexExceptions: u32(),
  /** MXCSR as it was before the instruction's own rounding took its place. */
  evexMxcsr: u32(),
} as const satisfies Readonly<Record<string, Field>>;

/** Name of a field of CPU state. */
export type FieldName = keyof typeof FIELDS;

/** Address of CPU state in the WebAssembly memory; below it nothing, so that address 0 is never a valid pointer. */
export const STATE_BASE = 0x1000;

function place(): { at: Record<FieldName, number>; end: number } {
  const at: Partial<Record<FieldName, number>> = {};
  let offset = STATE_BASE;
  for (const [name, { size, count }] of Object.entries(FIELDS)) {
    offset = Math.ceil(offset / size) * size;
    at[name as FieldName] = offset;
    offset += size * count;
  }
  // The copy is a plain object of constants to V8, where one grown name by name is a hash table: `AT.rip` costs nothing.
  return { at: { ...(at as Record<FieldName, number>) }, end: offset };
}
const placed = place();

/** Byte address of each field in the WebAssembly memory. */
export const AT: Readonly<Record<FieldName, number>> = placed.at;
/** First byte after CPU state. */
export const STATE_END: number = placed.end;
/** Bytes of one element of each field. */
export const ELEMENT_SIZE: Readonly<Record<FieldName, number>> = Object.fromEntries(
  Object.entries(FIELDS).map(([name, { size }]) => [name, size]),
) as Record<FieldName, number>;

/** General registers by number. */
export const GPR = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
  /** Always zero: the base or index of an address that has none. */
  zero: 16,
  /** rip of byte 0 of the current code page: the base of rip-relative addresses. */
  pageRip: 17,
} as const;

/** Why generated code returned to TypeScript. */
export const EXIT = {
  /** Fuel used up; `rip` is the next instruction. */
  fuel: 0,
  /** `pendingVector` is set; `rip` is the faulting instruction. */
  exception: 1,
  /** A helper asked for the run loop (HLT, mode change, step); `rip` is the next instruction. */
  helper: 2,
} as const;
