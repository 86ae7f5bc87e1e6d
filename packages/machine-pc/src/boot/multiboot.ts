import { ConfigError, type Gpa } from "@tsvm/contracts";
import { u32, u64, zeros } from "../bytes/fields.ts";
import { type Arena, createArena } from "./arena.ts";
import type { BootImage, BootInput, BootSegment } from "./boot-image.ts";
import { type E820Entry, HIGH_MEMORY_GPA, lowRamEnd, requireRam } from "./e820.ts";
import { parseElf } from "./elf.ts";
import { flatProtectedMode } from "./protected-mode.ts";

const HEADER_MAGIC = 0x1badb002;
const BOOT_MAGIC = 0x2badb002n;
/** The specification leaves it open; kernels that keep it behind a table of their own expect what QEMU has. */
const CODE_SELECTOR = 0x08;
/** The header lies in the first 8192 bytes, 4-aligned. */
const SEARCH_BYTES = 8192;

/** Bits of the header's flags. 0-15 are requirements: what is not known here must be refused. */
const KNOWN_REQUIREMENTS = 0x0003;
const VIDEO_MODE = 1 << 2;
const ADDRESSES_VALID = 1 << 16;

/** Bits of the information structure's flags: memory, command line, modules, memory map, loader name. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
/** Where the information structure goes unless the kernel itself does. */
const INFO_GPA = 0x9000;
const INFO_END = 0x90000;

/** Offset of the multiboot header in `kernel`, or undefined if there is none. */
export function findMultibootHeader(kernel: Uint8Array): number | undefined {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  for (let at = 0; at + 12 <= Math.min(kernel.length, SEARCH_BYTES); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 2 ** 32 === 0) return at;
  }
  return undefined;
}

/**
 * A kernel by the Multiboot Specification, version 0.6.96: entered in flat protected mode, EBX points to the information
 * structure. As with GRUB 2, an ELF64 file is taken too: its entry point is 32-bit code all the same.
 * @throws ConfigError if the header asks for something unknown, or the kernel or a module does not fit.
 */
export function loadMultiboot(input: BootInput): BootImage {
  const at = findMultibootHeader(input.kernel);
  if (at === undefined) throw unsupported("has no multiboot header");
  const { entry, segments } = readKernel(input.kernel, at);
  for (const part of segments) requireRam(input.memoryMap, part.gpa, part.length, "kernel");
  const kernelEnd = Math.max(...segments.map((part) => part.gpa + part.length));
  const modules = createArena(Math.max(kernelEnd, HIGH_MEMORY_GPA));
  for (const module of input.modules) modules.place(module.bytes, 4096);
  for (const part of modules.segments) requireRam(input.memoryMap, part.gpa, part.length, "initrd");

  const arena = createArena(segments.some(coversInfo) ? Math.ceil(modules.end / 4096) * 4096 : INFO_GPA);
  const info = placeInfo(arena, input, modules.segments);
  const start = flatProtectedMode(CODE_SELECTOR);
  return {
    regs: { ...start.regs, rip: BigInt(entry), rax: BOOT_MAGIC, rbx: BigInt(info) },
    segments: [...start.segments, ...arena.segments, ...segments, ...modules.segments],
  };
}

const coversInfo = (part: BootSegment): boolean => part.gpa < INFO_END && part.gpa + part.length > INFO_GPA;

interface Kernel {
  readonly entry: Gpa;
  readonly segments: readonly BootSegment[];
}

function readKernel(kernel: Uint8Array, headerAt: number): Kernel {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const flags = view.getUint32(headerAt + 4, true);
  if ((flags & VIDEO_MODE) !== 0) throw unsupported("asks for a video mode");
  if ((flags & 0xffff & ~KNOWN_REQUIREMENTS) !== 0)
    throw unsupported(`requires multiboot features 0x${(flags & 0xffff).toString(16)}`);
  if ((flags & ADDRESSES_VALID) === 0) return parseElf(kernel);
  if (headerAt + 32 > kernel.length) throw unsupported("has a truncated multiboot header");
  return readByAddressFields(kernel, headerAt, view);
}

/** The header's address fields (the "a.out kludge") say where one piece of the file goes. */
function readByAddressFields(kernel: Uint8Array, headerAt: number, view: DataView): Kernel {
  const field = (index: number): number => view.getUint32(headerAt + 12 + 4 * index, true);
  const [headerGpa, loadGpa, loadEnd, bssEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const fileStart = headerAt - (headerGpa - loadGpa);
  const fileEnd = loadEnd === 0 ? kernel.length : fileStart + loadEnd - loadGpa;
  if (fileStart < 0 || fileEnd < fileStart)
    throw unsupported("has multiboot address fields that contradict each other");
  if (fileEnd > kernel.length) {
    throw new ConfigError(
      "CONFIG_KERNEL_TRUNCATED",
      `kernel is truncated: ${kernel.length} bytes of at least ${fileEnd}`,
    );
  }
  const bytes = kernel.subarray(fileStart, fileEnd);
  const length = Math.max(bytes.length, bssEnd - loadGpa);
  if (length === 0) throw unsupported("has multiboot address fields that load nothing");
  return { entry, segments: [{ gpa: loadGpa, bytes, length }] };
}

function placeInfo(arena: Arena, input: BootInput, modules: readonly BootSegment[]): Gpa {
  const commandLine = arena.placeString(`${input.kernelName} ${input.commandLine}`);
  const loaderName = arena.placeString("tsvm");
  const moduleStrings = input.modules.map((module) => arena.placeString(module.commandLine));
  const list = modules.flatMap((m, i) => [
    ...u32(m.gpa),
    ...u32(m.gpa + m.length),
    ...u32(moduleStrings[i] as number),
    ...u32(0),
  ]);
  const moduleList = arena.place(Uint8Array.from(list));
  const map = input.memoryMap.flatMap(memoryMapEntry);
  const memoryMap = arena.place(Uint8Array.from(map));
  const info = [
    ...u32(INFO_FLAGS),
    ...u32(lowerKiB(input.memoryMap)),
    ...u32((lowRamEnd(input.memoryMap) - HIGH_MEMORY_GPA) / 1024),
    ...u32(0), // boot_device, not valid
    ...u32(commandLine),
    ...u32(modules.length),
    ...u32(moduleList),
    ...zeros(16), // syms, not valid
    ...u32(map.length),
    ...u32(memoryMap),
    ...zeros(12), // drives and config_table, not valid
    ...u32(loaderName),
    ...zeros(52), // apm_table and video, not valid
  ];
  return arena.place(Uint8Array.from(info));
}

/** `size` does not count itself. */
function memoryMapEntry(entry: E820Entry): readonly number[] {
  return [...u32(20), ...u64(entry.gpa), ...u64(entry.length), ...u32(entry.type)];
}

function lowerKiB(map: readonly E820Entry[]): number {
  const low = map.find((entry) => entry.gpa === 0);
  return Math.min(640, Math.floor((low?.length ?? 0) / 1024));
}

function unsupported(why: string): ConfigError {
  return new ConfigError("CONFIG_KERNEL_UNSUPPORTED", `kernel ${why}`);
}
