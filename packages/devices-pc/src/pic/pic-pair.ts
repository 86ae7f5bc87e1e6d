import { byteRegion, type Device, type IoRegion, type IrqLine, recordField } from "@tsvm/contracts";
import { createI8259, type I8259, type I8259State, i8259Field } from "./i8259.ts";

/** The input of the first chip that the second one's INT is soldered to. */
const CASCADE_INPUT = 2;
/** ELCR: IRQ 0, 1, 2, 8 and 13 are always edge-triggered (82371SB, "ELCR"). */
const MASTER_ELCR_MASK = 0xf8;
const SLAVE_ELCR_MASK = 0xde;

export interface PicPairOptions {
  /** INT of the first chip: to the CPU's INTR, usually through the local APIC's LINT0. */
  readonly intr: IrqLine;
  /** Default "pic". */
  readonly name?: string;
}

export interface PicPairState {
  master: I8259State;
  slave: I8259State;
}

export interface PicPair extends Device<PicPairState> {
  /** Sixteen inputs. Number 2 is the cascade: setting it does nothing. */
  readonly inputs: readonly IrqLine[];
  /** The acknowledge cycle: the vector to deliver; a spurious one, IRQ 7 or 15, when no request stands any more. */
  acknowledge(): number;
}

const stateField = recordField<PicPairState>({ master: i8259Field, slave: i8259Field });

/**
 * The two 8259A of an AT. Regions: the first chip's two ports, the second one's, and the two edge/level control
 * registers (ELCR) of the PCI chip sets.
 */
export function createPicPair({ intr, name = "pic" }: PicPairOptions): PicPair {
  const master = createI8259(MASTER_ELCR_MASK, 1 << CASCADE_INPUT);
  const slave = createI8259(SLAVE_ELCR_MASK, 0);
  let output = false;

  function update(): void {
    master.setInput(CASCADE_INPUT, slave.output);
    if (master.output === output) return;
    output = !output;
    intr.set(output);
  }

  function line(number: number): IrqLine {
    const chip = number < 8 ? master : slave;
    return {
      set(level: boolean): void {
        if (number === CASCADE_INPUT) return;
        chip.setInput(number & 7, level);
        update();
      },
    };
  }

  function acknowledge(): number {
    const level = master.acknowledge();
    const vector = level === CASCADE_INPUT ? slave.vector(slave.acknowledge()) : master.vector(level);
    update();
    return vector;
  }

  function chipRegion(chip: I8259, regionName: string): IoRegion {
    const read = (offset: number): number => {
      const value = chip.read(offset);
      update();
      return value;
    };
    const write = (offset: number, value: number): void => {
      chip.write(offset, value);
      update();
    };
    return byteRegion(regionName, 2, read, write);
  }

  const elcr = byteRegion(
    `${name}.elcr`,
    2,
    (offset) => (offset === 0 ? master : slave).elcr,
    (offset, value) => {
      (offset === 0 ? master : slave).elcr = value;
      update();
    },
  );

  return {
    name,
    regions: [chipRegion(master, `${name}.master`), chipRegion(slave, `${name}.slave`), elcr],
    inputs: Array.from({ length: 16 }, (_, number) => line(number)),
    acknowledge,
    reset(): void {
      master.reset();
      slave.reset();
      output = false;
      intr.set(false);
    },
    save: () => ({ master: master.save(), slave: slave.save() }),
    restore(untrusted: PicPairState): void {
      const state = stateField(untrusted, name);
      master.restore(state.master);
      slave.restore(state.slave);
      output = master.output;
      intr.set(output);
    },
  };
}
