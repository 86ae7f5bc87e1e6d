import { createWalker } from "../create-walker.ts";
import type { Access } from "../mmu.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { accessBits, GENERAL_PROTECTION, isCanonical, pageFault, physicalAddress, walkGva } from "./guest-address.ts";
import { DirectTables, TABLE_SHAPES } from "./traced-tables.ts";
import type { GuestFault, GuestPaging, Mapping, Translator, Walk, WalkReference } from "./translator.ts";

/** What {@link createNativeTranslator} needs. */
export interface NativeOptions {
  /** The machine's memory, tables included. */
  readonly memory: PteMemory;
  readonly guest: GuestPaging;
}

/**
 * The system on the bare machine: its physical addresses are the host's.
 * @throws RangeError (code `MMU_REGISTERS`)
 */
export function createNativeTranslator({ memory, guest }: NativeOptions): Translator {
  const log: WalkReference[] = [];
  const tables = new DirectTables(memory, TABLE_SHAPES[guest.mode], "native", log);
  const translator = new NativeTranslator(createWalker(guest.mode, tables, guest.registers), tables, log);
  translator.writeCr3(guest.registers.cr3 ?? 0);
  return translator;
}

class NativeTranslator implements Translator {
  readonly scheme = "native";
  readonly #walker: Walker;
  readonly #tables: DirectTables;
  readonly #log: WalkReference[];

  constructor(walker: Walker, tables: DirectTables, log: WalkReference[]) {
    this.#walker = walker;
    this.#tables = tables;
    this.#log = log;
  }

  translate(gva: bigint, access: Access): Walk {
    this.#log.length = 0;
    const outcome = isCanonical(this.#walker.mode, gva) ? this.#walk(gva, access) : GENERAL_PROTECTION;
    return { references: [...this.#log], outcome, hiddenFaults: 0 };
  }

  #walk(gva: bigint, access: Access): Mapping | GuestFault {
    const walker = this.#walker;
    this.#tables.begin();
    if (!walkGva(walker, gva, accessBits(access))) return pageFault(walker.errorCode);
    const { pageShift, permits } = walker;
    return { receiver: "none", hpa: physicalAddress(walker, gva), pageShift, permits };
  }

  writeCr3(cr3: number): GuestFault | undefined {
    const before = this.#walker.registers.cr3;
    this.#walker.configure({ cr3 });
    this.#tables.beginPdptes();
    if (this.#walker.loadPdptes()) return undefined;
    this.#walker.setCr3(before);
    return GENERAL_PROTECTION;
  }
}
