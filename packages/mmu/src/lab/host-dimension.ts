import { ACCESS_KINDS, ACCESS_WRITE } from "../access.ts";
import type { EptOptions } from "../ept.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { PagingRegisters } from "../walker.ts";
import type { TableMode } from "./table-mode.ts";
import type { HypervisorExit } from "./translator.ts";
import { HOST_ENTRY, PLACE_NESTED_TLB, type WalkLog } from "./walk-log.ts";

/** The tables that place guest physical memory in host memory. */
export type HostPaging =
  | ({
      /** Intel's extended page tables. */
      readonly kind: "ept";
    } & EptOptions)
  | {
      /** AMD's nested page tables: ordinary ones, at nCR3. Every nested access is a user access. */
      readonly kind: "npt";
      readonly mode: Exclude<TableMode, "bare">;
      /** The host's, with nCR3 as `cr3`. */
      readonly registers: Partial<PagingRegisters>;
    }
  | {
      /** No second dimension in hardware: the ordinary tables of the process that holds the guest's memory. */
      readonly kind: "process";
      readonly mode: Exclude<TableMode, "bare">;
      readonly registers: Partial<PagingRegisters>;
      /** Where gpa 0 is in that process; a multiple of 4096. */
      readonly hvaBase: number;
    };

/**
 * One dimension of walks from guest physical to host physical addresses, behind a nested TLB if there is one, and what
 * its exits look like.
 */
export abstract class HostDimension {
  /** After success: where the byte is. */
  hpa = 0;
  /** After {@link locatePage}: size of the host's mapping. */
  pageShift = 12;
  /** After {@link locatePage}: `ACCESS_*` kinds granted. */
  permits = 0;
  /** After {@link locatePage}: no later write has to set a dirty flag of the host's. */
  dirty = false;
  /** After failure: what the hypervisor is told. */
  exit: HypervisorExit | undefined;
  protected readonly log: WalkLog;
  protected readonly structures: WalkStructures;

  constructor(log: WalkLog, structures: WalkStructures) {
    this.log = log;
    this.structures = structures;
  }

  /** Finds a guest table entry; `linear` is false for PDPTE loads. */
  abstract locateTable(gpa: number, guestLevel: number, linear: boolean): boolean;
  /** The guest's accessed or dirty flag at `gpa` is about to be set: asks for the right to write there. */
  abstract prepareUpdate(gpa: number, guestLevel: number): boolean;
  /** Finds the page; `kinds` as in `AccessBits`. */
  abstract locatePage(gpa: number, kinds: number): boolean;
  /** Drops the cached translations that a fault at `gpa` came from. SDM vol. 3C, "Operations that Invalidate...". */
  protected abstract dropFaulting(gpa: number): void;

  /** Whether the nested TLB has the page and grants the access; then the result stands in the fields. */
  protected findNested(gpa: number, kinds: number, guestLevel: number): boolean {
    const { nestedTlb, physicalTag } = this.structures;
    if (nestedTlb === undefined) return false;
    const slot = nestedTlb.find(gpa | 0, (gpa / 2 ** 32) | 0, physicalTag);
    if (slot < 0) return false;
    const rights = nestedTlb.rightsOf(slot);
    const permits = rights & ACCESS_KINDS;
    const dirty = (rights & NESTED_DIRTY) !== 0;
    // The first write has to be seen by the tables.
    if ((kinds & ACCESS_KINDS & ~permits) !== 0 || (!dirty && (kinds & ACCESS_WRITE) !== 0)) return false;
    this.pageShift = rights >>> NESTED_SHIFT;
    this.hpa = nestedTlb.pfnOf(slot, gpa | 0) * 0x1000 + (gpa & 0xfff);
    this.permits = permits;
    this.dirty = dirty;
    const level = this.pageShift === 12 ? 1 : this.pageShift === 30 ? 3 : 2;
    this.log.addHit(PLACE_NESTED_TLB, HOST_ENTRY, level, guestLevel, gpa, this.hpa);
    return true;
  }

  /** Enters what the tables have just said into the nested TLB. */
  protected fillNested(gpa: number): void {
    const { nestedTlb, physicalTag } = this.structures;
    if (nestedTlb === undefined) return;
    const rights = this.permits | (this.dirty ? NESTED_DIRTY : 0) | (this.pageShift << NESTED_SHIFT);
    const pfn = Math.floor(this.hpa / 0x1000);
    nestedTlb.fill(gpa | 0, (gpa / 2 ** 32) | 0, physicalTag, -1, this.pageShift, this.pageShift, pfn, rights);
  }
}

/** Beside `ACCESS_*` kinds in the nested TLB: see {@link HostDimension.dirty}. */
const NESTED_DIRTY = 0x40;
/** From this bit up: the host's page shift, which may be more than a piece held here. */
const NESTED_SHIFT = 8;

/** What the hypervisor is told of the lookup that has just failed. */
export function exitOf(host: HostDimension): HypervisorExit {
  if (host.exit === undefined) throw new Error("a lookup that failed has an exit");
  return host.exit;
}
