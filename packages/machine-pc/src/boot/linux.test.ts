import { describe, expect, it } from "vitest";
import type { BootImage, BootInput } from "./boot-image.ts";
import { E820_RAM, E820_RESERVED } from "./e820.ts";
import { loadLinux } from "./linux.ts";
import { parseLinuxHeader, SETUP } from "./linux-header.ts";

const MIB = 0x100000;

interface KernelShape {
  readonly version?: number;
  readonly entry64?: boolean;
  readonly relocatable?: boolean;
}

/** A bzImage of two setup sectors and 64 bytes of code, that wants 4 MiB at 16 MiB. */
function bzImage(shape: KernelShape = {}): Uint8Array {
  const { version = 0x20f, entry64 = true, relocatable = true } = shape;
  const bytes = new Uint8Array(3 * 512 + 64);
  bytes.fill(0xaa, 3 * 512);
  bytes.fill(0xee, SETUP.jump + 2 + 0x6a, 3 * 512);
  const view = new DataView(bytes.buffer);
  view.setUint8(SETUP.setup_sects, 2);
  view.setUint32(SETUP.syssize, 4, true);
  view.setUint16(SETUP.boot_flag, 0xaa55, true);
  view.setUint16(SETUP.jump, 0x6aeb, true);
  view.setUint32(SETUP.header, 0x53726448, true);
  view.setUint16(SETUP.version, version, true);
  view.setUint8(SETUP.loadflags, 1);
  view.setUint32(SETUP.code32_start, MIB, true);
  view.setUint32(SETUP.initrd_addr_max, 0x7fffffff, true);
  view.setUint32(SETUP.kernel_alignment, 2 * MIB, true);
  view.setUint8(SETUP.relocatable_kernel, relocatable ? 1 : 0);
  view.setUint16(SETUP.xloadflags, entry64 ? 1 : 0, true);
  view.setUint32(SETUP.cmdline_size, 100, true);
  view.setUint32(SETUP.pref_address, 16 * MIB, true);
  view.setUint32(SETUP.init_size, 4 * MIB, true);
  return bytes;
}

function input(change: Partial<BootInput> & { readonly mebibytes?: number } = {}): BootInput {
  const { mebibytes = 64, ...rest } = change;
  return {
    kernel: bzImage(),
    modules: [],
    commandLine: "quiet",
    kernelName: "kernel",
    memoryMap: [
      { gpa: 0, length: 0x9fc00, type: E820_RAM },
      { gpa: 0x9fc00, length: 0x400, type: E820_RESERVED },
      { gpa: MIB, length: (mebibytes - 1) * MIB, type: E820_RAM },
    ],
    rsdpGpa: 0xf0000,
    longMode: true,
    ...rest,
  };
}

const initrd = (length: number): BootInput["modules"] => [
  { bytes: new Uint8Array(length).fill(0x77), commandLine: "" },
];

function at(image: BootImage, gpa: number): Uint8Array {
  const found = image.segments.find((segment) => segment.gpa === gpa);
  if (found === undefined) throw new Error(`nothing at 0x${gpa.toString(16)}`);
  return found.bytes;
}

function bootParams(image: BootImage): DataView {
  return new DataView(at(image, Number(image.regs["rsi"])).slice().buffer);
}

describe("loadLinux", () => {
  it("enters a 64-bit kernel at its preferred address, in long mode, with a page table that maps it", () => {
    const image = loadLinux(input());
    expect(image.regs["rip"]).toBe(BigInt(16 * MIB + 0x200));
    expect(image.regs["efer"]).toBe(0x500n);
    expect([image.regs["cr0"], image.regs["cr4"]]).toEqual([0x80000011n, 0x20n]);
    expect([image.regs["cs.selector"], image.regs["cs.attributes"]]).toEqual([0x10n, 0xa09bn]);
    expect([image.regs["ss.selector"], image.regs["ss.attributes"]]).toEqual([0x18n, 0xc093n]);
    expect(at(image, 16 * MIB)).toEqual(new Uint8Array(64).fill(0xaa));
    expect(translate(image, 16 * MIB + 0x234)).toBe(16 * MIB + 0x234);
    expect(translate(image, 0xfee00030)).toBe(0xfee00030);
  });

  it("enters at code32_start in flat protected mode if kernel or CPU have no 64-bit mode", () => {
    for (const image of [
      loadLinux(input({ longMode: false })),
      loadLinux(input({ kernel: bzImage({ entry64: false }) })),
    ]) {
      expect(image.regs["rip"]).toBe(BigInt(MIB));
      expect([image.regs["cr0"], image.regs["efer"]]).toEqual([0x11n, 0n]);
      expect([image.regs["cs.selector"], image.regs["cs.attributes"]]).toEqual([0x10n, 0xc09bn]);
      expect([image.regs["rbp"], image.regs["rdi"], image.regs["rbx"]]).toEqual([0n, 0n, 0n]);
      expect(image.regs["rflags"]).toBe(2n);
    }
  });

  it("gives a descriptor table that agrees with the hidden parts", () => {
    const flat = loadLinux(input({ longMode: false }));
    const table = new DataView(at(flat, Number(flat.regs["gdtr.base"])).slice().buffer);
    expect(flat.regs["gdtr.limit"]).toBe(0x1fn);
    expect(table.getBigUint64(0x10, true)).toBe(0x00cf9b000000ffffn);
    expect(table.getBigUint64(0x18, true)).toBe(0x00cf93000000ffffn);
    const long = loadLinux(input());
    const codes = new DataView(at(long, Number(long.regs["gdtr.base"])).slice().buffer);
    expect(codes.getBigUint64(0x10, true)).toBe(0x00af9b000000ffffn);
  });

  it("copies the setup header and no byte beyond it", () => {
    const params = bootParams(loadLinux(input()));
    expect(params.getUint32(SETUP.header, true)).toBe(0x53726448);
    expect(params.getUint32(SETUP.init_size, true)).toBe(4 * MIB);
    expect(params.getUint8(SETUP.header + 0x6a)).toBe(0);
    expect(params.getUint8(SETUP.type_of_loader)).toBe(0xff);
  });

  it("fills in memory map, RSDP and command line, and leaves screen_info zero", () => {
    const image = loadLinux(input({ commandLine: "console=ttyS0" }));
    const params = bootParams(image);
    expect(params.getUint8(0x1e8)).toBe(3);
    expect(params.getBigUint64(0x2d0 + 40, true)).toBe(BigInt(MIB));
    expect(params.getBigUint64(0x2d0 + 48, true)).toBe(BigInt(63 * MIB));
    expect(params.getUint32(0x2d0 + 20 + 16, true)).toBe(E820_RESERVED);
    expect(params.getBigUint64(0x70, true)).toBe(0xf0000n);
    const text = at(image, params.getUint32(SETUP.cmd_line_ptr, true));
    expect(String.fromCharCode(...text)).toBe("console=ttyS0\0");
    for (let i = 0; i < 0x40; i++) expect(params.getUint8(i)).toBe(0);
  });

  it("puts the initrd as high as RAM and the kernel's limit allow, on a page boundary", () => {
    const small = bootParams(loadLinux(input({ modules: initrd(0x1801) })));
    expect(small.getUint32(SETUP.ramdisk_image, true)).toBe(64 * MIB - 0x2000);
    expect(small.getUint32(SETUP.ramdisk_size, true)).toBe(0x1801);
    const large = loadLinux(input({ modules: initrd(0x1000), mebibytes: 3072 }));
    expect(bootParams(large).getUint32(SETUP.ramdisk_image, true)).toBe(0x7ffff000);
    expect(at(large, 0x7ffff000)[0]).toBe(0x77);
  });

  it("says how much memory is needed when kernel or initrd do not fit", () => {
    expect(() => loadLinux(input({ mebibytes: 19 }))).toThrow(
      expect.objectContaining({
        code: "CONFIG_MEMORY_TOO_SMALL",
        message: "kernel needs 20 MiB of memory, the machine has 19 MiB",
      }),
    );
    expect(() => loadLinux(input({ mebibytes: 21, modules: initrd(2 * MIB) }))).toThrow(
      /initrd does not fit: kernel and initrd need 22 MiB of memory, 21 MiB can be used/,
    );
  });

  it("refuses a command line longer than the kernel takes", () => {
    expect(() => loadLinux(input({ commandLine: "x".repeat(100) }))).not.toThrow();
    expect(() => loadLinux(input({ commandLine: "x".repeat(101) }))).toThrow(
      expect.objectContaining({ code: "CONFIG_COMMAND_LINE" }),
    );
  });

  it("takes one initrd only", () => {
    expect(() => loadLinux(input({ modules: [...initrd(1), ...initrd(1)] }))).toThrow(/one initrd/);
  });
});

describe("parseLinuxHeader", () => {
  it("assumes what the protocol says of fields that are not there yet", () => {
    const header = parseLinuxHeader(bzImage({ version: 0x202 }));
    expect(header).toMatchObject({
      initrdMaxGpa: 0x37ffffff,
      commandLineMax: 255,
      relocatable: false,
      preferredGpa: MIB,
      entry64: false,
    });
  });

  it("notices a truncated file at any length", () => {
    const whole = bzImage();
    expect(() => parseLinuxHeader(whole.subarray(0, whole.length - 15))).not.toThrow();
    for (const length of [whole.length - 16, 3 * 512, 0x268, 0x210]) {
      expect(() => parseLinuxHeader(whole.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "CONFIG_KERNEL_TRUNCATED" }),
      );
    }
  });

  it("refuses kernels from before the high-loading protocol", () => {
    expect(() => parseLinuxHeader(bzImage({ version: 0x201 }))).toThrow(/protocol 2\.01/);
    const zImage = bzImage();
    zImage[SETUP.loadflags] = 0;
    expect(() => parseLinuxHeader(zImage)).toThrow(expect.objectContaining({ code: "CONFIG_KERNEL_UNSUPPORTED" }));
  });
});

/** Walks the image's page tables as the CPU would. */
function translate(image: BootImage, gva: number): number {
  const tables = image.segments.find((segment) => BigInt(segment.gpa) === image.regs["cr3"]);
  if (tables === undefined) throw new Error("CR3 points nowhere");
  const view = new DataView(tables.bytes.slice().buffer);
  const entry = (table: number, index: number): number => {
    const value = view.getUint32(table - tables.gpa + 8 * index, true);
    expect(value & 3).toBe(3);
    return value;
  };
  const pdpt = entry(tables.gpa, 0) & ~0xfff;
  const directory = entry(pdpt, Math.floor(gva / 2 ** 30)) & ~0xfff;
  const pde = entry(directory, (gva >>> 21) & 0x1ff);
  expect(pde & 0x80).toBe(0x80);
  return ((pde & 0xffe00000) >>> 0) + (gva & 0x1fffff);
}
