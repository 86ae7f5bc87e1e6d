import { type AccessSize, bytesField, type Device, type IoRegion, type IrqLine, recordField } from "@tsvm/contracts";

/** Bytes of the window that behaves as RAM behind a device. */
const MEMORY_LENGTH = 0x1_0000;
const PORT_LENGTH = 4;

export interface PcTestDeviceOptions {
  /** What the interrupt window drives, one line a port: a write of anything but zero raises it, zero lowers it. */
  readonly lines: readonly IrqLine[];
  /** Default "pc-testdev". */
  readonly name?: string;
}

export interface PcTestDeviceState {
  ports: Uint8Array;
  bytePorts: Uint8Array;
  memory: Uint8Array;
  /** One byte a line: raised or not. */
  levels: Uint8Array;
}

/**
 * QEMU's pc-testdev, for test programs of processors (hw/misc/pc-testdev.c). Regions in this order: four ports that keep what
 * is written in any width; the port that has a page of guest memory mapped anew, which changes nothing a guest could see; four
 * ports that know bytes only; the interrupt lines, a port each; 64 KiB of memory that is reached as registers are.
 */
export function createPcTestDevice({ lines, name = "pc-testdev" }: PcTestDeviceOptions): Device<PcTestDeviceState> {
  const ports = new Uint8Array(PORT_LENGTH);
  const bytePorts = new Uint8Array(PORT_LENGTH);
  const memory = new Uint8Array(MEMORY_LENGTH);
  const levels = new Uint8Array(lines.length);
  const kept: PcTestDeviceState = { ports, bytePorts, memory, levels };
  const stateField = recordField<PcTestDeviceState>({
    ports: bytesField(PORT_LENGTH),
    bytePorts: bytesField(PORT_LENGTH),
    memory: bytesField(MEMORY_LENGTH),
    levels: bytesField(lines.length),
  });

  /** Takes every byte of a state over, and drives the lines as it says. */
  function load(state: PcTestDeviceState): void {
    for (const name of ["ports", "bytePorts", "memory", "levels"] as const) kept[name].set(state[name]);
    for (const [i, line] of lines.entries()) line.set(levels[i] !== 0);
  }

  return {
    name,
    regions: [
      bytesRegion(`${name} ports`, ports),
      { name: `${name} flush`, length: PORT_LENGTH, read: () => 0, write(): void {} },
      bytesRegion(`${name} byte ports`, bytePorts),
      interruptRegion(`${name} interrupts`, lines, levels),
      bytesRegion(`${name} memory`, memory),
    ],
    reset(): void {
      for (const bytes of [ports, bytePorts, memory, levels]) bytes.fill(0);
      load(kept);
    },
    save: () => ({
      ports: ports.slice(),
      bytePorts: bytePorts.slice(),
      memory: memory.slice(),
      levels: levels.slice(),
    }),
    restore: (state: PcTestDeviceState) => load(stateField(state, name)),
  };
}

/** Little-endian, in any width; what lies past the end is not there. */
function bytesRegion(name: string, bytes: Uint8Array): IoRegion {
  return {
    name,
    length: bytes.length,
    read(offset: number, size: AccessSize): number {
      let value = 0;
      for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0) << (8 * i);
      return value >>> 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      for (let i = 0; i < size; i++) bytes[offset + i] = value >>> (8 * i);
    },
  };
}

function interruptRegion(name: string, lines: readonly IrqLine[], levels: Uint8Array): IoRegion {
  return {
    name,
    length: lines.length,
    read: () => 0,
    write(offset: number, _size: AccessSize, value: number): void {
      levels[offset] = value === 0 ? 0 : 1;
      lines[offset]?.set(value !== 0);
    },
  };
}
