import type { AccessBits } from "../access.ts";
import type { RightsControls } from "../rights.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { BaseTranslator } from "./base-translator.ts";
import { createHostDimension } from "./create-host-dimension.ts";
import { GENERAL_PROTECTION } from "./guest-address.ts";
import { GuestTables } from "./guest-tables.ts";
import { exitOf, type HostDimension, type HostPaging } from "./host-dimension.ts";
import { SteadyWalk } from "./steady-walk.ts";
import { createTableWalker } from "./table-mode.ts";
import { TABLE_SHAPES, walkCached } from "./traced-tables.ts";
import type { GuestFault, GuestPaging, HypervisorExit, Translator } from "./translator.ts";
import { GUEST_ENTRY, HOST_ENTRY } from "./walk-log.ts";

/** What {@link createNestedTranslator} needs. */
export interface NestedOptions {
  /** Host memory: the host's tables, and guest memory where they place it. */
  readonly memory: PteMemory;
  readonly guest: GuestPaging;
  /** `ept` and `npt` are walked by hardware; `process` is the naive scheme, the same walk by software. */
  readonly host: HostPaging;
  /** Default: none, so that every walk reads every entry. */
  readonly structures?: WalkStructures;
}

/**
 * Two dimensions: the guest's tables lie at guest physical addresses, and each entry of them is found by a walk of the
 * host's tables. SDM vol. 3C, "The Extended Page Table Mechanism (EPT)"; APM vol. 2, "Nested Paging".
 *
 * If PAE paging finds reserved bits in the PDPTEs at the initial CR3, or the host's tables do not have them, all four
 * are left not present.
 * @throws RangeError (code `MMU_REGISTERS`, `MMU_EPTP` or `MMU_HOST`)
 */
export function createNestedTranslator(options: NestedOptions): Translator {
  const translator = new NestedTranslator(options);
  translator.writeCr3(options.guest.registers.cr3 ?? 0);
  return translator;
}

class NestedTranslator extends BaseTranslator {
  readonly scheme: "naive" | "ept" | "npt";
  readonly controls: RightsControls;
  readonly #walker: Walker;
  readonly #tables: GuestTables;
  readonly #host: HostDimension;
  readonly #steady: SteadyWalk | undefined;

  constructor({ memory, guest: { mode, registers }, host, structures = new WalkStructures() }: NestedOptions) {
    super(mode, structures);
    this.scheme = host.kind === "process" ? "naive" : host.kind;
    this.#host = createHostDimension(host, memory, this.log, structures);
    this.#tables = new GuestTables(memory, TABLE_SHAPES[mode], this.#host, this.log);
    this.#walker = createTableWalker(mode, this.#tables, registers);
    this.controls = this.#walker.registers;
    const { walkCache, hostWalkCache, nestedTlb } = structures;
    const hasNone = walkCache === undefined && hostWalkCache === undefined && nestedTlb === undefined;
    this.#steady = hasNone ? SteadyWalk.create(memory, { mode, registers }, host) : undefined;
  }

  protected override search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    if (this.#steady !== undefined && this.log.isPlain && this.#isSteady(this.#steady, gvaLow, gvaHigh, access))
      return true;
    const { walkCache, linearTag } = this.structures;
    const walker = this.#walker;
    const isMapped = walkCached(walker, this.#tables, walkCache, linearTag, GUEST_ENTRY, 0, gvaLow, gvaHigh, access);
    if (isMapped && !this.#tables.stopped) return this.takeThrough(this.#host, walker, gvaLow, access);
    return this.failThrough(this.#host, this.#tables.stopped, walker);
  }

  #isSteady(steady: SteadyWalk, gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    if (!steady.walk(gvaLow, gvaHigh, access, this.found)) return false;
    this.log.count(GUEST_ENTRY, steady.guestReferences);
    this.log.count(HOST_ENTRY, steady.hostReferences);
    return true;
  }

  writeCr3(cr3: number): GuestFault | HypervisorExit | undefined {
    const walker = this.#walker;
    const { cr3: before } = walker.registers;
    const pdptes = walker.pdptes.slice();
    walker.configure({ cr3 });
    this.#tables.beginPdptes();
    this.#tables.linear = false;
    const isLoaded = walker.loadPdptes();
    this.#tables.linear = true;
    if (isLoaded && !this.#tables.stopped) {
      this.#steady?.setCr3(cr3);
      return undefined;
    }
    walker.setCr3(before);
    walker.pdptes.set(pdptes);
    return this.#tables.stopped ? exitOf(this.#host) : GENERAL_PROTECTION;
  }
}
