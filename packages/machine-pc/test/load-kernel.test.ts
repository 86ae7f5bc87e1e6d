import { describe, expect, it } from "vitest";
import type { BootImage, BootInput } from "../src/boot/boot-image.ts";
import { E820_RAM, E820_RESERVED } from "../src/boot/e820.ts";
import { detectKernelFormat, loadKernel } from "../src/boot/load-kernel.ts";
import { makeElf } from "./make-elf.ts";

const MIB = 0x100000;

function input(kernel: Uint8Array, change: Partial<BootInput> = {}): BootInput {
  return {
    kernel,
    modules: [],
    commandLine: "one two",
    kernelName: "me.elf",
    memoryMap: [
      { gpa: 0, length: 0x9fc00, type: E820_RAM },
      { gpa: MIB, length: 15 * MIB, type: E820_RAM },
    ],
    rsdpGpa: 0xf0000,
    longMode: true,
    ...change,
  };
}

/** Guest memory below 16 MiB as the image leaves it. */
function memoryOf(image: BootImage): DataView {
  const ram = new Uint8Array(16 * MIB).fill(0xcc);
  for (const { gpa, bytes, length } of image.segments) {
    ram.fill(0, gpa, gpa + length);
    ram.set(bytes, gpa);
  }
  return new DataView(ram.buffer);
}

function stringAt(memory: DataView, gpa: number): string {
  let text = "";
  for (let at = gpa; memory.getUint8(at) !== 0; at++) text += String.fromCharCode(memory.getUint8(at));
  return text;
}

const pvhNote = { name: "Xen", type: 18, descriptor: Uint8Array.of(0x40, 0, 0x10, 0) };
const body = { paddr: MIB, bytes: Uint8Array.of(0xf4), memoryBytes: 0x2000 };
const modules = [
  { bytes: Uint8Array.of(1, 2, 3), commandLine: "first a b" },
  { bytes: new Uint8Array(0x1001).fill(9), commandLine: "second" },
];

/** flags, then the five address fields. */
function multibootHeader(flags: number, ...addresses: number[]): Uint8Array {
  const checksum = -(0x1badb002 + flags) >>> 0;
  return new Uint8Array(Uint32Array.of(0x1badb002, flags, checksum, ...addresses).buffer);
}

function multibootElf(flags: number, bits: 32 | 64 = 32): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(multibootHeader(flags), 4);
  return makeElf({ bits, entry: MIB + 0x30, load: [{ paddr: MIB, bytes, memoryBytes: 64 }] });
}

describe("loadKernel", () => {
  it("decides between formats as QEMU does, and names none for rubbish", () => {
    const bzImage = new Uint8Array(0x400);
    bzImage.set([0x48, 0x64, 0x72, 0x53], 0x202);
    bzImage.set(multibootHeader(0), 0x300);
    expect(detectKernelFormat(bzImage)).toBe("linux");
    expect(detectKernelFormat(multibootElf(0))).toBe("multiboot");
    expect(detectKernelFormat(makeElf({ bits: 64, entry: 0, load: [body] }))).toBe("pvh");
    for (const rubbish of [new Uint8Array(), new Uint8Array(9000).fill(0x42)]) {
      expect(detectKernelFormat(rubbish)).toBeUndefined();
      expect(() => loadKernel(input(rubbish))).toThrow(expect.objectContaining({ code: "CONFIG_KERNEL_FORMAT" }));
    }
  });
});

describe("PVH", () => {
  it.each([32, 64] as const)("enters an ELF%i kernel with hvm_start_info", (bits) => {
    const kernel = makeElf({ bits, entry: 0xdead, load: [body], notes: [pvhNote] });
    const image = loadKernel(input(kernel, { modules }));
    expect(image.regs["rip"]).toBe(BigInt(MIB + 0x40));
    expect([image.regs["cr0"], image.regs["cs.attributes"]]).toEqual([0x11n, 0xc09bn]);
    expect([image.regs["tr.limit"], image.regs["tr.attributes"]]).toEqual([0x67n, 0x8bn]);
    const memory = memoryOf(image);
    const info = Number(image.regs["rbx"]);
    expect(memory.getUint32(info, true)).toBe(0x336ec578);
    expect(memory.getUint32(info + 4, true)).toBe(1);
    expect(memory.getUint32(info + 12, true)).toBe(2);
    expect(stringAt(memory, memory.getUint32(info + 24, true))).toBe("one two");
    expect(memory.getBigUint64(info + 32, true)).toBe(0xf0000n);
    const map = memory.getUint32(info + 40, true);
    expect(memory.getUint32(info + 48, true)).toBe(2);
    expect(memory.getBigUint64(map + 24, true)).toBe(BigInt(MIB));
    expect(memory.getUint32(map + 24 + 16, true)).toBe(E820_RAM);
  });

  it("places modules page-aligned below the end of RAM and lists them", () => {
    const kernel = makeElf({ bits: 64, entry: 0, load: [body], notes: [pvhNote] });
    const image = loadKernel(input(kernel, { modules }));
    const memory = memoryOf(image);
    const list = memory.getUint32(Number(image.regs["rbx"]) + 16, true);
    expect(memory.getUint32(list, true)).toBe(16 * MIB - 0x1000);
    expect(memory.getUint32(list + 8, true)).toBe(3);
    expect(stringAt(memory, memory.getUint32(list + 16, true))).toBe("first a b");
    expect(memory.getUint32(list + 32, true)).toBe(16 * MIB - 0x3000);
    expect(memory.getUint8(16 * MIB - 0x1000 + 2)).toBe(3);
  });

  it("zeroes what the file does not fill", () => {
    const image = loadKernel(input(makeElf({ bits: 64, entry: 0, load: [body], notes: [pvhNote] })));
    const memory = memoryOf(image);
    expect([0, 1, 0x1fff, 0x2000].map((o) => memory.getUint8(MIB + o))).toEqual([0xf4, 0, 0, 0xcc]);
  });

  it("loads over reserved memory, but not where there is none", () => {
    const at = (paddr: number): Uint8Array =>
      makeElf({ bits: 32, entry: 0, load: [{ ...body, paddr }], notes: [pvhNote] });
    const memoryMap = [
      { gpa: 0xf0000, length: 0x10000, type: E820_RESERVED },
      { gpa: MIB, length: 15 * MIB, type: E820_RAM },
    ] as const;
    const image = loadKernel(input(at(0xff000), { memoryMap }));
    expect(image.segments.some((segment) => segment.gpa === 0xff000)).toBe(true);
    expect(() => loadKernel(input(at(0xef000), { memoryMap }))).toThrow(/does not fit at 0xef000, which is not RAM/);
  });

  it("refuses a kernel without the note, one outside RAM, and modules that do not fit", () => {
    const bare = makeElf({ bits: 64, entry: 0, load: [body] });
    expect(() => loadKernel(input(bare))).toThrow(/neither a PVH entry note nor a multiboot header/);
    const high = makeElf({ bits: 64, entry: 0, load: [{ ...body, paddr: 16 * MIB }], notes: [pvhNote] });
    expect(() => loadKernel(input(high))).toThrow(/kernel needs 17 MiB of memory, the machine has 16 MiB/);
    const kernel = makeElf({ bits: 64, entry: 0, load: [body], notes: [pvhNote] });
    const large = [{ bytes: new Uint8Array(15 * MIB), commandLine: "" }];
    expect(() => loadKernel(input(kernel, { modules: large }))).toThrow(
      expect.objectContaining({ code: "CONFIG_MEMORY_TOO_SMALL" }),
    );
  });
});

describe("multiboot", () => {
  it.each([32, 64] as const)("enters an ELF%i kernel with the information structure", (bits) => {
    const image = loadKernel(input(multibootElf(3, bits), { modules }));
    expect([image.regs["rip"], image.regs["rax"]]).toEqual([BigInt(MIB + 0x30), 0x2badb002n]);
    // As QEMU has it, and in the table: xv6 keeps CS behind one of its own.
    expect([image.regs["cs.selector"], image.regs["ds.selector"]]).toEqual([0x08n, 0x10n]);
    const gdt = Number(image.regs["gdtr.base"]);
    expect([image.regs["gdtr.limit"], memoryOf(image).getUint32(gdt + 0x0c, true)]).toEqual([0x17n, 0xcf9b00]);
    const memory = memoryOf(image);
    const info = Number(image.regs["rbx"]);
    const field = (offset: number): number => memory.getUint32(info + offset, true);
    expect(field(0)).toBe(0x24d);
    expect([field(4), field(8)]).toEqual([639, 15 * 1024]);
    expect(stringAt(memory, field(16))).toBe("me.elf one two");
    expect(stringAt(memory, field(64))).toBe("tsvm");
    const module = (index: number, offset: number): number => memory.getUint32(field(24) + 16 * index + offset, true);
    expect(field(20)).toBe(2);
    expect([module(0, 0), module(0, 4)]).toEqual([MIB + 0x1000, MIB + 0x1003]);
    expect([module(1, 0), module(1, 4)]).toEqual([MIB + 0x2000, MIB + 0x3001]);
    expect(stringAt(memory, module(0, 8))).toBe("first a b");
    expect(memory.getUint8(MIB + 0x1002)).toBe(3);
  });

  it("lists memory in entries that do not count their own size field", () => {
    const image = loadKernel(input(multibootElf(2)));
    const memory = memoryOf(image);
    const info = Number(image.regs["rbx"]);
    expect(memory.getUint32(info + 44, true)).toBe(48);
    const second = memory.getUint32(info + 48, true) + memory.getUint32(memory.getUint32(info + 48, true), true) + 4;
    expect(memory.getBigUint64(second + 4, true)).toBe(BigInt(MIB));
    expect(memory.getBigUint64(second + 12, true)).toBe(BigInt(15 * MIB));
  });

  it("follows the header's address fields", () => {
    const file = new Uint8Array(0x300).fill(0x90);
    // The header is at 0x100 of the file and at 2 MiB + 0x80 in memory; the file's bytes below 0x80 are left out.
    file.set(
      multibootHeader(0x10000, 2 * MIB + 0x80, 2 * MIB, 2 * MIB + 0x200, 2 * MIB + 0x1000, 2 * MIB + 0xa0),
      0x100,
    );
    const image = loadKernel(input(file));
    expect(image.regs["rip"]).toBe(BigInt(2 * MIB + 0xa0));
    const kernel = image.segments.find((segment) => segment.gpa === 2 * MIB);
    expect([kernel?.bytes.length, kernel?.length, kernel?.bytes.byteOffset]).toEqual([0x200, 0x1000, 0x80]);
  });

  it("keeps its own tables clear of a kernel in low memory", () => {
    const low = new Uint8Array(0x2000);
    low.set(multibootHeader(0x10000, 0x8000, 0x8000, 0, 0, 0x8000));
    const moved = Number(loadKernel(input(low, { modules })).regs["rbx"]);
    expect(moved).toBeGreaterThan(MIB + 0x2000 + 0x1001);
  });

  it("refuses what it does not know, what contradicts itself and what is cut off", () => {
    expect(() => loadKernel(input(multibootElf(4)))).toThrow(/video mode/);
    expect(() => loadKernel(input(multibootElf(0x8)))).toThrow(/requires multiboot features 0x8/);
    const contradictory = new Uint8Array(0x100);
    contradictory.set(multibootHeader(0x10000, MIB + 0x1000, MIB, 0, 0, MIB));
    expect(() => loadKernel(input(contradictory))).toThrow(/contradict/);
    const cut = new Uint8Array(0x100);
    cut.set(multibootHeader(0x10000, MIB, MIB, MIB + 0x101, 0, MIB));
    expect(() => loadKernel(input(cut))).toThrow(expect.objectContaining({ code: "CONFIG_KERNEL_TRUNCATED" }));
    expect(() => loadKernel(input(multibootHeader(0x10000).subarray(0, 16)))).toThrow(/truncated/);
  });
});
