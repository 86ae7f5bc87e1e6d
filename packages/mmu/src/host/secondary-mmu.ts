import type { HypervisorExit, Translator } from "../lab/translator.ts";
import type { MmuNotifier } from "./mmu-notifier.ts";

/** Guest physical frames whose cached translations must go: `count` from `first` on. */
export type FlushListener = (first: number, count: number) => void;

/**
 * The tables a processor translates a guest's addresses by, kept by a hypervisor beside those of the process that holds
 * the guest's memory, and told by notifiers of what changes there.
 */
export interface SecondaryMmu extends MmuNotifier {
  readonly translator: Translator;
  /** Frames its tables take. */
  readonly tableFrames: number;
  /**
   * The host has the page in memory now: enters what the walk that made `exit` was missing.
   * @param kinds `ACCESS_*` kinds that were asked for.
   */
  enter(gpa: number, kinds: number): void;
  /** The processor's store of four bytes, once it is translated. */
  store(hpa: number, value: number): void;
  /** Undefined where the hypervisor has no tables of its own to notice writes by. */
  readonly logging: DirtyLogging | undefined;
  /** Gives back all tables. */
  dispose(): void;
}

/** What dirty logging asks of tables. Guest frame numbers. */
export interface DirtyLogging {
  /** Logging begins: larger pages of [first, first + count) make way for small ones. */
  breakLargePages(first: number, count: number): void;
  /** The next write to these frames is to be noticed again. */
  rearm(gfns: Iterable<number>): void;
  /** Enters in the log what the processor's dirty flags say of [first, first + count). */
  harvest(first: number, count: number): void;
}

/** What a hypervisor must resolve: where, and for which `ACCESS_*` kinds; undefined for an exit that entries cannot end. */
export function missingAt(exit: HypervisorExit): { readonly gpa: number; readonly kinds: number } | undefined {
  switch (exit.cause) {
    // Bits 2:0 are the kinds, fetches in bit 2.
    case "ept-violation":
      return { gpa: exit.gpa, kinds: (exit.qualification & 3) | ((exit.qualification & 4) << 2) };
    // Where #PF error codes have W/R and I/D, ACCESS_WRITE and ACCESS_FETCH are; a plain read has neither.
    case "nested-page-fault":
      return { gpa: exit.gpa, kinds: (exit.exitInfo1 & 0x12) | 1 };
    case "host-page-fault":
      return { gpa: exit.gpa, kinds: (exit.errorCode & 0x12) | 1 };
    case "ept-misconfiguration":
      return undefined;
  }
}
