import { ACCESS_KINDS } from "../access.ts";
import { createWalker } from "../create-walker.ts";
import type { Access } from "../mmu.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { accessBits, GENERAL_PROTECTION, isCanonical, pageFault, physicalAddress, walkGva } from "./guest-address.ts";
import { GuestTables } from "./guest-tables.ts";
import { createHostDimension, exitOf, type HostDimension, type HostPaging } from "./host-dimension.ts";
import { TABLE_SHAPES } from "./traced-tables.ts";
import type {
  GuestFault,
  GuestPaging,
  HypervisorExit,
  Mapping,
  Translator,
  Walk,
  WalkReference,
} from "./translator.ts";

/** What {@link createNestedTranslator} needs. */
export interface NestedOptions {
  /** Host memory: the host's tables, and guest memory where they place it. */
  readonly memory: PteMemory;
  readonly guest: GuestPaging;
  /** `ept` and `npt` are walked by hardware; `process` is the naive scheme, the same walk by software. */
  readonly host: HostPaging;
}

/**
 * Two dimensions: the guest's tables lie at guest physical addresses, and each entry of them is found by a walk of the
 * host's tables. SDM vol. 3C, "The Extended Page Table Mechanism (EPT)"; APM vol. 2, "Nested Paging".
 *
 * If PAE paging finds reserved bits in the PDPTEs at the initial CR3, or the host's tables do not have them, all four
 * are left not present.
 * @throws RangeError (code `MMU_REGISTERS`, `MMU_EPTP` or `MMU_HOST`)
 */
export function createNestedTranslator({ memory, guest, host }: NestedOptions): Translator {
  const log: WalkReference[] = [];
  const dimension = createHostDimension(host, memory, log);
  const tables = new GuestTables(memory, TABLE_SHAPES[guest.mode], dimension, log);
  const walker = createWalker(guest.mode, tables, guest.registers);
  const scheme = host.kind === "process" ? "naive" : host.kind;
  const translator = new NestedTranslator(scheme, walker, tables, dimension, log);
  translator.writeCr3(guest.registers.cr3 ?? 0);
  return translator;
}

class NestedTranslator implements Translator {
  readonly scheme: "naive" | "ept" | "npt";
  readonly #walker: Walker;
  readonly #tables: GuestTables;
  readonly #host: HostDimension;
  readonly #log: WalkReference[];

  constructor(
    scheme: "naive" | "ept" | "npt",
    walker: Walker,
    tables: GuestTables,
    host: HostDimension,
    log: WalkReference[],
  ) {
    this.scheme = scheme;
    this.#walker = walker;
    this.#tables = tables;
    this.#host = host;
    this.#log = log;
  }

  translate(gva: bigint, access: Access): Walk {
    this.#log.length = 0;
    const outcome = isCanonical(this.#walker.mode, gva) ? this.#walk(gva, access) : GENERAL_PROTECTION;
    return { references: [...this.#log], outcome, hiddenFaults: 0 };
  }

  #walk(gva: bigint, access: Access): Mapping | GuestFault | HypervisorExit {
    const walker = this.#walker;
    const bits = accessBits(access);
    this.#tables.begin();
    const isMapped = walkGva(walker, gva, bits);
    // A lookup in the host's tables that failed comes before whatever the walker made of it.
    if (this.#tables.stopped) return exitOf(this.#host);
    if (!isMapped) return pageFault(walker.errorCode);
    const gpa = physicalAddress(walker, gva);
    if (!this.#host.locatePage(gpa, bits & ACCESS_KINDS)) return exitOf(this.#host);
    const pageShift = Math.min(walker.pageShift, this.#host.pageShift);
    return { receiver: "none", hpa: this.#host.hpa, gpa, pageShift, permits: walker.permits & this.#host.permits };
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
    if (isLoaded && !this.#tables.stopped) return undefined;
    walker.setCr3(before);
    walker.pdptes.set(pdptes);
    return this.#tables.stopped ? exitOf(this.#host) : GENERAL_PROTECTION;
  }
}
