import type { AccessSize, IoPort } from "@tsvm/contracts";
import { createVirtioBlock, createVirtioRng } from "@tsvm/devices-virtio";
import { createRandom, type FuzzCounts } from "@tsvm-testing/fakes";
import { createVirtualClock, microvmBoard, type PcOptions, pcBoard } from "../src/index.ts";
import { createFakeAccelerator } from "../test/fake-accelerator.ts";
import { createDevices, host, kernel, nullChardev } from "./pci-accesses.ts";

const MIB = 0x100000;
const PORTS = 0x10000;
const PORT_SIZES: readonly AccessSize[] = [1, 2, 4];
const MEMORY_SIZES = [1, 2, 4, 8] as const;
/** Cases that together reach everything in every size, by reading and by writing. */
export const CASES_PER_SWEEP = 32;

/** Where there are registers, or might be: video memory, BARs, ECAM of eight slots, virtio windows, the chips, the test device. */
const WINDOWS: readonly (readonly [gpa: number, length: number])[] = [
  [0xa0000, 0x2000],
  [0xc0000000, 0x8000],
  [0xe0000000, 0x8000 * 8],
  [0xfeb00000, 0x200 * 12],
  [0xfec00000, 0x1000],
  [0xfed00000, 0x1000],
  [0xfee00000, 0x1000],
  [0xff000000, 0x2000],
];
const WINDOW_BYTES = WINDOWS.reduce((sum, [, length]) => sum + length, 0);

type Random = () => number;

/** One share of all ports and all offsets, in a random order of reads and writes. */
class Sweep {
  accesses = 0;
  /** Reads that were not all ones. */
  hits = 0;
  readonly #io: IoPort;
  readonly #random: Random;
  readonly #bytes = new Uint8Array(8);

  constructor(io: IoPort, random: Random) {
    this.#io = io;
    this.#random = random;
  }

  run(share: number): void {
    for (let port = share; port < PORTS; port += CASES_PER_SWEEP) for (const size of PORT_SIZES) this.#port(port, size);
    for (let at = share; at < WINDOW_BYTES; at += CASES_PER_SWEEP)
      for (const size of MEMORY_SIZES) this.#memory(gpaAt(at), size);
  }

  #value(): number {
    const random = this.#random();
    return [0, 1, 0x80, 0xff, random & 0xff, random >>> 0, 0xffffffff, random % 16][random % 8] as number;
  }

  #port(port: number, size: AccessSize): void {
    for (let turn = 0; turn < 2; turn++) {
      this.accesses++;
      if ((this.#random() & 1) === turn) this.#io.out(port, size, this.#value() % 2 ** (8 * size));
      else this.#read(port, size);
    }
  }

  #read(port: number, size: AccessSize): void {
    const value = this.#io.in(port, size);
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size))
      throw new Error(`in(0x${port.toString(16)}, ${size}) gave ${value}`);
    if (value !== 2 ** (8 * size) - 1) this.hits++;
  }

  #memory(gpa: number, size: number): void {
    const part = this.#bytes.subarray(0, size);
    for (let turn = 0; turn < 2; turn++) {
      this.accesses++;
      if ((this.#random() & 1) === turn) {
        for (let i = 0; i < size; i++) part[i] = this.#value();
        this.#io.store(gpa, part);
      } else {
        this.#io.load(gpa, part);
        if (!part.every((byte) => byte === 0xff)) this.hits++;
      }
    }
  }
}

function gpaAt(offset: number): number {
  let rest = offset;
  for (const [gpa, length] of WINDOWS) {
    if (rest < length) return gpa + rest;
    rest -= length;
  }
  throw new Error(`offset ${offset} is beyond all windows`);
}

/** Microvm's devices; the pc board gets the PCI ones, too. */
function microvmDevices(): NonNullable<PcOptions["devices"]> {
  const backend = {
    sectorCount: 64,
    readOnly: false,
    read: async (_: number, buf: Uint8Array): Promise<void> => void buf.fill(0),
    write: async (): Promise<void> => {},
    flush: async (): Promise<void> => {},
  };
  return [{ virtio: createVirtioBlock({ backend }) }, { virtio: createVirtioRng({ random: () => 7 }) }];
}

/**
 * Every port, and every offset of every window, in every size, by reading and writing; a case is one share of it, seeds take
 * the shares in turn and the boards in turn. Nothing may be thrown, state must come back as it was saved, and a reset must work.
 */
export async function fuzzEveryRegister(seed: number): Promise<FuzzCounts> {
  const random = createRandom(seed);
  const counts = { accesses: 0, hits: 0 };
  const accelerator = createFakeAccelerator(({ io }) => {
    const sweep = new Sweep(io, random);
    sweep.run((seed >> 1) % CASES_PER_SWEEP);
    counts.accesses += sweep.accesses;
    counts.hits += sweep.hits;
    return { reason: "shutdown" };
  });
  const pc = seed % 2 === 0;
  const options: PcOptions = {
    memoryBytes: 4 * MIB,
    kernel,
    host,
    serial: [nullChardev(), nullChardev()],
    debugConsole: nullChardev(),
    devices: pc ? createDevices() : microvmDevices(),
  };
  const machine = (pc ? pcBoard : microvmBoard).build(accelerator, options, createVirtualClock());
  await machine.run();
  for (const device of machine.devices) device.restore(structuredClone(device.save()));
  machine.reset();
  await machine.run();
  return counts;
}
