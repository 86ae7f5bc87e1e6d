import type { PageShift } from "./walker.ts";

/** One paging variant for tools and teaching; the hot path of an emulator is `Walker`. */
export interface Mmu {
  /** Translates one page, through the TLB if there is one, and sets accessed and dirty flags as the architecture does. */
  translate(vpn: number, access: Access): Translation | PageFault;
  /** Drops cached translations. */
  invalidate(scope: InvalidateScope): void;
}

/**
 * What to drop: `{ vpn }` as INVLPG (this page in the current address space, and global); `{ vpn, asid }` as INVPCID
 * type 0 (not global); `{ asid }` as type 1 (not global); 'all' as type 2 (global too); 'non-global' as type 3.
 */
export type InvalidateScope =
  | { readonly vpn: number; readonly asid?: number }
  | { readonly asid: number }
  | "all"
  | "non-global";

/** One access to one page. */
export interface Access {
  readonly kind: "read" | "write" | "fetch";
  /** CPL 3, and not an implicit supervisor access. */
  readonly user: boolean;
  /** EFLAGS.AC of an explicit supervisor access: lifts SMAP. Default false. */
  readonly ac?: boolean;
}

/** Where a page is and what the privilege that asked may do there. */
export interface Translation {
  readonly ok: true;
  /** Frame of the 4-KByte page asked for, also inside large pages. */
  readonly gfn: number;
  readonly pageShift: PageShift;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly user: boolean;
  readonly global: boolean;
  readonly dirty: boolean;
}

/** `errorCode` as #PF pushes it (SDM vol. 3A, "Page-Fault Exceptions"); `nestedGpa` when a second dimension faulted. */
export interface PageFault {
  readonly ok: false;
  readonly errorCode: number;
  readonly nestedGpa?: number;
}
