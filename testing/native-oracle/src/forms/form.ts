import type { Flavour } from "../cpu-state.ts";
import type { ContentType } from "../environment.ts";
import type { Draft } from "../generate/draft.ts";
import type { FormName } from "../vector.ts";

/** Adjusts a draft after its operands are chosen: implicit operands, values worth trying, values to avoid. */
export type Prepare = (draft: Draft) => void;

export interface FormOptions {
  /** Where the form exists: 'long' in 64-bit code, 'legacy' in 16- and 32-bit code. */
  readonly modes?: "long" | "legacy";
  /** LOCK is allowed when the first operand is memory. */
  readonly lock?: boolean;
  /** A string instruction and the prefixes that repeat it. */
  readonly repeat?: "rep" | "repe";
  /** 64-bit operands by default in 64-bit code, 32-bit ones not at all: stack instructions. */
  readonly default64?: boolean;
  /**
   * Near branch: as `default64`, and never 66 in 64-bit code, where Intel ignores it and AMD does not
   * (APM vol. 3, "Near Branches in 64-Bit Mode").
   */
  readonly branch?: boolean;
  /** REX.W is left out: AMD ignores it on far pointers in memory (APM vol. 3, "JMP (Far)"). */
  readonly noRexW?: boolean;
  /** The operand size matters although no operand says so: CBW, PUSHA. */
  readonly sized?: boolean;
  /** Uses the stack: runs with the other stack width too. */
  readonly stack?: boolean;
  /** What the memory operand holds when its code does not tell. */
  readonly content?: ContentType;
  /** The memory operand may be anywhere although it is 16 bytes long: MOVDQU. */
  readonly unaligned?: boolean;
  /** With VEX memory operands may be anywhere, but not this one: VMOVAPS. */
  readonly aligned?: boolean;
  /** The memory operand can always be read and written: makers differ in how its fault looks. */
  readonly mapped?: boolean;
  /** No redundant prefixes, and never at a page's end: AMD's UD1 has no ModRM byte. */
  readonly plain?: boolean;
  /** VEX.W is always what the manual says: AMD ignores it in VPERMQ and VPERMPD. */
  readonly fixedW?: boolean;
  /** The memory operand's index is a vector register with indices of so many bytes. */
  readonly vsib?: 4 | 8;
  /** LOCK means something else on some CPUs: AMD's LOCK MOV CR0 is MOV CR8. */
  readonly noLock?: boolean;
  readonly flavour?: Flavour;
  readonly prepare?: Prepare;
}

/** A form and what the generator must know beyond its operand codes. */
export interface Form extends FormName {
  readonly options: FormOptions;
}

/**
 * One line of the manual: `form("01 /r", "ADD Ev,Gv", { lock: true })`. The encoding is the opcode column's: mandatory
 * prefixes and opcode bytes, `+r` or `+i` on the byte that holds a register, `/r` or `/digit`. Operand codes are those
 * of SDM vol. 2D, "Key to Abbreviations"; lower-case words and register names are implicit.
 */
export function form(encoding: string, instruction: string, options: FormOptions = {}): Form {
  const [mnemonic = "", operands = ""] = instruction.split(" ", 2);
  return { encoding, mnemonic, operands: operands === "" ? [] : operands.split(","), options };
}

/** Parts of an encoding string. */
export interface Encoding {
  readonly mandatoryPrefixes: readonly number[];
  readonly rexW: boolean;
  readonly opcode: readonly number[];
  /** The last opcode byte holds a register in its low three bits. */
  readonly registerInOpcode: boolean;
  /** `/r` is 'register', `/digit` the digit. */
  readonly modrm: "register" | number | undefined;
  readonly vex: VexEncoding | undefined;
}

/** What `VEX.256.66.0F38.W0` says, or the same with EVEX, which alone has vectors of 512 bits. Undefined bits are ignored by the CPU, or chosen by the operand size. */
export interface VexEncoding {
  readonly l: 0 | 1 | 2 | undefined;
  readonly w: 0 | 1 | undefined;
  /** W is ignored, not the operand size. */
  readonly ignoresW: boolean;
  /** Number of the mandatory prefix and of the opcode map in the prefix. */
  readonly pp: number;
  readonly map: number;
}

/** @throws Error when `encoding` is not written as {@link form} wants it. */
export function parseEncoding(encoding: string): Encoding {
  const mandatoryPrefixes: number[] = [];
  const opcode: number[] = [];
  let vex: VexEncoding | undefined;
  let rexW = false;
  let registerInOpcode = false;
  let modrm: Encoding["modrm"];
  const tokens = encoding.split(" ");
  for (const [i, token] of tokens.entries()) {
    const byte = Number.parseInt(token, 16);
    if (/^E?VEX\./.test(token)) vex = parseVex(token);
    else if (token === "/r") modrm = "register";
    else if (/^\/[0-7]$/.test(token)) modrm = Number(token[1]);
    else if (token === "REX.W") rexW = true;
    else if (!vex && /^(66|F2|F3)$/.test(token) && opcode.length === 0 && i < tokens.length - 1)
      mandatoryPrefixes.push(byte);
    else if (/^[0-9A-F]{2}(\+[ri])?$/.test(token)) {
      opcode.push(byte);
      registerInOpcode = token.length > 2;
    } else throw new Error(`encoding ${encoding}: ${token} is not understood`);
  }
  return { mandatoryPrefixes, rexW, opcode, registerInOpcode, modrm, vex };
}

/** SDM vol. 2A, "Opcode Column in the Instruction Summary Table (Instructions with VEX prefix)". */
function parseVex(token: string): VexEncoding {
  const parts = new Set(token.split(".").slice(1));
  const has = (...names: string[]): boolean => names.some((name) => parts.has(name));
  return {
    l: has("512") ? 2 : has("256", "L1") ? 1 : has("128", "L0", "LZ") ? 0 : undefined,
    w: has("W1") ? 1 : has("W0") ? 0 : undefined,
    ignoresW: has("WIG"),
    pp: has("66") ? 1 : has("F3") ? 2 : has("F2") ? 3 : 0,
    map: has("0F3A") ? 3 : has("0F38") ? 2 : 1,
  };
}
