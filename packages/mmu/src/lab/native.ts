import type { AccessBits } from "../access.ts";
import type { RightsControls } from "../rights.ts";
import { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory, Walker } from "../walker.ts";
import { BaseTranslator } from "./base-translator.ts";
import { GENERAL_PROTECTION, pageFault } from "./guest-address.ts";
import { createTableWalker } from "./table-mode.ts";
import { DirectTables, TABLE_SHAPES, walkCached } from "./traced-tables.ts";
import type { GuestFault, GuestPaging, Translator } from "./translator.ts";
import { NATIVE_ENTRY } from "./walk-log.ts";

/** What {@link createNativeTranslator} needs. */
export interface NativeOptions {
  /** The machine's memory, tables included. */
  readonly memory: PteMemory;
  readonly guest: GuestPaging;
  /** Default: none, so that every walk reads every entry. */
  readonly structures?: WalkStructures;
}

/**
 * The system on the bare machine: its physical addresses are the host's.
 * @throws RangeError (code `MMU_REGISTERS`)
 */
export function createNativeTranslator(options: NativeOptions): Translator {
  const translator = new NativeTranslator(options);
  translator.writeCr3(options.guest.registers.cr3 ?? 0);
  return translator;
}

class NativeTranslator extends BaseTranslator {
  readonly scheme = "native";
  readonly controls: RightsControls;
  readonly #walker: Walker;
  readonly #tables: DirectTables;

  constructor({ memory, guest: { mode, registers }, structures = new WalkStructures() }: NativeOptions) {
    super(mode, structures);
    this.#tables = new DirectTables(
      memory,
      TABLE_SHAPES[mode],
      NATIVE_ENTRY,
      this.log,
      structures.walkCache !== undefined,
    );
    this.#walker = createTableWalker(mode, this.#tables, registers);
    this.controls = this.#walker.registers;
  }

  protected override search(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    const { walkCache, linearTag } = this.structures;
    const walker = this.#walker;
    if (walkCached(walker, this.#tables, walkCache, linearTag, NATIVE_ENTRY, 0, gvaLow, gvaHigh, access)) {
      return this.take(walker);
    }
    return this.fail(pageFault(walker.errorCode));
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
