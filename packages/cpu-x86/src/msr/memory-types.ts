// PAT and the MTRRs. SDM vol. 3A, "Page Attribute Table (PAT)", "Memory Type Range Registers (MTRRs)". Memory has one
// type here; the registers only keep what is written to them.
import type { Cpu } from "../state/cpu.ts";
import { constant, type Msr, needing, stored } from "./define.ts";

/** PAT after reset: WB WT UC- UC, twice. */
export const PAT_RESET = 0x0007_0406_0007_0406n;
/** Variable ranges in MTRRcap. */
const VARIABLE_RANGES = 8;
/** MTRRcap: variable ranges, fixed ranges (bit 8), write-combining (bit 10). */
const MTRR_CAP = BigInt(VARIABLE_RANGES | (1 << 8) | (1 << 10));

const MTRR_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6]);
/** UC- exists in the PAT only. */
const PAT_TYPES: ReadonlySet<number> = new Set([...MTRR_TYPES, 7]);

/** Every byte of the value is one of `types`. */
function allBytesIn(types: ReadonlySet<number>): (cpu: Cpu, value: bigint) => boolean {
  return (_cpu, value) => {
    for (let rest = value, i = 0; i < 8; i++, rest >>= 8n) if (!types.has(Number(rest & 0xffn))) return false;
    return true;
  };
}

function hasType(value: bigint): boolean {
  return MTRR_TYPES.has(Number(value & 0xffn));
}

const aboveWidth = (cpu: Cpu, value: bigint): boolean => value >> BigInt(cpu.model.physicalBits) !== 0n;

/** Type in bits 7:0, enables in 10 and 11. */
const isDefaultType = (_cpu: Cpu, value: bigint): boolean => (value & ~0xcffn) === 0n && hasType(value);
/** Type in bits 7:0, address from bit 12. */
const isRangeBase = (cpu: Cpu, value: bigint): boolean =>
  (value & 0xf00n) === 0n && hasType(value) && !aboveWidth(cpu, value);
/** Valid in bit 11, mask from bit 12. */
const isRangeMask = (cpu: Cpu, value: bigint): boolean => (value & 0x7ffn) === 0n && !aboveWidth(cpu, value);

const FIXED_RANGES = [
  [0x250, "IA32_MTRR_FIX64K_00000"],
  [0x258, "IA32_MTRR_FIX16K_80000"],
  [0x259, "IA32_MTRR_FIX16K_A0000"],
  [0x268, "IA32_MTRR_FIX4K_C0000"],
  [0x269, "IA32_MTRR_FIX4K_C8000"],
  [0x26a, "IA32_MTRR_FIX4K_D0000"],
  [0x26b, "IA32_MTRR_FIX4K_D8000"],
  [0x26c, "IA32_MTRR_FIX4K_E0000"],
  [0x26d, "IA32_MTRR_FIX4K_E8000"],
  [0x26e, "IA32_MTRR_FIX4K_F0000"],
  [0x26f, "IA32_MTRR_FIX4K_F8000"],
] as const;

const variableRanges = Array.from({ length: VARIABLE_RANGES }, (_, i) => [
  stored(0x200 + i * 2, `IA32_MTRR_PHYSBASE${i}`, "mtrrVariable", isRangeBase, i * 2),
  stored(0x201 + i * 2, `IA32_MTRR_PHYSMASK${i}`, "mtrrVariable", isRangeMask, i * 2 + 1),
]).flat();

export const memoryTypeMsrs: readonly Msr[] = [
  ...needing("pat", [stored(0x277, "IA32_PAT", "pat", allBytesIn(PAT_TYPES))]),
  ...needing("mtrr", [
    constant(0xfe, "IA32_MTRRCAP", MTRR_CAP),
    stored(0x2ff, "IA32_MTRR_DEF_TYPE", "mtrrDefType", isDefaultType),
    ...FIXED_RANGES.map(([index, name], i) => stored(index, name, "mtrrFixed", allBytesIn(MTRR_TYPES), i)),
    ...variableRanges,
  ]),
];
