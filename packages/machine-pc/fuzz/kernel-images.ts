import { createRandom, type FuzzCounts } from "@tsvm-testing/fakes";
import { createVirtualClock, detectKernelFormat, type PcOptions, pcBoard } from "../src/index.ts";
import { createFakeAccelerator } from "../test/fake-accelerator.ts";
import { makeElf } from "../test/make-elf.ts";
import { host, kernel } from "./pci-accesses.ts";

const MIB = 0x100000;
const IMAGES = 40;
/** Numbers that sizes and offsets break on. */
const NASTY = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_f000, 0x10_0000] as const;

/** A boot sector with Linux's header, as far as loaders look, and some code. */
function makeBzImage(): Uint8Array {
  const image = new Uint8Array(0x4000);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 4);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint16(0x200, 0x66eb, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x214, MIB, true);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint32(0x230, 0x20_0000, true);
  view.setUint16(0x236, 3, true);
  view.setUint32(0x238, 0x7ff, true);
  view.setUint32(0x260, 0x10_0000, true);
  return image;
}

function makeMultiboot(): Uint8Array {
  const image = new Uint8Array(0x200);
  const header = [
    0x1bad_b002,
    0x1_0000,
    -(0x1bad_b002 + 0x1_0000) >>> 0,
    MIB,
    MIB,
    MIB + 0x200,
    MIB + 0x300,
    MIB + 0x20,
  ];
  for (const [i, field] of header.entries()) new DataView(image.buffer).setUint32(i * 4, field >>> 0, true);
  return image;
}

const ORIGINALS: readonly Uint8Array[] = [
  kernel,
  makeElf({ bits: 64, entry: MIB, load: [{ paddr: MIB, bytes: Uint8Array.of(0xf4), memoryBytes: 0x1000 }] }),
  makeBzImage(),
  makeMultiboot(),
];

/** One of the originals, cut or with a few fields changed, mostly in its headers. */
function spoil(random: () => number): Uint8Array {
  const original = ORIGINALS[random() % ORIGINALS.length] as Uint8Array;
  const image = random() % 6 === 0 ? original.slice(0, random() % original.length) : original.slice();
  const view = new DataView(image.buffer);
  for (let changes = 1 + (random() % 4); changes > 0 && image.length >= 4; changes--) {
    const reach = random() % 2 === 0 ? Math.min(image.length, 0x80) : Math.min(image.length, 0x270);
    const at = random() % Math.max(1, reach - 3);
    if (random() % 2 === 0) view.setUint32(at, NASTY[random() % NASTY.length] as number, true);
    else view.setUint8(at, random() & 0xff);
  }
  return image;
}

/**
 * Spoilt kernels of all formats are loaded, or refused with an error of ours that has a code; nothing else may be thrown.
 */
export async function fuzzKernelImages(seed: number): Promise<FuzzCounts> {
  const random = createRandom(seed);
  const counts = { accesses: 0, loaded: 0, refused: 0 };
  for (; counts.accesses < IMAGES; counts.accesses++) {
    const image = spoil(random);
    const options: PcOptions = { memoryBytes: 8 * MIB, kernel: image, host };
    try {
      detectKernelFormat(image);
      pcBoard.build(
        createFakeAccelerator(() => ({ reason: "shutdown" })),
        options,
        createVirtualClock(),
      );
      counts.loaded++;
    } catch (error) {
      if (!/^(CONFIG|GUEST)_/.test(String((error as { code?: unknown }).code))) throw error;
      counts.refused++;
    }
  }
  return counts;
}
