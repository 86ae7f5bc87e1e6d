// The supervisor's state components of control-flow enforcement, which XSAVES and XRSTORS move. SDM vol. 1, "CET State".
import { isValidCetControl, isValidSsp } from "../msr/cet.ts";
import { recomputeMode } from "../segments/cache.ts";
import type { Cpu } from "../state/cpu.ts";
import type { FieldName } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import type { SaveArea } from "./save-area.ts";

/** One register of a component: a field, or an element of one, and what WRMSR would take. */
type Register = readonly [field: FieldName, index: number, isValid: (cpu: Cpu, value: bigint) => boolean];

interface CetComponent {
  readonly bit: number;
  readonly registers: readonly Register[];
}

/** IA32_U_CET and IA32_PL3_SSP; IA32_PL0_SSP to IA32_PL2_SSP. */
const CET_COMPONENTS: readonly CetComponent[] = [
  {
    bit: XSTATE.CET_U,
    registers: [
      ["cetControl", 1, isValidCetControl],
      ["privilegeSsp", 3, isValidSsp],
    ],
  },
  { bit: XSTATE.CET_S, registers: [0, 1, 2].map((cpl) => ["privilegeSsp", cpl, isValidSsp]) },
];

/** Index in `Cpu.u64` of a component's first register in an area with this layout. */
const placeOf = (cpu: Cpu, area: SaveArea, layout: number, bit: number): number =>
  (area.at + cpu.xstate.compactedBytes(layout & (bit - 1))) / 8;

/** Writes those of `wanted`, which is the layout, that are in use. @returns which those are. */
export function saveCet(cpu: Cpu, area: SaveArea, wanted: number): number {
  let saved = 0;
  for (const { bit, registers } of CET_COMPONENTS) {
    if ((wanted & bit) === 0) continue;
    const values = registers.map(([field, index]) => cpu.get64(field, index));
    if (values.every((value) => value === 0n)) continue;
    cpu.u64.set(values, placeOf(cpu, area, wanted, bit));
    saved |= bit;
  }
  return saved;
}

/** Whether the area has nothing that WRMSR would not take. */
export function areValidCet(cpu: Cpu, area: SaveArea, loaded: number, layout: number): boolean {
  return CET_COMPONENTS.every(
    ({ bit, registers }) =>
      (loaded & bit) === 0 ||
      registers.every(([, , isValid], i) => isValid(cpu, cpu.u64[placeOf(cpu, area, layout, bit) + i] as bigint)),
  );
}

/** Loads those of `wanted` that are present, and zeroes the others of it. The mode may change. */
export function restoreCet(cpu: Cpu, area: SaveArea, wanted: number, present: number, layout: number): void {
  for (const { bit, registers } of CET_COMPONENTS) {
    if ((wanted & bit) === 0) continue;
    const place = placeOf(cpu, area, layout, bit);
    for (const [i, [field, index]] of registers.entries())
      cpu.set64(field, (present & bit) === 0 ? 0n : (cpu.u64[place + i] as bigint), index);
  }
  recomputeMode(cpu);
}
