import { byteRegion, type Device, integerField, recordField } from "@tsvm/contracts";

const SYS_RST = 0x02;
const RST_CPU = 0x04;
const FULL_RST = 0x08;

/** What the FADT's RESET_VALUE says for this register: a hard reset. */
export const RESET_VALUE: number = SYS_RST | RST_CPU;

export interface ResetControlOptions {
  /** RST_CPU rose: the machine resets. */
  readonly onReset: () => void;
  /** Default "reset-control". */
  readonly name?: string;
}

export interface ResetControlState {
  value: number;
}

const stateField = recordField<ResetControlState>({ value: integerField(0, 0x0f) });

/**
 * The reset control register of Intel chip sets, one byte at what PCs have as port 0xcf9 (82371SB, "RC"). It stands
 * between the bytes of PCI's configuration address, which answers to whole dwords only: see `createPciHost`.
 */
export function createResetControl({
  onReset,
  name = "reset-control",
}: ResetControlOptions): Device<ResetControlState> {
  let value = 0;
  function write(byte: number): void {
    const rose = (byte & ~value & RST_CPU) !== 0;
    value = byte & (SYS_RST | RST_CPU | FULL_RST);
    if (rose) onReset();
  }
  return {
    name,
    regions: [
      byteRegion(
        name,
        1,
        () => value,
        (_, byte) => write(byte),
      ),
    ],
    reset(): void {
      value = 0;
    },
    save: () => ({ value }),
    restore(state: ResetControlState): void {
      value = stateField(state, name).value;
    },
  };
}
