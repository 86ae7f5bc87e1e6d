import type { OperandSize } from "../emit/shape.ts";
import type { EvexForm } from "../instructions/evex-form.ts";
import { SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import type { ImmediateKind, ParsedRow } from "./encoding.ts";
import { clearEvexBits, type EvexBits, noEvexBits } from "./evex-prefix.ts";
import { type OpcodeMap, selectRow } from "./opcode-map.ts";

/** Longest instruction; longer ones are #GP(0). SDM vol. 2A, "Instruction Format". */
export const MAX_INSN_BYTES = 15;

/** Outcome of {@link InsnBytes.parse}. */
export const PARSED = {
  ok: 0,
  /** The bytes end inside the instruction. */
  truncated: 1,
  /** More than 15 bytes. */
  tooLong: 2,
} as const;

/** log2-free description of one register-indirect address form of 16-bit code. SDM vol. 2A, "16-Bit Addressing Forms". */
const FORMS_16 = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, 16],
  [7, 16],
  [5, 16],
  [3, 16],
] as const;
/** Numbers of opcode maps: those behind VEX and EVEX prefixes, and one that is empty. */
const VEX_MAP = 4;
const EVEX_MAP = 8;
const NO_MAP = 4;
/** More than any map that a prefix can name. */
const NO_FIELDS = 32;
const NONE = 16;
const PAGE_RIP = 17;

/**
 * One instruction taken apart: prefixes, row, ModRM, displacement, immediate. Reused for each instruction; after
 * `parse` said ok, the fields describe it. A row of undefined is #UD.
 */
export class InsnBytes {
  row: ParsedRow | undefined;
  length = 0;
  /** Bytes of prefixes, opcode, ModRM and SIB, and of the displacement. */
  headLength = 0;
  displacementLength = 0;
  opsize: OperandSize = 32;
  asize: OperandSize = 32;
  lock = false;
  /** 0xf2, 0xf3 or 0. */
  repeat = 0;
  rex = 0;
  modrm = 0;
  /** The instruction has a VEX prefix; `rex` and `repeat` then say what it says. */
  vex = false;
  /** The prefix is EVEX, of which these bits say more. */
  isEvex = false;
  readonly evex: EvexBits = noEvexBits();
  /** Register number in VEX.vvvv. */
  vvvv = 0;
  opcode = 0;
  /** The operand in ModRM.rm is memory: base, index (general register numbers, 16: none, 17: rip) and the rest. */
  isMemory = false;
  base = NONE;
  index = NONE;
  scale = 0;
  displacement = 0;
  /** SEGMENT of the memory operand, prefixes considered. */
  segment: number = SEGMENT.ds;
  /** A segment prefix was given. */
  segmentPrefix = -1;
  /** The last segment prefix was 3E. */
  noTrack = false;
  /** Low 32 bits, sign-extended by kind, and the high ones. */
  immediateLow = 0;
  immediateHigh = 0;

  readonly #map: OpcodeMap;
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;
  #at = 0;
  #end = 0;
  #operandPrefix = false;
  #addressPrefix = false;
  #code64 = false;
  #ranOut = false;
  #vexL = 0;
  #vexW = 0;
  /** Any row of the opcode, for what they have in common. */
  #shape: ParsedRow | undefined;
  readonly #context = {
    repeat: 0,
    operandPrefix: false,
    rexR: false,
    rexB: false,
    code64: false,
    realAddressing: false,
    enforced: false,
    awaitsEndbranch: false,
    vexL: 0,
    vexW: 0,
    vvvv: 0,
    wideVectors: false,
    evex: this.evex,
  };

  constructor(map: OpcodeMap) {
    this.#map = map;
  }

  /** The instruction is in 64-bit mode. */
  get code64(): boolean {
    return this.#code64;
  }

  /** Reads the instruction at `bytes[at]`; bytes from `end` on do not exist. */
  parse(bytes: Uint8Array, at: number, end: number, mode: number): number {
    this.#bytes = bytes;
    this.#start = this.#at = at;
    this.#end = Math.min(end, at + MAX_INSN_BYTES);
    this.#ranOut = false;
    this.#code64 = (mode & MODE.codeSizeMask) === MODE.code64;
    this.base = this.index = NONE;
    this.scale = this.displacement = 0;
    this.#prefixes();
    this.#opcode(mode);
    this.headLength = this.#at - at;
    this.displacementLength = 0;
    if (this.row !== undefined) {
      this.#sizes(mode);
      if (this.row.hasModrm) this.#modrm(this.row);
      this.#immediates(this.row.immediates);
      this.#refuseLock();
    } else if (this.vex || this.#shape?.hasModrm) this.#skipUndefined(mode);
    this.length = this.#at - at;
    if (!this.#ranOut) return PARSED.ok;
    return end - at >= MAX_INSN_BYTES ? PARSED.tooLong : PARSED.truncated;
  }

  #byte(): number {
    if (this.#at < this.#end) return this.#bytes[this.#at++] as number;
    this.#ranOut = true;
    return 0;
  }

  #prefixes(): void {
    this.lock = this.#operandPrefix = this.#addressPrefix = false;
    this.repeat = this.rex = this.vvvv = this.#vexL = this.#vexW = 0;
    clearEvexBits(this.evex);
    this.segmentPrefix = -1;
    this.noTrack = false;
    for (;;) {
      const byte = this.#byte();
      if (this.#ranOut) return;
      if (this.#code64 && (byte & 0xf0) === 0x40) {
        this.rex = byte;
        continue;
      }
      if (!this.#legacyPrefix(byte)) break;
      // A REX prefix counts only right before the opcode.
      this.rex = 0;
    }
    this.#at--;
  }

  #legacyPrefix(byte: number): boolean {
    switch (byte) {
      case 0x66:
        this.#operandPrefix = true;
        return true;
      case 0x67:
        this.#addressPrefix = true;
        return true;
      case 0xf0:
        this.lock = true;
        return true;
      case 0xf2:
      case 0xf3:
        this.repeat = byte;
        return true;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        this.noTrack = byte === 0x3e;
        // In 64-bit mode these name segments without base: ignored.
        if (!this.#code64) this.segmentPrefix = (byte >> 3) & 3;
        return true;
      case 0x64:
      case 0x65:
        this.noTrack = false;
        this.segmentPrefix = byte - 0x64 + SEGMENT.fs;
        return true;
      default:
        return false;
    }
  }

  #opcode(mode: number): void {
    let map = 0;
    let opcode = this.#byte();
    this.isEvex = this.#startsEvex(opcode, mode);
    this.vex = this.isEvex || this.#startsVex(opcode, mode);
    if (this.vex) {
      const legal = this.#legalBeforeVex();
      const fields = this.isEvex ? this.#evexFields() : this.#vexFields(opcode);
      opcode = this.#byte();
      map = fields > 3 ? NO_MAP : (this.isEvex ? EVEX_MAP : VEX_MAP) + fields;
      this.#shape = this.#map.candidates(map, opcode)[0];
      if (!legal) map = NO_MAP;
    } else if (opcode === 0x0f) {
      map = 1;
      opcode = this.#byte();
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? 2 : 3;
        opcode = this.#byte();
      }
    }
    this.opcode = opcode;
    const candidates = this.#map.candidates(map, opcode);
    if (!this.vex) this.#shape = map === 0 ? undefined : candidates[0];
    const context = this.#context;
    context.repeat = this.repeat;
    context.operandPrefix = this.#operandPrefix;
    context.rexR = (this.rex & 4) !== 0;
    context.rexB = (this.rex & 1) !== 0;
    context.code64 = this.#code64;
    context.realAddressing = (mode & MODE.realAddressing) !== 0;
    context.enforced = (mode & MODE.enforced) !== 0;
    context.awaitsEndbranch = (mode & MODE.awaitsEndbranch) !== 0;
    context.vexL = this.#vexL;
    context.vexW = this.#vexW;
    context.vvvv = this.vvvv;
    context.wideVectors = (mode & MODE.wideVectors) !== 0;
    if (this.isEvex) this.#evexLength();
    const hasModrm = candidates.length > 0 && (candidates[0] as ParsedRow).hasModrm;
    if (hasModrm && this.#at >= this.#end) this.#ranOut = true;
    this.row = selectRow(candidates, this.#bytes[this.#at] ?? 0, context);
  }

  /** C4 and C5 are LES and LDS outside 64-bit mode, unless ModRM would name a register; always where VEX is not known. */
  #startsVex(opcode: number, mode: number): boolean {
    if (opcode !== 0xc4 && opcode !== 0xc5) return false;
    if (this.#code64) return true;
    return (mode & MODE.realAddressing) === 0 && (this.#bytes[this.#at] ?? 0) >= 0xc0;
  }

  /** 62 is BOUND outside 64-bit mode, unless its ModRM would name a register. */
  #startsEvex(opcode: number, mode: number): boolean {
    if (opcode !== 0x62) return false;
    if (this.#code64) return true;
    return (mode & MODE.realAddressing) === 0 && (this.#bytes[this.#at] ?? 0) >= 0xc0;
  }

  /**
   * Reads the rest of an EVEX prefix as if a VEX prefix had been given. @returns the opcode map, 4 and more: there is none.
   * Outside 64-bit mode there are eight registers, and the bits that would name others are ignored.
   */
  #evexFields(): number {
    const { evex } = this;
    const [first, second, third] = [this.#byte(), this.#byte(), this.#byte()];
    const inverted = ~first & 0xff;
    this.rex = (inverted >> 5) | ((second >> 4) & 8);
    this.vvvv = (~second >> 3) & 15;
    this.#vexW = second >> 7;
    this.#operandPrefix = (second & 3) === 1;
    this.repeat = [0, 0, 0xf3, 0xf2][second & 3] as number;
    evex.mask = third & 7;
    evex.zeroes = (third & 0x80) !== 0;
    evex.b = (third & 0x10) !== 0;
    evex.length = (third >> 5) & 3;
    evex.regHigh = inverted & 0x10;
    evex.rmHigh = (inverted >> 2) & 0x10;
    evex.vvvvHigh = (~third << 1) & 0x10;
    if (!this.#code64) {
      this.rex = evex.regHigh = evex.rmHigh = 0;
      this.vvvv &= 7;
    }
    const legal = (first & 8) === 0 && (second & 4) !== 0 && (this.#code64 || evex.vvvvHigh === 0);
    return legal && (first & 7) !== 0 ? first & 7 : NO_FIELDS;
  }

  /** EVEX.b between registers makes the vectors 512 bits long; L'L then is the rounding. */
  #evexLength(): void {
    const { evex } = this;
    const register = (this.#bytes[this.#at] ?? 0) >= 0xc0;
    this.#context.vexL = evex.b && register ? 2 : evex.length;
  }

  #legalBeforeVex(): boolean {
    return this.rex === 0 && this.repeat === 0 && !this.#operandPrefix && !this.lock;
  }

  /** Reads the rest of a VEX prefix as if REX and mandatory prefix had been given. @returns the opcode map. */
  #vexFields(first: number): number {
    const second = this.#byte();
    const long = first === 0xc4;
    const last = long ? this.#byte() : second;
    const inverted = ~second & 0xff;
    this.rex = ((inverted >> 5) & 4) | (long ? ((inverted >> 5) & 3) | ((last >> 4) & 8) : 0);
    this.vvvv = (~last >> 3) & 15;
    this.#vexL = (last >> 2) & 1;
    this.#vexW = long ? last >> 7 : 0;
    this.#operandPrefix = (last & 3) === 1;
    this.repeat = [0, 0, 0xf3, 0xf2][last & 3] as number;
    if (!this.#code64) {
      this.rex = 0;
      this.vvvv &= 7;
    }
    return long ? second & 31 : 1;
  }

  #sizes(mode: number): void {
    const row = (this.row as ParsedRow).row;
    const code32 = (mode & MODE.codeSizeMask) === MODE.code32;
    this.asize = this.#addressSize(code32);
    if (this.#code64) {
      if (this.vex) this.opsize = (this.rex & 8) !== 0 ? 64 : 32;
      else if (row.f64 || (this.rex & 8) !== 0) this.opsize = 64;
      else if (this.#operandPrefix) this.opsize = 16;
      else this.opsize = row.d64 ? 64 : 32;
    } else {
      this.opsize = this.vex || this.#operandPrefix !== code32 ? 32 : 16;
    }
  }

  /** Length goes by map and opcode: all of the instruction is fetched before its prefixes or ModRM make it #UD. */
  #skipUndefined(mode: number): void {
    const shape = this.#shape;
    if (shape?.hasModrm === false) return;
    this.asize = this.#addressSize((mode & MODE.codeSizeMask) === MODE.code32);
    this.#modrm(shape);
    this.#immediates(shape?.immediates ?? []);
  }

  #addressSize(code32: boolean): OperandSize {
    if (this.#code64) return this.#addressPrefix ? 32 : 64;
    return this.#addressPrefix !== code32 ? 32 : 16;
  }

  #modrm(parsed: ParsedRow | undefined): void {
    const modrm = this.#byte();
    this.modrm = modrm;
    this.headLength = this.#at - this.#start;
    this.isMemory = modrm < 0xc0 && !parsed?.ignoresMod;
    if (!this.isMemory) return;
    if (this.asize === 16) this.#address16(modrm);
    else this.#address32(modrm, parsed?.row.vsib === true);
    this.displacementLength = this.#at - this.#start - this.headLength;
    if (parsed?.row.evex !== undefined && modrm >> 6 === 1)
      this.displacement *= this.#displacementUnit(parsed.row.evex);
    const stack = this.base === 4 || this.base === 5;
    this.segment = this.segmentPrefix >= 0 ? this.segmentPrefix : stack ? SEGMENT.ss : SEGMENT.ds;
  }

  /** disp8 counts in what is accessed. SDM vol. 2A, "Compressed Displacement (disp8*N) Support in EVEX". */
  #displacementUnit(form: EvexForm): number {
    return this.evex.b ? form.broadcast : form.memoryBytes;
  }

  #address16(modrm: number): void {
    const mod = modrm >> 6;
    const rm = modrm & 7;
    if (mod === 0 && rm === 6) {
      this.displacement = this.#word();
      return;
    }
    [this.base, this.index] = FORMS_16[rm] as [number, number];
    if (mod === 1) this.displacement = this.#signedByte();
    else if (mod === 2) this.displacement = this.#word();
  }

  #address32(modrm: number, vsib: boolean): void {
    const mod = modrm >> 6;
    const rm = modrm & 7;
    const baseHigh = (this.rex & 1) << 3;
    if (rm === 4) {
      const sib = this.#byte();
      this.headLength++;
      const index = ((sib >> 3) & 7) | ((this.rex & 2) << 2) | (vsib ? this.evex.vvvvHigh : 0);
      // A vector register as index may be any.
      if (index !== 4 || vsib) {
        this.index = index;
        this.scale = sib >> 6;
      }
      if ((sib & 7) === 5 && mod === 0) {
        this.displacement = this.#dword();
        return;
      }
      this.base = (sib & 7) | baseHigh;
    } else if (rm === 5 && mod === 0) {
      this.displacement = this.#dword();
      if (this.#code64) this.base = PAGE_RIP;
      return;
    } else this.base = rm | baseHigh;
    if (mod === 1) this.displacement = this.#signedByte();
    else if (mod === 2) this.displacement = this.#dword();
  }

  #immediates(kinds: readonly ImmediateKind[]): void {
    this.immediateLow = this.immediateHigh = 0;
    if (kinds.length === 0) return;
    if (kinds.length === 2) {
      // ENTER: iw ib, packed as size | level << 16.
      const size = this.#word() & 0xffff;
      this.immediateLow = size | (this.#byte() << 16);
      return;
    }
    this.#immediate(kinds[0] as ImmediateKind);
  }

  #immediate(kind: ImmediateKind): void {
    if (kind === "p") {
      this.immediateLow = this.opsize === 16 ? this.#word() & 0xffff : this.#dword();
      this.immediateHigh = this.#word() & 0xffff;
      return;
    }
    if (kind === "b") this.immediateLow = this.#signedByte();
    else if (kind === "w" || (kind !== "d" && kind !== "o" && this.opsize === 16)) this.immediateLow = this.#word();
    else if (kind === "o" && this.asize === 16) {
      this.immediateLow = this.#word() & 0xffff;
      return;
    } else this.immediateLow = this.#dword();
    const wide = (kind === "v" && this.opsize === 64) || (kind === "o" && this.asize === 64);
    this.immediateHigh = wide ? this.#dword() : kind === "o" ? 0 : this.immediateLow >> 31;
  }

  /** LOCK is #UD on anything but a locked form with a memory destination. */
  #refuseLock(): void {
    const row = (this.row as ParsedRow).row;
    if (this.lock && !(row.lock && this.isMemory)) this.row = undefined;
  }

  #signedByte(): number {
    return (this.#byte() << 24) >> 24;
  }

  #word(): number {
    const low = this.#byte();
    return ((low | (this.#byte() << 8)) << 16) >> 16;
  }

  #dword(): number {
    const low = this.#word() & 0xffff;
    return low | (this.#word() << 16);
  }
}
