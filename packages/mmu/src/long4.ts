import type { AccessBits } from "./access.ts";
import { WideWalker } from "./wide-walker.ts";

/** 4-level paging: 48-bit addresses; 4-KByte, 2-MByte and 1-GByte pages. SDM vol. 3A, "4-Level and 5-Level Paging". */
export class Long4Walker extends WideWalker {
  readonly mode = "long4";

  override walk(gvaLow: number, gvaHigh: number, access: AccessBits): boolean {
    return this.walkPml4(this.cr3Low, this.cr3High, gvaLow, gvaHigh, access, -1, 0);
  }
}
