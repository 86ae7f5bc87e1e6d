import { ConfigError, type Gpa } from "@tsvm/contracts";

/** Range types of the BIOS call INT 15h AX=E820h. ACPI Specification, "System Address Map Interfaces". */
export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface E820Entry {
  readonly gpa: Gpa;
  readonly length: number;
  readonly type: typeof E820_RAM | typeof E820_RESERVED;
}

/** Where kernels go: PC kernels are linked for 1 MiB and above. */
export const HIGH_MEMORY_GPA = 0x100000;

/** End of the RAM that begins at 1 MiB: the part a loader below 4 GiB can use. */
export function lowRamEnd(map: readonly E820Entry[]): Gpa {
  const entry = map.find((e) => e.type === E820_RAM && e.gpa <= HIGH_MEMORY_GPA && e.gpa + e.length > HIGH_MEMORY_GPA);
  return entry === undefined ? HIGH_MEMORY_GPA : entry.gpa + entry.length;
}

/**
 * True when RAM stands behind all of [gpa, gpa + length). Reserved ranges below 1 MiB count: they are RAM in use by
 * firmware, and linkers like to put a kernel's ELF header into the page below 1 MiB. Higher ones are registers.
 */
function isBacked(map: readonly E820Entry[], gpa: Gpa, length: number): boolean {
  const end = gpa + length;
  for (let at = gpa; at < end; ) {
    const entry = map.find((e) => isMemory(e) && at >= e.gpa && at < e.gpa + e.length);
    if (entry === undefined) return false;
    at = entry.gpa + entry.length;
  }
  return true;
}

const isMemory = ({ type, gpa }: E820Entry): boolean => type === E820_RAM || gpa < HIGH_MEMORY_GPA;

/** @throws ConfigError `CONFIG_MEMORY_TOO_SMALL` unless [gpa, gpa + length) is RAM; `what` names it in the message. */
export function requireRam(map: readonly E820Entry[], gpa: Gpa, length: number, what: string): void {
  if (isBacked(map, gpa, length)) return;
  const needed = Math.ceil((gpa + length) / 0x100000);
  const present = Math.floor(lowRamEnd(map) / 0x100000);
  const detail =
    needed > present
      ? `needs ${needed} MiB of memory, the machine has ${present} MiB`
      : `does not fit at 0x${gpa.toString(16)}, which is not RAM`;
  throw new ConfigError("CONFIG_MEMORY_TOO_SMALL", `${what} ${detail}`);
}
