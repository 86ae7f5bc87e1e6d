import type { Row } from "../instructions/row.ts";

/** Immediate bytes of a row: b w d q fixed, z 16/32, v 16/32/64 by operand size; p far pointer; o absolute offset. */
export type ImmediateKind = "b" | "w" | "d" | "z" | "v" | "p" | "o";

/** A row with its encoding taken apart. */
export interface ParsedRow {
  readonly row: Row;
  /** 0: one-byte opcodes, 1: 0F, 2: 0F 38, 3: 0F 3A; with a VEX prefix 4 more, with EVEX 8. */
  readonly map: number;
  /** VEX.L and VEX.W, where the encoding names them. */
  readonly vexL: number | undefined;
  readonly vexW: number | undefined;
  /** An operand is in VEX.vvvv; otherwise the field must be all ones. */
  readonly usesVvvv: boolean;
  readonly opcode: number;
  /** The low three bits of the opcode are a register. */
  readonly plusRegister: boolean;
  /** Mandatory prefix: 0x66, 0xf2, 0xf3; 0: neither F2 nor F3; undefined: any. */
  readonly prefix: number | undefined;
  readonly hasModrm: boolean;
  /** ModRM.reg, if it is part of the opcode. */
  readonly digit: number | undefined;
  /** First and last ModRM byte, if the whole byte is part of the opcode. */
  readonly modrmFirst: number;
  readonly modrmLast: number;
  /** Moves to and from control and debug registers take ModRM.rm as a register whatever ModRM.mod says. */
  readonly ignoresMod: boolean;
  /** What ModRM.mod must say. */
  readonly rm: "any" | "memory" | "register";
  readonly immediates: readonly ImmediateKind[];
}

const HEX = /^[0-9A-Fa-f]{2}$/;
const MODRM_OPERAND = /^[CDEFGKMNPQRSUVW]/;

/** Takes `row.encoding` apart. @throws Error on notation it does not know: a mistake in our tables. */
export function parseEncoding(row: Row): ParsedRow {
  const tokens = row.encoding.trim().split(/\s+/);
  const fail = (): never => {
    throw new Error(`${row.mnemonic}: cannot read the encoding "${row.encoding}"`);
  };
  let prefix: number | undefined;
  const vex = /^E?VEX\./.test(tokens[0] ?? "") ? parseVex(tokens.shift() as string) : undefined;
  if (vex !== undefined) prefix = vex.prefix;
  else if (/^(NP|66|F2|F3)$/i.test(tokens[0] ?? "") && tokens.length > 1) {
    const token = tokens.shift() as string;
    prefix = token === "NP" ? 0 : Number.parseInt(token, 16);
  }
  const map = vex?.map ?? takeMap(tokens);
  const opcodeToken = tokens.shift() ?? "";
  if (!HEX.test(opcodeToken)) fail();
  let plusRegister = false;
  let digit: number | undefined;
  let modrmFirst = 0;
  let modrmLast = 0xff;
  let hasModrm = row.operands.some((code) => MODRM_OPERAND.test(code) && code.length > 1 && !FIXED.has(code));
  const immediates: ImmediateKind[] = [];
  for (const token of tokens) {
    if (token === "+r") plusRegister = true;
    else if (token === "/r") hasModrm = true;
    else if (/^\/[0-7]$/.test(token)) {
      hasModrm = true;
      digit = Number(token[1]);
    } else if (/^i[bwdzvpo]$/.test(token)) immediates.push(token[1] as ImmediateKind);
    else if (/^[0-9A-Fa-f]{2}(\+i)?$/.test(token)) {
      hasModrm = true;
      modrmFirst = Number.parseInt(token.slice(0, 2), 16);
      modrmLast = modrmFirst + (token.endsWith("+i") ? 7 : 0);
    } else fail();
  }
  for (const code of row.operands) {
    if (code[0] === "O") immediates.push("o");
    else if (code[0] === "A" && code[1] === "p") immediates.push("p");
  }
  const ignoresMod = row.operands.some((code) => /^[CD][a-z]$/.test(code));
  return {
    row,
    map,
    vexL: vex?.vexL,
    vexW: vex?.vexW,
    usesVvvv: row.operands.some((code) => /^[BHT][a-z]+$/.test(code)),
    prefix,
    plusRegister,
    hasModrm,
    digit,
    modrmFirst,
    modrmLast,
    immediates,
    opcode: Number.parseInt(opcodeToken, 16),
    ignoresMod,
    rm: ignoresMod ? "any" : rmConstraint(row),
  };
}

/** Register names that look like operand codes. */
const FIXED: ReadonlySet<string> = new Set(["DX", "CL", "ES", "CS", "SS", "DS", "FS", "GS", "ST0", "STi"]);

const VEX_MAPS: Readonly<Record<string, number>> = { "0F": 5, "0F38": 6, "0F3A": 7 };
const VEX_LENGTHS: Readonly<Record<string, number>> = { LZ: 0, L0: 0, "128": 0, L1: 1, "256": 1, "512": 2 };
/** Opcode maps behind an EVEX prefix are this far from those behind VEX. */
const EVEX_MAPS = 4;
const VEX_PREFIXES: Readonly<Record<string, number>> = { NP: 0, "66": 0x66, F2: 0xf2, F3: 0xf3 };

/** Takes `VEX.128.66.0F.WIG` or `EVEX.512.66.0F.W0` apart. SDM vol. 2A, "Opcode Column in the Instruction Summary Table (Instructions with VEX prefix)". */
function parseVex(token: string): Pick<ParsedRow, "map" | "prefix" | "vexL" | "vexW"> {
  const parts = token.split(".").slice(1);
  const find = (table: Readonly<Record<string, number>>): number | undefined =>
    parts.map((part) => table[part]).find((value) => value !== undefined);
  const map = find(VEX_MAPS);
  if (map === undefined) throw new Error(`"${token}" names no opcode map`);
  const evex = token.startsWith("E") ? EVEX_MAPS : 0;
  return { map: map + evex, prefix: find(VEX_PREFIXES) ?? 0, vexL: find(VEX_LENGTHS), vexW: find({ W0: 0, W1: 1 }) };
}

function takeMap(tokens: string[]): 0 | 1 | 2 | 3 {
  if (tokens[0]?.toUpperCase() !== "0F" || tokens.length < 2) return 0;
  tokens.shift();
  const next = tokens[0];
  if (next !== "38" && next !== "3A") return 1;
  if (!HEX.test(tokens[1] ?? "")) return 1;
  tokens.shift();
  return next === "38" ? 2 : 3;
}

function rmConstraint(row: Row): ParsedRow["rm"] {
  for (const code of row.operands) {
    if (FIXED.has(code)) continue;
    if (code[0] === "M") return "memory";
    if (code[0] === "R" || code[0] === "U" || code[0] === "N" || code[0] === "F") return "register";
  }
  return "any";
}
