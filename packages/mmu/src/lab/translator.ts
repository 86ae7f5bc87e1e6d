import type { AccessBits } from "../access.ts";
import type { Access } from "../mmu.ts";
import type { RightsControls } from "../rights.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { PagingRegisters } from "../walker.ts";
import type { TableMode } from "./table-mode.ts";
import type { HitPlace, WalkLog } from "./walk-log.ts";

/** What a scheme is told of the guest's paging. */
export interface GuestPaging {
  readonly mode: TableMode;
  /** What differs from `DEFAULT_PAGING_REGISTERS`. */
  readonly registers: Partial<PagingRegisters>;
}

/**
 * One way to get from guest virtual to host physical addresses. Schemes differ in the references they make and in who
 * hears of what; over the same tables they agree on the address and on the guest's faults.
 */
export interface Translator {
  /** The scheme's name, as the literature has it. */
  readonly scheme: Scheme;
  /**
   * Translates one address without a TLB, sets accessed and dirty flags as the scheme does, and tells everything it did.
   * @param gva 64 bits, signed or unsigned.
   */
  translate(gva: bigint, access: Access): Walk;
  /**
   * As {@link translate}, without objects: for millions of walks. What was found is in {@link found}, what was done in
   * {@link log}, both until the next walk.
   * @returns false: `found.failure` says who hears of it.
   */
  walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;
  readonly found: FoundPage;
  readonly log: WalkLog;
  /** What `found` has of the last walk, as an object; it must have found a page. @param gvaLow bits 31:0 of its address. */
  mapping(gvaLow: number): Mapping;
  /** Of the last walk: see {@link Walk.hiddenFaults}. */
  readonly hiddenFaults: number;
  /** What walks go through, and whose entries they leave there. */
  readonly structures: WalkStructures;
  /** What the processor judges the rights of cached translations by, under this scheme. */
  readonly controls: RightsControls;
  /** The guest's. */
  readonly mode: TableMode;
  /**
   * Whether the hypervisor has dropped entries of tables it made since it was asked last: the processor must forget what
   * it has cached of them.
   */
  takeFlush(): boolean;
  /** What the guest's INVLPG means to the hypervisor; absent where it hears nothing of it. */
  invalidate?(gvaLow: number, gvaHigh: number): void;
  /**
   * MOV to CR3. PAE paging reads the PDPTEs, through the host's tables where there are any.
   * @returns undefined when it went through; otherwise nothing has changed.
   * @throws RangeError (code `MMU_REGISTERS`) if `cr3` is not an integer from 0 to 2^52 - 1.
   */
  writeCr3(cr3: number): GuestFault | HypervisorExit | undefined;
}

export type Scheme = "native" | "naive" | "ept" | "npt" | "shadow" | "agile" | "hashed";

/** What the last walk found, in fields that the next one overwrites. */
export interface FoundPage {
  /** Host frame of the 4-KByte page asked for, also inside large pages. */
  hfn: number;
  /** Guest frame of it, or -1 where the processor never saw one (native, shadow). */
  gfn: number;
  /** log2 of the bytes around it that one TLB entry could cover: the smaller page of the dimensions. */
  pageShift: number;
  /** Of the page that INVLPG is about: the guest's, or the only one. */
  wholeShift: number;
  /** Kinds granted to this access's privilege by all dimensions together. */
  permits: number;
  /** `PAGE_*` of the guest's dimension, or the only one. */
  attributes: number;
  /** Kinds granted by the host's dimension. */
  hostPermits: number;
  /** No later write has to set a dirty flag in any dimension. */
  dirty: boolean;
  /** The translation is for this one access and may not be cached. */
  isMomentary: boolean;
  /** After a walk that failed. */
  failure: GuestFault | HypervisorExit | undefined;
}

/** One translation, told in full. */
export interface Walk {
  /**
   * Every page-table entry the processor used, in its order; an entry counts once, whatever its size. Those that a walk
   * cache or the nested TLB had (`hit`) were not read.
   */
  readonly references: readonly WalkReference[];
  readonly outcome: Mapping | GuestFault | HypervisorExit;
  /** What the hypervisor was called for before `outcome` could be reached; only software-made tables need that. */
  readonly hiddenFaults: number;
  /** Latencies of the references, as the structures have them; 0 where none are given. */
  readonly cycles: number;
}

/** One read of one page-table entry. */
export interface WalkReference {
  /**
   * Whose table: `native` without a hypervisor, `guest` the guest's own, `host` the tables that place guest physical
   * memory, `shadow` those the hypervisor derived from both.
   */
  readonly dimension: "native" | "guest" | "host" | "shadow";
  /** Level of the entry in its own tables: 1 is a PTE, 5 a PML5E. */
  readonly level: number;
  /** `host` only: the guest level whose entry is being looked for, 0 for the page itself. */
  readonly guestLevel?: number;
  /** What `address` is. */
  readonly addressKind: "gpa" | "hpa";
  /** Where the entry is, as its table's owner sees it. */
  readonly address: number;
  /** Where the entry is in host memory; of one that was not read, what it refers to. */
  readonly hpa: number;
  /** Where the entry was found. */
  readonly hit: HitPlace;
}

/** The access is allowed. */
export interface Mapping {
  readonly receiver: "none";
  /** Host physical address of the byte asked for. */
  readonly hpa: number;
  /** Guest physical address; absent where the processor never saw one (native, shadow). */
  readonly gpa?: number;
  /** log2 of the bytes around it that one TLB entry could cover: the smaller page of the dimensions. */
  readonly pageShift: number;
  /** Kinds granted to this privilege by all dimensions together: `ACCESS_READ`, `ACCESS_WRITE`, `ACCESS_FETCH`. */
  readonly permits: number;
}

/** The guest gets an exception: #PF (14), or #GP (13) for an address that is not canonical or for bad PDPTEs. */
export interface GuestFault {
  readonly receiver: "guest";
  readonly vector: 13 | 14;
  /** As pushed on the stack: `PF_*` for #PF. */
  readonly errorCode: number;
}

/** The hypervisor gets an exit, or the host kernel a fault of the process that holds the guest's memory. */
export type HypervisorExit =
  | {
      readonly receiver: "hypervisor";
      readonly cause: "ept-violation";
      /** `EPT_VIOLATION_*` bits. SDM vol. 3C, "Exit Qualification for EPT Violations". */
      readonly qualification: number;
      readonly gpa: number;
    }
  | { readonly receiver: "hypervisor"; readonly cause: "ept-misconfiguration"; readonly gpa: number }
  | {
      readonly receiver: "hypervisor";
      readonly cause: "nested-page-fault";
      /** `PF_*` bits in 31:0 and `NPF_*` above. APM vol. 2, "Nested versus Guest Page Faults". */
      readonly exitInfo1: number;
      /** EXITINFO2. */
      readonly gpa: number;
    }
  | {
      readonly receiver: "hypervisor";
      readonly cause: "host-page-fault";
      readonly errorCode: number;
      /** The address in the process that holds the guest's memory. */
      readonly hva: number;
      readonly gpa: number;
    };
