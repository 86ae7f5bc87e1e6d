import type { AccessSize, Chardev, GuestMemory, IoPort, IoRegion } from "@tsvm/contracts";
import { createPciFunction, type PciDevice, type PciSlot } from "@tsvm/devices-pc";
import { createVirtioBalloon, createVirtioBlock, createVirtioRng, createVirtioSerial } from "@tsvm/devices-virtio";
import { createRandom, type FuzzCounts } from "@tsvm-testing/fakes";
import { createVirtualClock, type PcOptions, pcBoard } from "../src/index.ts";
import { createFakeAccelerator, type FakeCpu } from "../test/fake-accelerator.ts";
import { makeElf } from "../test/make-elf.ts";

const MIB = 0x100000;
const STEPS = 1000;
const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const ECAM = 0xe0000000;
const SIZES: readonly AccessSize[] = [1, 2, 4];
/** Registers of a header that move things, and the first bytes of capabilities. */
const HOT_REGISTERS = [0x04, 0x06, 0x10, 0x14, 0x18, 0x20, 0x24, 0x34, 0x3c, 0x40, 0x42, 0x44, 0x48, 0x4c, 0x50];
/** Where guests put windows: where they belong, on top of each other, over chips, RAM, ports, and nowhere. */
const PLACES = [
  0xc0000000,
  0xc0001000,
  0xc0004000,
  0xdffff000,
  ECAM,
  0xfec00000,
  0xfee00000,
  0xfffff000,
  0,
  0x1000,
  0xffffffff,
];
const PORTS = [0xc000, 0xc040, 0xcf8, 0x3f8, 0x20, 0x510, 0x600, 0xffff];
const RNG_SLOT = 4;

type Random = () => number;

/** A kernel that is loaded and never executed. */
export const kernel: Uint8Array = makeElf({
  bits: 32,
  entry: MIB,
  load: [{ paddr: MIB, bytes: Uint8Array.of(0xfa, 0xf4), memoryBytes: 0x100 }],
  notes: [{ name: "Xen", type: 18, descriptor: Uint8Array.of(0, 0, 0x10, 0) }],
});

/** A host on which no time passes. */
export const host: PcOptions["host"] = {
  monotonicNs: () => 0,
  yieldToHost: async () => {},
  sleep: () => ({ done: Promise.resolve(), wake: () => {} }),
};

/** Takes everything, has nothing. */
export function nullChardev(): Chardev {
  return { write(): void {}, read: () => new Uint8Array(), onInput: () => ({ dispose(): void {} }) };
}

/** A third party's device with every kind of BAR and interrupt. */
function createEverything(name: string, slot: PciSlot): PciDevice<Record<string, never>> {
  const region = (kind: string, length: number): IoRegion => ({
    name: `${name}-${kind}`,
    length,
    read: (offset, size) => offset % 2 ** (8 * size),
    write(offset, _size, value): void {
      pci.interrupt.set(value % 2 === 0);
      pci.signal(offset % 64);
    },
  });
  const pci = createPciFunction(slot, {
    name: `${name}-pci`,
    identity: { vendorId: 0x1234, deviceId: 0x11e8, classCode: 0xff_00_00 },
    bars: [
      { index: 0, kind: "io", region: region("io", 0x40) },
      { index: 1, kind: "memory", region: region("memory", 0x1000) },
      { index: 2, kind: "memory64", region: region("memory64", 0x10_0000), prefetchable: true },
    ],
    pin: 4,
    msi: { vectors: 32 },
    msix: { vectors: 33, bar: 4 },
  });
  return { name, pci, regions: [], reset(): void {}, save: () => ({}), restore(): void {} };
}

/** One of each kind, with everything on. */
export function createDevices(): NonNullable<PcOptions["devices"]> {
  const bytes = new Uint8Array(64 * 512);
  const backend = {
    sectorCount: 64,
    readOnly: false,
    read: async (sector: number, buf: Uint8Array): Promise<void> =>
      buf.set(bytes.subarray(sector * 512, sector * 512 + buf.length)),
    write: async (sector: number, buf: Uint8Array): Promise<void> => bytes.set(buf, sector * 512),
    flush: async (): Promise<void> => {},
  };
  return [
    { virtio: createVirtioBlock({ backend }) },
    {
      virtio: createVirtioSerial({ ports: [{ kind: "console", chardev: nullChardev() }, { chardev: nullChardev() }] }),
    },
    { virtio: createVirtioRng({ random: () => 0x07070707 }), address: { slot: RNG_SLOT } },
    { virtio: createVirtioBalloon(), legacy: false },
    { name: "first", create: (slot) => createEverything("first", slot), address: { slot: 6 } },
    { name: "second", create: (slot) => createEverything("second", slot), address: { slot: 6, fn: 5 } },
  ];
}

/** Accesses of a guest to configuration space, both ways, to windows wherever it has put them, and past everything. */
class HostileGuest {
  accesses = 0;
  /** Windows that were hit: a read that was not all ones. */
  hits = 0;
  readonly #io: IoPort;
  readonly #random: Random;
  readonly #bytes = new Uint8Array(8);
  /** Where it put windows last. */
  readonly #placed: number[] = [ECAM, ECAM, ECAM, ECAM];

  constructor(io: IoPort, random: Random) {
    this.#io = io;
    this.#random = random;
  }

  step(): void {
    const kind = this.#random() % 8;
    if (kind < 2) this.#configByPort();
    else if (kind < 3) this.#configByMemory();
    else if (kind < 6) this.#window();
    else if (kind < 7) this.#port(this.#pick(PORTS));
    else this.#placeWindow();
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random() % from.length] as T;
  }

  #value(size: AccessSize): number {
    const value = this.#pick([0, 1, 2, 4, 6, 7, 0x400, 0xc000, 0xffffffff, this.#random(), this.#pick(PLACES)]);
    return value % 2 ** (8 * size);
  }

  /** A function that is there, mostly. */
  #slot(): number {
    return this.#random() % 8 === 0 ? this.#random() % 32 : this.#random() % 7;
  }

  #register(): number {
    return this.#random() % 3 === 0 ? this.#random() % 256 : this.#pick(HOT_REGISTERS);
  }

  #select(slot: number, register: number): void {
    const fn = this.#random() % 4 === 0 ? this.#random() % 8 : 0;
    const bus = this.#random() % 32 === 0 ? 1 : 0;
    this.#out(CONFIG_ADDRESS, 4, (0x80000000 | (bus << 16) | (slot << 11) | (fn << 8) | (register & 0xfc)) >>> 0);
  }

  #configByPort(): void {
    const size = this.#pick(SIZES);
    const register = this.#register();
    this.#select(this.#slot(), register);
    if (this.#random() % 2 === 0) this.#in(CONFIG_DATA + (register & 3), size);
    else this.#out(CONFIG_DATA + (register & 3), size, this.#value(size));
  }

  #configByMemory(): void {
    const fn = this.#random() % 4 === 0 ? this.#random() % 8 : 0;
    const at =
      ECAM +
      this.#slot() * 0x8000 +
      fn * 0x1000 +
      (this.#random() % 8 === 0 ? this.#random() % 0x1000 : this.#register());
    this.#memory(at);
  }

  /** Turns a function on and gives one of its BARs a place. */
  #placeWindow(): void {
    const slot = this.#slot();
    this.#select(slot, 0x04);
    this.#out(CONFIG_DATA, 2, this.#pick([7, 7, 6, 3, 0x407]));
    const bar = this.#random() % 6;
    this.#select(slot, 0x10 + 4 * bar);
    const place = bar === 0 ? this.#pick(PORTS) : this.#pick(PLACES);
    this.#out(CONFIG_DATA, 4, place);
    this.#placed[this.#random() % 4] = place;
  }

  #window(): void {
    const place = this.#pick(this.#random() % 4 === 0 ? PLACES : this.#placed);
    if (place < 0x10000) this.#port(place);
    else this.#memory(place + this.#pick([0, 0, 0, 0x1000, 0x2000, 0x3000, 0x10_0000_0000]) + (this.#random() % 0x48));
  }

  #port(place: number): void {
    const size = this.#pick(SIZES);
    const port = (place + (this.#random() % 0x20)) & 0xffff;
    if (this.#random() % 2 === 0) this.#in(port, size);
    else this.#out(port, size, this.#value(size));
  }

  /** 1 to 8 bytes, at any alignment. */
  #memory(gpa: number): void {
    this.accesses++;
    const part = this.#bytes.subarray(0, 1 + (this.#random() % 8));
    if (this.#random() % 2 === 0) {
      this.#io.load(gpa, part);
      if (!part.every((byte) => byte === 0xff)) this.hits++;
      return;
    }
    for (let i = 0; i < part.length; i++) part[i] = this.#value(1);
    this.#io.store(gpa, part);
  }

  #in(port: number, size: AccessSize): void {
    this.accesses++;
    const value = this.#io.in(port, size);
    const fits = Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size);
    if (!fits) throw new Error(`in(0x${port.toString(16)}, ${size}) gave ${value}`);
    if (value !== 2 ** (8 * size) - 1) this.hits++;
  }

  #out(port: number, size: AccessSize, value: number): void {
    this.accesses++;
    this.#io.out(port, size, value);
  }
}

/**
 * A guest that plays with PCI: configuration space by ports and by memory, BARs moved over each other and over everything,
 * registers of the devices behind them, MSI and MSI-X, the ports around. Nothing may be thrown; and after a reset of the
 * machine an honest driver must find its device and be served.
 */
export async function fuzzPciAccesses(seed: number): Promise<FuzzCounts> {
  const random = createRandom(seed);
  const counts = { accesses: 0, hits: 0 };
  let honest = false;
  let served = false;
  const accelerator = createFakeAccelerator((cpu) => {
    if (honest) {
      served = serveHonestly(cpu, machine.memory);
    } else {
      const guest = new HostileGuest(cpu.io, random);
      for (let step = 0; step < STEPS; step++) guest.step();
      counts.accesses += guest.accesses;
      counts.hits += guest.hits;
    }
    return { reason: "shutdown" };
  });
  const options: PcOptions = { memoryBytes: 4 * MIB, kernel, host, serial: [nullChardev()], devices: createDevices() };
  const machine = pcBoard.build(accelerator, options, createVirtualClock());
  for (let part = 0; part < 3; part++) {
    await machine.run();
    for (const device of machine.devices) device.restore(structuredClone(device.save()));
  }
  machine.reset();
  honest = true;
  await machine.run();
  if (!served) throw new Error("an honest driver is not served after a reset");
  return counts;
}

/** Finds the entropy device, gives it a window and a queue, and asks for four bytes. */
function serveHonestly({ io, store32 }: FakeCpu, ram: GuestMemory): boolean {
  const config = (register: number, value: number): void => {
    io.out(CONFIG_ADDRESS, 4, 0x80000000 + (RNG_SLOT << 11) + register);
    io.out(CONFIG_DATA, 4, value);
  };
  const window = 0xc0000000;
  const [descriptors, available, used, buffer] = [0x200000, 0x201000, 0x202000, 0x203000] as const;
  const write = (gpa: number, ...words: readonly number[]): void =>
    ram.write(gpa, new Uint8Array(Uint32Array.from(words).buffer));
  const status = (value: number): void => io.store(window + 20, Uint8Array.of(value));
  config(0x20, window);
  config(0x24, 0);
  config(0x04, 6);
  for (const value of [1, 3]) status(value);
  store32(window + 8, 1);
  store32(window + 12, 1);
  status(11);
  for (const [at, gpa] of [
    [32, descriptors],
    [40, available],
    [48, used],
  ] as const) {
    store32(window + at, gpa);
  }
  write(descriptors, buffer, 0, 4, 2);
  write(available, 0x0001_0000, 0);
  write(used, 0, 0, 0);
  write(buffer, 0);
  io.store(window + 28, Uint8Array.of(1, 0));
  status(15);
  io.store(window + 0x3000, Uint8Array.of(0, 0));
  return ram.view(buffer, 4)?.[0] === 7 && ram.view(used, 4)?.[2] === 1;
}
