import { ACCESS_KINDS, type AccessBits } from "../access.ts";
import type { Access } from "../mmu.ts";
import type { RightsControls } from "../rights.ts";
import type { WalkStructures } from "../structures/walk-structures.ts";
import type { Walker } from "../walker.ts";
import { accessBits, GENERAL_PROTECTION, pageFault } from "./guest-address.ts";
import { exitOf, type HostDimension } from "./host-dimension.ts";
import { isWideMode, type TableMode } from "./table-mode.ts";
import type { FoundPage, GuestFault, HypervisorExit, Mapping, Scheme, Translator, Walk } from "./translator.ts";
import { WalkLog } from "./walk-log.ts";

/** What schemes share: canonical addresses, the log, and the same walk told as objects or left in fields. */
export abstract class BaseTranslator implements Translator {
  abstract readonly scheme: Scheme;
  abstract readonly controls: RightsControls;
  readonly found: FoundPage = {
    hfn: 0,
    gfn: -1,
    pageShift: 12,
    wholeShift: 12,
    permits: 0,
    attributes: 0,
    hostPermits: ACCESS_KINDS,
    dirty: false,
    isMomentary: false,
    failure: undefined,
  };
  readonly log: WalkLog;
  readonly structures: WalkStructures;
  hiddenFaults = 0;
  readonly mode: TableMode;
  protected hasDropped = false;
  /** Address bits, of which higher ones are copies of the highest; 0: 32-bit modes take bits 31:0 of any address. */
  readonly #canonicalBits: number;

  constructor(mode: TableMode, structures: WalkStructures) {
    this.mode = mode;
    this.structures = structures;
    this.log = new WalkLog();
    this.log.caches = structures.caches;
    this.log.memoryCycles = structures.memoryCycles;
    this.#canonicalBits = mode === "long5" ? 57 : isWideMode(mode) ? 48 : 0;
  }

  translate(gva: bigint, access: Access): Walk {
    const low = Number(BigInt.asIntN(32, gva));
    this.log.tells = true;
    const isMapped = this.walk(low, Number(BigInt.asIntN(32, gva >> 32n)), accessBits(access));
    const outcome = isMapped ? this.mapping(low) : (this.found.failure as GuestFault | HypervisorExit);
    const { hiddenFaults, log } = this;
    log.tells = false;
    return { references: log.told(), outcome, hiddenFaults, cycles: log.cycles };
  }

  walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    this.log.begin();
    this.hiddenFaults = 0;
    if (!this.#isCanonical(gvaHigh)) return this.fail(GENERAL_PROTECTION);
    return this.search(gvaLow, this.#canonicalBits === 0 ? 0 : gvaHigh | 0, access);
  }

  mapping(gvaLow: number): Mapping {
    const { hfn, gfn, pageShift, permits } = this.found;
    const inPage = gvaLow & 0xfff;
    const page = { receiver: "none", hpa: hfn * 0x1000 + inPage, pageShift, permits } as const;
    return gfn < 0 ? page : { ...page, gpa: gfn * 0x1000 + inPage };
  }
  takeFlush(): boolean {
    const { hasDropped } = this;
    this.hasDropped = false;
    return hasDropped;
  }

  abstract writeCr3(cr3: number): GuestFault | HypervisorExit | undefined;

  /** The scheme's walk: fills in {@link found}. */
  protected abstract search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean;

  protected fail(failure: GuestFault | HypervisorExit): false {
    this.found.failure = failure;
    return false;
  }

  /** Ends a walk in one dimension. */
  protected take(walker: Walker): true {
    const { found } = this;
    found.hfn = walker.gfn;
    found.gfn = -1;
    found.pageShift = walker.pageShift;
    found.wholeShift = walker.pageShift;
    found.permits = walker.permits;
    found.attributes = walker.attributes;
    found.hostPermits = ACCESS_KINDS;
    found.dirty = walker.dirty;
    return true;
  }

  /** Ends a walk of the guest's tables with the host's walk for the page itself. */
  protected takeThrough(host: HostDimension, walker: Walker, gvaLow: number, access: AccessBits): boolean {
    if (!host.locatePage(walker.gfn * 0x1000 + (gvaLow & 0xfff), access & ACCESS_KINDS)) return this.fail(exitOf(host));
    const { found } = this;
    found.hfn = Math.floor(host.hpa / 0x1000);
    found.gfn = walker.gfn;
    found.pageShift = Math.min(walker.pageShift, host.pageShift);
    found.wholeShift = walker.pageShift;
    found.permits = walker.permits & host.permits;
    found.attributes = walker.attributes;
    found.hostPermits = host.permits;
    found.dirty = walker.dirty && host.dirty;
    return true;
  }

  /** Ends a walk of the guest's tables that came to no page. A lookup of the host's that failed comes first. */
  protected failThrough(host: HostDimension, isStopped: boolean, walker: Walker): false {
    return this.fail(isStopped ? exitOf(host) : pageFault(walker.errorCode));
  }

  #isCanonical(gvaHigh: number): boolean {
    if (this.#canonicalBits === 0) return true;
    const signBits = 64 - this.#canonicalBits;
    return (gvaHigh << signBits) >> signBits === (gvaHigh | 0);
  }
}
