import type { AccessBits } from "./access.ts";
import { WideWalker } from "./wide-walker.ts";

/** 5-level paging (CR4.LA57): 57-bit addresses, one level above 4-level paging. SDM vol. 3A, "4-Level and 5-Level Paging". */
export class Long5Walker extends WideWalker {
  readonly mode = "long5";

  override walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    return this.walkPml5(this.cr3Low, this.cr3High, gvaLow, gvaHigh, access);
  }
}
