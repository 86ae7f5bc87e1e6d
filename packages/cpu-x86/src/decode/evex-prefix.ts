// The EVEX prefix: what its bits are, and which of them an instruction admits. SDM vol. 2A, "Intel AVX-512 Encoding", "EVEX
// Encoding and Rules".
import type { EvexForm } from "../instructions/evex-form.ts";
import type { ParsedRow } from "./encoding.ts";
import type { OpcodeContext } from "./opcode-map.ts";

/** Bits of an EVEX prefix that VEX does not have. */
export interface EvexBits {
  /** Number of the mask register (EVEX.aaa); 0: no mask. */
  mask: number;
  /** Elements that are masked off become zero (EVEX.z). */
  zeroes: boolean;
  /** EVEX.b: broadcast of a memory operand, or rounding and suppressed exceptions between registers. */
  b: boolean;
  /** EVEX.L'L: the length, or with EVEX.b between registers the rounding. */
  length: number;
  /** Bit 4 of the registers in ModRM.reg, in ModRM.rm and in vvvv, as 16 or 0. */
  regHigh: number;
  rmHigh: number;
  vvvvHigh: number;
}

/** Without an EVEX prefix. */
export const noEvexBits = (): EvexBits => ({
  mask: 0,
  zeroes: false,
  b: false,
  length: 0,
  regHigh: 0,
  rmHigh: 0,
  vvvvHigh: 0,
});

/** Sets all bits as they are without an EVEX prefix. */
export function clearEvexBits(bits: EvexBits): void {
  bits.mask = bits.length = bits.regHigh = bits.rmHigh = bits.vvvvHigh = 0;
  bits.zeroes = bits.b = false;
}

/** Whether an instruction may have such a prefix in front of such a ModRM byte. */
export function fitsEvex(parsed: ParsedRow, form: EvexForm, modrm: number, context: OpcodeContext): boolean {
  const { evex } = context;
  const memory = modrm < 0xc0;
  if (evex.b && (memory ? form.broadcast === 0 : form.rounding === undefined)) return false;
  // A vector as index needs a SIB byte.
  if (parsed.row.vsib && (!memory || (modrm & 7) !== 4)) return false;
  if (!evex.b && evex.length === 3) return false;
  if (!parsed.usesVvvv && !parsed.row.vsib && evex.vvvvHigh !== 0) return false;
  return fitsMasking(form, evex, memory) && fitsRegister(parsed, evex);
}

function fitsMasking(form: EvexForm, evex: EvexBits, memory: boolean): boolean {
  switch (form.masking) {
    case "none":
      return evex.mask === 0 && !evex.zeroes;
    case "merges":
      return !evex.zeroes;
    case "needed":
      return evex.mask !== 0 && !evex.zeroes;
    case "any":
      // A store has nothing to zero.
      return !evex.zeroes || (evex.mask !== 0 && !(memory && form.destination === "rm"));
  }
}

/** General registers and mask registers in ModRM.reg have no bit 4. */
function fitsRegister({ row }: ParsedRow, evex: EvexBits): boolean {
  return evex.regHigh === 0 || !row.operands.some((code) => code[0] === "K" || code[0] === "G");
}
