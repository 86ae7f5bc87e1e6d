import { booleanField, byteRegion, type Device, type IrqLine, recordField } from "@tsvm/contracts";

const FAST_RESET = 0x01;
const A20_GATE = 0x02;

export interface SystemControlPortAOptions {
  /** Address line 20 is let through; the board joins it with the keyboard controller's. */
  readonly a20: IrqLine;
  /** Bit 0 rose: the CPU resets. */
  readonly onReset: () => void;
  /** Default "port92". */
  readonly name?: string;
}

export interface SystemControlPortAState {
  a20: boolean;
  fastReset: boolean;
}

const stateField = recordField<SystemControlPortAState>({ a20: booleanField, fastReset: booleanField });

/** The PS/2's system control port A, one byte at what PCs have as port 0x92: fast A20 and fast reset. */
export function createSystemControlPortA(options: SystemControlPortAOptions): Device<SystemControlPortAState> {
  const { a20, onReset, name = "port92" } = options;
  let value = 0;

  function write(byte: number): void {
    const rose = (byte & ~value & FAST_RESET) !== 0;
    value = byte & (FAST_RESET | A20_GATE);
    a20.set((value & A20_GATE) !== 0);
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
      a20.set(false);
    },
    save: () => ({ a20: (value & A20_GATE) !== 0, fastReset: (value & FAST_RESET) !== 0 }),
    restore(untrusted: SystemControlPortAState): void {
      const state = stateField(untrusted, name);
      value = (state.a20 ? A20_GATE : 0) | (state.fastReset ? FAST_RESET : 0);
      a20.set(state.a20);
    },
  };
}
