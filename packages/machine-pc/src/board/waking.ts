// What firmware does for the guest that wakes from S3. ACPI Specification, "Waking and Sleeping", "Transitioning from the
// Sleeping to the Working State", and "Firmware ACPI Control Structure (FACS)".
import type { Gpa, GuestMemory } from "@tsvm/contracts";
import { FACS_WAKING_VECTOR } from "../acpi/tables.ts";

/** IA32_MTRR_DEF_TYPE. SDM vol. 3A, "IA32_MTRR_DEF_TYPE MSR". */
const MTRR_ENABLE = 1n << 11n;
const MTRR_WRITE_BACK = 6n;
/** MTRRs as firmware leaves them, at power-on and when it wakes: on, and memory write-back by default. */
export const FIRMWARE_MTRRS: Readonly<Record<string, bigint>> = { "msr.2ff": MTRR_ENABLE | MTRR_WRITE_BACK };

/** Real mode reaches no further, but for the piece behind FFFF0h. */
const REAL_MODE_END = 0x10_0000;
const OFFSET_BITS = 4;

/**
 * Registers, beside those of a reset, with which the vCPU goes on in real mode at the vector that the guest has left in the FACS at
 * `facsGpa`: the vector's low four bits are IP, the others are CS. The 64-bit vector is not looked at, as SeaBIOS does not.
 * @returns undefined if there is no vector that real mode can reach: such a guest cannot go on.
 */
export function wakingRegisters(memory: GuestMemory, facsGpa: Gpa): Readonly<Record<string, bigint>> | undefined {
  const bytes = new Uint8Array(4);
  memory.read(facsGpa + FACS_WAKING_VECTOR, bytes);
  const vector = new DataView(bytes.buffer).getUint32(0, true);
  if (vector === 0 || vector >= REAL_MODE_END) return undefined;
  const selector = BigInt(vector >>> OFFSET_BITS);
  const offset = BigInt(vector & ((1 << OFFSET_BITS) - 1));
  return { rip: offset, "cs.selector": selector, "cs.base": selector << BigInt(OFFSET_BITS), ...FIRMWARE_MTRRS };
}
