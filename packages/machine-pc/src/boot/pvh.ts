import { ConfigError, type Gpa } from "@tsvm/contracts";
import { u32, u64 } from "../bytes/fields.ts";
import { type Arena, createArena } from "./arena.ts";
import { type BootImage, type BootInput, type BootSegment, segment } from "./boot-image.ts";
import { type E820Entry, lowRamEnd, requireRam } from "./e820.ts";
import { type ElfImage, parseElf } from "./elf.ts";
import { flatProtectedMode } from "./protected-mode.ts";

const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const HVM_START_MAGIC = 0x336ec578;
/** hvm_start_info, module list, memory map and strings: below 640 KiB, in RAM that the kernel is told is free. */
const INFO_GPA = 0x10000;
/** A 32-bit Linux reaches its initrd through the direct map only. */
const INITRD_END_32 = 0x38000000;

/** The PVH entry point of an ELF kernel, or undefined if it has none. */
export function pvhEntry(elf: ElfImage): Gpa | undefined {
  const note = elf.notes.find((n) => n.name === "Xen" && n.type === XEN_ELFNOTE_PHYS32_ENTRY);
  if (note === undefined || note.descriptor.length < 4) return undefined;
  const { buffer, byteOffset } = note.descriptor;
  return new DataView(buffer, byteOffset, 4).getUint32(0, true);
}

/**
 * An ELF kernel by Xen's PVH boot protocol: entered in flat protected mode, EBX points to hvm_start_info.
 * Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h.
 * @throws ConfigError if the ELF file is damaged or has no PVH entry, or does not fit.
 */
export function loadPvh(input: BootInput): BootImage {
  const elf = parseElf(input.kernel);
  const entry = pvhEntry(elf);
  if (entry === undefined) {
    throw new ConfigError(
      "CONFIG_KERNEL_UNSUPPORTED",
      "kernel ELF file has neither a PVH entry note nor a multiboot header",
    );
  }
  for (const part of elf.segments) requireRam(input.memoryMap, part.gpa, part.length, "kernel");
  const modules = placeModules(input, elf);
  const arena = createArena(INFO_GPA);
  const info = placeStartInfo(arena, input, modules);
  const start = flatProtectedMode();
  return {
    regs: { ...start.regs, rip: BigInt(entry), rbx: BigInt(info) },
    segments: [...start.segments, ...arena.segments, ...elf.segments, ...modules],
  };
}

/** One below the other from the top of low RAM. */
function placeModules(input: BootInput, elf: ElfImage): readonly BootSegment[] {
  const kernelEnd = Math.max(...elf.segments.map((part) => part.gpa + part.length));
  const is64 = input.kernel[4] === 2;
  let end = Math.min(lowRamEnd(input.memoryMap), is64 ? Number.POSITIVE_INFINITY : INITRD_END_32);
  return input.modules.map(({ bytes }) => {
    end = Math.floor((end - bytes.length) / 4096) * 4096;
    if (end < kernelEnd) {
      const present = Math.floor(lowRamEnd(input.memoryMap) / 0x100000);
      throw new ConfigError(
        "CONFIG_MEMORY_TOO_SMALL",
        `initrd does not fit above the kernel in ${present} MiB of memory`,
      );
    }
    return segment(end, bytes);
  });
}

function placeStartInfo(arena: Arena, input: BootInput, modules: readonly BootSegment[]): Gpa {
  const commandLine = arena.placeString(input.commandLine);
  const moduleStrings = input.modules.map((module) => arena.placeString(module.commandLine));
  const list = modules.flatMap((m, i) => [
    ...u64(m.gpa),
    ...u64(m.length),
    ...u64(moduleStrings[i] as number),
    ...u64(0),
  ]);
  const moduleList = arena.place(Uint8Array.from(list));
  const memoryMap = arena.place(Uint8Array.from(input.memoryMap.flatMap(memoryMapEntry)));
  const info = [
    ...u32(HVM_START_MAGIC),
    ...u32(1), // version
    ...u32(0), // flags
    ...u32(modules.length),
    ...u64(modules.length > 0 ? moduleList : 0),
    ...u64(commandLine),
    ...u64(input.rsdpGpa),
    ...u64(memoryMap),
    ...u32(input.memoryMap.length),
    ...u32(0),
  ];
  return arena.place(Uint8Array.from(info));
}

function memoryMapEntry(entry: E820Entry): readonly number[] {
  return [...u64(entry.gpa), ...u64(entry.length), ...u32(entry.type), ...u32(0)];
}
