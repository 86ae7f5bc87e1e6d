import type { Row } from "../instructions/row.ts";
import { type ParsedRow, parseEncoding } from "./encoding.ts";
import { type EvexBits, fitsEvex } from "./evex-prefix.ts";

/** What of an instruction's bytes chooses its row, besides map and opcode. */
export interface OpcodeContext {
  /** Last of F2 and F3, or 0. */
  readonly repeat: number;
  readonly operandPrefix: boolean;
  /** REX.R, which extends ModRM.reg. */
  readonly rexR: boolean;
  /** REX.B, which extends a register in the opcode. */
  readonly rexB: boolean;
  readonly code64: boolean;
  readonly realAddressing: boolean;
  /** Control flow is enforced; ENDBRANCH has to be next. */
  readonly enforced: boolean;
  readonly awaitsEndbranch: boolean;
  /** With a VEX prefix: L, W, and the register in vvvv. */
  readonly vexL: number;
  readonly vexW: number;
  readonly vvvv: number;
  /** AVX-512 state is enabled. */
  readonly wideVectors: boolean;
  /** What an EVEX prefix says beside that. */
  readonly evex: EvexBits;
}

const MAPS = 12;
const NO_ROWS: readonly ParsedRow[] = [];

/** Rows by map and opcode, each list in order of preference: mandatory prefix first. */
export class OpcodeMap {
  readonly #lists: (readonly ParsedRow[])[] = new Array(MAPS * 256).fill(NO_ROWS);
  readonly parsed: readonly ParsedRow[];

  /** @param hasFeature rows with a CPUID feature that is off are left out. */
  constructor(rows: readonly Row[], hasFeature: (name: string) => boolean = () => true) {
    this.parsed = rows
      .filter((row) => row.cpuid === undefined || hasFeature(row.cpuid))
      .filter((row) => row.alsoCpuid === undefined || hasFeature(row.alsoCpuid))
      .map((row) => parseEncoding(row));
    const lists = new Map<number, ParsedRow[]>();
    for (const parsed of this.parsed)
      for (let i = 0; i < (parsed.plusRegister ? 8 : 1); i++) {
        const at = parsed.map * 256 + parsed.opcode + i;
        const list = lists.get(at);
        if (list === undefined) lists.set(at, [parsed]);
        else list.push(parsed);
      }
    for (const [at, list] of lists) this.#lists[at] = list.sort((a, b) => rank(a) - rank(b));
  }

  /** For those who change rows, once: it takes longer than to make the map. @throws Error if two rows claim the same bytes. */
  refuseOverlaps(): void {
    for (const list of new Set(this.#lists)) refuseOverlap(list);
  }

  /** All rows of one opcode. */
  candidates(map: number, opcode: number): readonly ParsedRow[] {
    return this.#lists[map * 256 + opcode] as readonly ParsedRow[];
  }
}

/** The first candidate that fits, or undefined: #UD. @param modrm the byte after the opcode, whether or not it is one. */
export function selectRow(
  candidates: readonly ParsedRow[],
  modrm: number,
  context: OpcodeContext,
): ParsedRow | undefined {
  for (const parsed of candidates)
    if (fitsBytes(parsed, modrm, context) && fitsMode(parsed.row, context)) return parsed;
  return undefined;
}

function fitsBytes(parsed: ParsedRow, modrm: number, context: OpcodeContext): boolean {
  if (parsed.prefix === 0x66) {
    if (!context.operandPrefix || context.repeat !== 0) return false;
  } else if (parsed.prefix !== undefined && parsed.prefix !== context.repeat) return false;
  if (parsed.row.no66 && context.operandPrefix) return false;
  // A fixed register among `+r` rows is number 0 of eight: 90 is NOP, but 41 90 exchanges r8 and rAX.
  if (context.rexB && !parsed.plusRegister && !parsed.hasModrm && parsed.map === 0 && parsed.opcode === 0x90)
    return false;
  if (parsed.map >= 4 && !fitsVex(parsed, context)) return false;
  if (parsed.row.evex !== undefined && !fitsEvex(parsed, parsed.row.evex, modrm, context)) return false;
  if (!parsed.hasModrm) return true;
  if (parsed.digit !== undefined && ((modrm >> 3) & 7) !== parsed.digit) return false;
  if (parsed.rm !== "any" && modrm >= 0xc0 !== (parsed.rm === "register")) return false;
  return modrm >= parsed.modrmFirst && modrm <= parsed.modrmLast;
}

function fitsVex(parsed: ParsedRow, context: OpcodeContext): boolean {
  if (parsed.vexL !== undefined && parsed.vexL !== context.vexL) return false;
  if (parsed.vexW !== undefined && parsed.vexW !== vexWOf(parsed, context)) return false;
  // pp is a field and always says something: a row that names no prefix is of pp 0. SDM vol. 2A, "VEX.pp".
  if ((parsed.prefix ?? 0) === 0 && (context.operandPrefix || context.repeat !== 0)) return false;
  if (!parsed.usesVvvv && context.vvvv !== 0) return false;
  return !parsed.row.wideVectors || fitsMasks(parsed, context);
}

/** SDM vol. 2, VCVTUSI2SD and its kin: "EVEX.W1 in non-64 bit is ignored; the instructions behaves as if the W0 version is used". */
const vexWOf = ({ row }: ParsedRow, { code64, vexW }: OpcodeContext): number => (row.sizedByW && !code64 ? 0 : vexW);

/** There are eight mask registers. */
function fitsMasks({ row: { operands } }: ParsedRow, context: OpcodeContext): boolean {
  if (context.rexR && operands.some((code) => code[0] === "K")) return false;
  return context.vvvv < 8 || !operands.some((code) => code[0] === "T");
}

function fitsMode(row: Row, context: OpcodeContext): boolean {
  if (row.i64 && context.code64) return false;
  if (row.o64 && !context.code64) return false;
  if (row.enforced && !(row.enforced === "awaited" ? context.awaitsEndbranch : context.enforced)) return false;
  if (row.wideVectors && !context.wideVectors) return false;
  return !(row.protectedOnly && context.realAddressing);
}

/** Rows that ask for more come first. */
function rank(parsed: ParsedRow): number {
  const { enforced } = parsed.row;
  let rank = enforced === "awaited" ? 0 : enforced ? 32 : 64;
  if (parsed.plusRegister) rank += 16;
  if (parsed.prefix === undefined) rank += 8;
  else if (parsed.prefix === 0) rank += 4;
  if (parsed.modrmFirst === 0 && parsed.modrmLast === 0xff) rank += 2;
  if (parsed.digit === undefined) rank += 1;
  return rank;
}

function refuseOverlap(list: readonly ParsedRow[]): void {
  for (const [i, a] of list.entries())
    for (const b of list.slice(i + 1))
      if (overlap(a, b))
        throw new Error(`rows overlap: ${a.row.mnemonic} ${a.row.encoding} and ${b.row.mnemonic} ${b.row.encoding}`);
}

function overlap(a: ParsedRow, b: ParsedRow): boolean {
  if (a.prefix !== b.prefix || a.rm !== b.rm) return false;
  if (a.plusRegister !== b.plusRegister) return false;
  if (a.vexL !== b.vexL || a.vexW !== b.vexW) return false;
  if (a.digit !== b.digit || a.modrmFirst > b.modrmLast || b.modrmFirst > a.modrmLast) return false;
  if (a.modrmLast - a.modrmFirst !== b.modrmLast - b.modrmFirst) return false;
  const disjointModes = (a.row.i64 && b.row.o64) || (a.row.o64 && b.row.i64);
  const features = a.row.cpuid !== b.row.cpuid;
  const enforcement = a.row.enforced !== b.row.enforced;
  return !disjointModes && !features && !enforcement;
}
