// A region's IR in words, for `-d op`.
import { type IrNames, printNodes } from "@tsvm/tcg";
import { fieldNameAt } from "../state/field-names.ts";
import { REGION_SLOTS } from "./region-slots.ts";
import { SIDE, sideDetailText } from "./side-exit.ts";
import type { RegionBlock } from "./translate.ts";

const NAMES: IrNames = {
  variable: (variable) => {
    const slot = REGION_SLOTS.slots[REGION_SLOTS.slotOf(variable)];
    return slot && fieldNameAt(slot.address);
  },
  address: (address) => fieldNameAt(address),
  exit: (name, [record, detail]) =>
    name === SIDE
      ? `exit side(record 0x${record?.constant?.toString(16)}: ${sideDetailText(Number(detail?.constant))})`
      : undefined,
};

/** The statements of one block, a line each; CPU state is called by its fields. */
export const printBlock = ({ nodes }: RegionBlock): readonly string[] => printNodes(nodes, NAMES);
