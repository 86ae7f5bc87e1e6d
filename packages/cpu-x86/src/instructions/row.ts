import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import type { EvexForm } from "./evex-form.ts";

/** What one instruction does: the manual's Operation section, said once for interpreter and translator. */
export type Semantics = (b: X86Builder, ...operands: Operand[]) => void;

type Size =
  | "b"
  | "w"
  | "d"
  | "q"
  | "v"
  | "z"
  | "y"
  | "dq"
  | "qq"
  | "x"
  | "p"
  | "s"
  | "ps"
  | "pd"
  | "ss"
  | "sd"
  | "pi"
  | "t"
  | "";
/**
 * Operand codes of SDM vol. 2D, "Key to Abbreviations": addressing method and size. C D control and debug register,
 * E general register or memory, G general register, I immediate, J branch offset, M memory, N Q P MMX, O absolute
 * offset, R general register in rm, S segment register, U V W vector, X Y strings, H VEX.vvvv vector, B VEX.vvvv
 * general, L vector in bits 7:4 of the immediate; Z is the register in the opcode's low bits. Fixed registers are written
 * out; `rAX` has the operand size. Mask registers, which have no letter there: K in ModRM.reg, F in ModRM.rm, T in VEX.vvvv. Sizes `x`, `ps` and `pd` are 256 bits in rows with VEX.256, else 128.
 */
export type OperandCode =
  | `${"A" | "B" | "C" | "D" | "E" | "F" | "G" | "H" | "I" | "J" | "K" | "L" | "M" | "N" | "O" | "P" | "Q" | "R" | "S" | "T" | "U" | "V" | "W" | "X" | "Y" | "Z"}${Size}`
  | "AL"
  | "CL"
  | "AX"
  | "DX"
  | "rAX"
  | "1"
  | "ES"
  | "CS"
  | "SS"
  | "DS"
  | "FS"
  | "GS"
  | "ST0"
  | "STi";

/**
 * The unit an instruction belongs to, `mmx-sse` to both; `x87-no-wait` does not look for pending exceptions, `wait` does
 * nothing else.
 */
export type FpuUse = "x87" | "x87-no-wait" | "mmx" | "sse" | "mmx-sse" | "avx" | "wait";

/** What holds for a row beside its operands. */
export interface RowOptions {
  /** LOCK is allowed (with a memory destination). */
  readonly lock?: true;
  /** In 64-bit mode the operand size is 64 unless 66 makes it 16. */
  readonly d64?: true;
  /** In 64-bit mode the operand size is 64 whatever the prefixes say. */
  readonly f64?: true;
  /** #UD in 64-bit mode. */
  readonly i64?: true;
  /** Only in 64-bit mode. */
  readonly o64?: true;
  /** #GP(0) unless CPL is 0. */
  readonly cpl0?: true;
  /** #UD unless CR4.OSXSAVE, which comes before the privilege. */
  readonly osxsave?: true;
  /** CPUID feature without which the opcode is #UD; names as in cpuid/models.ts. */
  readonly cpuid?: string;
  /** The handler depends on a REP prefix: 'rep' ignores which, 'repz' tells REPE from REPNE. */
  readonly rep?: "rep" | "repz";
  /** The semantics look at the operand size though no operand has it in its code. */
  readonly opsize?: true;
  /** The semantics look at the address size. */
  readonly asize?: true;
  /** Address records of this row leave the plain offset, unchecked; the semantics deal with the segment themselves. */
  readonly offsetOnly?: true;
  /** The semantics use the stack. */
  readonly stack?: true;
  /** What follows: 'branch' may leave or go on, 'jump' never goes on. */
  readonly flow?: "branch" | "jump";
  /** It tells the time, or a device that may: how many instructions there were has to be known to one. */
  readonly readsClock?: true;
  /** A repeated part may be committed before the rest faults. */
  readonly restartable?: true;
  /** Real-address and virtual-8086 mode: #UD. */
  readonly protectedOnly?: true;
  /** With the prefix 66 it is #UD: NP in the manual's sense, for opcodes that are not taken by others then. */
  readonly no66?: true;
  /**
   * Only while control flow is enforced (MODE.enforced), in place of another row; `awaited`: only where ENDBRANCH has to follow,
   * which this row is.
   */
  readonly enforced?: true | "awaited";
  /** The prefix NOTRACK counts: where it stands the immediate is 1. */
  readonly noTrack?: true;
  /** Which of CR0.EM, CR0.TS and CR4.OSFXSR make it #UD or #NM, and whether a pending x87 exception makes it #MF. */
  readonly fpu?: FpuUse;
  /** Memory operands of 128 and 256 bits must be aligned to their size (#GP). */
  readonly aligned?: true;
  /** The index of the memory operand is a vector register; the semantics form the addresses. */
  readonly vsib?: true;
  /** W of VEX or EVEX is the size of a general register: outside 64-bit code it is ignored. */
  readonly sizedByW?: true;
  /** #UD unless AVX-512 state is enabled. */
  readonly wideVectors?: true;
  /** A second CPUID feature without which the opcode is #UD. */
  readonly alsoCpuid?: string;
}

/** One line of the instruction tables. */
export interface Row extends RowOptions {
  /**
   * As in the manual: `[NP|66|F2|F3] [0F|0F 38|0F 3A] op [/r|/0../7|+r] [modrm byte|modrm byte+i] [ib|iw|iz|...]`, or
   * `[VEX|EVEX].[128|256|512|LIG].[NP|66|F2|F3].[0F|0F38|0F3A].[W0|W1|WIG]` in front of the opcode.
   */
  readonly encoding: string;
  readonly mnemonic: string;
  readonly operands: readonly OperandCode[];
  readonly semantics: Semantics;
  /** With an EVEX prefix: how the instruction is put together. */
  readonly evex?: EvexForm;
}

/** Whether the instruction has a VEX prefix. */
export const isVex = ({ encoding }: Row): boolean => encoding.startsWith("VEX.");

/** Makes a row. */
export const row = (
  encoding: string,
  mnemonic: string,
  operands: readonly OperandCode[],
  semantics: Semantics,
  options: RowOptions = {},
): Row => ({ encoding, mnemonic, operands, semantics, ...options });
