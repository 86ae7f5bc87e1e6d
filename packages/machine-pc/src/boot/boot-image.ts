import type { Gpa } from "@tsvm/contracts";
import type { E820Entry } from "./e820.ts";

/** Bytes to put into guest memory before the first instruction. */
export interface BootSegment {
  readonly gpa: Gpa;
  readonly bytes: Uint8Array;
  /** Bytes covered, at least `bytes.length`; what lies beyond `bytes` is zero. */
  readonly length: number;
}

/** A machine about to start: what is in memory and in the registers (names as in `VcpuState`). */
export interface BootImage {
  readonly segments: readonly BootSegment[];
  readonly regs: Readonly<Record<string, bigint>>;
}

/** A file handed to the kernel: Linux takes one, its initrd; multiboot any number. */
export interface BootModule {
  readonly bytes: Uint8Array;
  readonly commandLine: string;
}

/** What every loader starts from. */
export interface BootInput {
  readonly kernel: Uint8Array;
  readonly modules: readonly BootModule[];
  readonly commandLine: string;
  /** First word of a multiboot kernel's command line, before `commandLine`: where it looks for its own name. */
  readonly kernelName: string;
  /** Ascending; as the guest is told it. */
  readonly memoryMap: readonly E820Entry[];
  /** Where the ACPI RSDP is; 0: no ACPI. */
  readonly rsdpGpa: Gpa;
  /** The CPU has 64-bit mode. */
  readonly longMode: boolean;
}

/** A segment without a zero tail. */
export function segment(gpa: Gpa, bytes: Uint8Array): BootSegment {
  return { gpa, bytes, length: bytes.length };
}
