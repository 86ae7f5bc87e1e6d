import { ConfigError, type Gpa } from "@tsvm/contracts";
import { cString } from "../bytes/fields.ts";
import { type BootImage, type BootInput, type BootSegment, segment } from "./boot-image.ts";
import { type E820Entry, lowRamEnd, requireRam } from "./e820.ts";
import { type LinuxHeader, parseLinuxHeader, SETUP } from "./linux-header.ts";
import { flatProtectedMode, identityLongMode } from "./protected-mode.ts";

/** boot_params, the "zero page". Documentation/arch/x86/zero-page.rst. */
const BOOT_PARAMS_GPA = 0x10000;
const COMMAND_LINE_GPA = 0x20000;
/** Room up to the end of the loaders' scratch memory. */
const COMMAND_LINE_ROOM = 0x10000;

/** Fields of boot_params outside the setup header. */
const ACPI_RSDP_ADDR = 0x070;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_MAX_ENTRIES = 128;

/** type_of_loader of a loader without a number of its own. */
const LOADER_UNDEFINED = 0xff;
/** The protected-mode code is loaded at 1 MiB unless it may be, and wants to be, elsewhere. */
const LOAD_GPA = 0x100000;
/** Offset of the 64-bit entry point in the protected-mode code. */
const ENTRY_64 = 0x200;

/**
 * Linux by its boot protocol: the 64-bit entry where kernel and CPU have it, else the 32-bit one.
 * Documentation/arch/x86/boot.rst, "32-bit Boot Protocol", "64-bit Boot Protocol".
 * @throws ConfigError if the kernel is damaged or too old, or kernel, initrd or command line do not fit.
 */
export function loadLinux(input: BootInput): BootImage {
  const header = parseLinuxHeader(input.kernel);
  const use64 = header.entry64 && input.longMode;
  const loadGpa = header.relocatable && use64 ? header.preferredGpa : LOAD_GPA;
  const payload = input.kernel.subarray(header.setupBytes);
  const kernelEnd = endOfKernel(header, loadGpa, payload.length);
  requireRam(input.memoryMap, loadGpa, kernelEnd - loadGpa, "kernel");

  const initrd = placeInitrd(input, header, kernelEnd);
  const commandLine = placeCommandLine(input.commandLine, header);
  const start = use64 ? identityLongMode() : flatProtectedMode();
  const entry = use64 ? loadGpa + ENTRY_64 : header.code32Start;
  return {
    regs: { ...start.regs, rip: BigInt(entry), rsi: BigInt(BOOT_PARAMS_GPA) },
    segments: [
      ...start.segments,
      segment(BOOT_PARAMS_GPA, bootParams(input, header, loadGpa, initrd)),
      commandLine,
      segment(loadGpa, payload),
      ...(initrd === undefined ? [] : [initrd]),
    ],
  };
}

/** First byte that is free for the initrd: the kernel unpacks itself to its run address, which may be above where it was loaded. */
function endOfKernel(header: LinuxHeader, loadGpa: Gpa, payloadBytes: number): Gpa {
  const aligned = Math.ceil(loadGpa / header.alignment) * header.alignment;
  const runGpa = header.relocatable ? Math.max(aligned, header.preferredGpa) : header.preferredGpa;
  return Math.max(runGpa + header.initBytes, loadGpa + payloadBytes);
}

/** As high as the kernel can take it, so that it stays clear of what the kernel allocates early. */
function placeInitrd(input: BootInput, header: LinuxHeader, kernelEnd: Gpa): BootSegment | undefined {
  const [initrd, ...rest] = input.modules;
  if (initrd === undefined) return undefined;
  if (rest.length > 0) throw new ConfigError("CONFIG_INITRD", "Linux takes one initrd");
  const end = Math.min(lowRamEnd(input.memoryMap), header.initrdMaxGpa + 1);
  const gpa = Math.floor((end - initrd.bytes.length) / 4096) * 4096;
  if (gpa < kernelEnd) {
    const needed = Math.ceil((kernelEnd + initrd.bytes.length) / 0x100000);
    const present = Math.floor(end / 0x100000);
    throw new ConfigError(
      "CONFIG_MEMORY_TOO_SMALL",
      `initrd does not fit: kernel and initrd need ${needed} MiB of memory, ${present} MiB can be used`,
    );
  }
  return segment(gpa, initrd.bytes);
}

function placeCommandLine(text: string, header: LinuxHeader): BootSegment {
  const bytes = cString(text);
  const most = Math.min(header.commandLineMax, COMMAND_LINE_ROOM - 1);
  if (bytes.length - 1 > most) {
    throw new ConfigError(
      "CONFIG_COMMAND_LINE",
      `kernel command line is too long: ${bytes.length - 1} bytes, the kernel takes ${most}`,
    );
  }
  return segment(COMMAND_LINE_GPA, bytes);
}

/**
 * boot_params: the setup header as the kernel brought it, with what the loader has to fill in. All the rest is zero; in
 * particular screen_info, which tells Linux that there is no VGA text screen.
 */
function bootParams(input: BootInput, header: LinuxHeader, loadGpa: Gpa, initrd: BootSegment | undefined): Uint8Array {
  const params = new Uint8Array(4096);
  params.set(input.kernel.subarray(SETUP.setup_sects, header.headerEnd), SETUP.setup_sects);
  const view = new DataView(params.buffer);
  view.setUint8(SETUP.type_of_loader, LOADER_UNDEFINED);
  view.setUint32(SETUP.code32_start, loadGpa, true);
  view.setUint32(SETUP.cmd_line_ptr, COMMAND_LINE_GPA, true);
  view.setUint32(SETUP.ramdisk_image, initrd?.gpa ?? 0, true);
  view.setUint32(SETUP.ramdisk_size, initrd?.length ?? 0, true);
  view.setUint32(ACPI_RSDP_ADDR, input.rsdpGpa, true);
  putMemoryMap(view, input.memoryMap);
  return params;
}

function putMemoryMap(view: DataView, map: readonly E820Entry[]): void {
  const entries = map.slice(0, E820_MAX_ENTRIES);
  view.setUint8(E820_ENTRIES, entries.length);
  for (const [i, entry] of entries.entries()) {
    const at = E820_TABLE + 20 * i;
    view.setBigUint64(at, BigInt(entry.gpa), true);
    view.setBigUint64(at + 8, BigInt(entry.length), true);
    view.setUint32(at + 16, entry.type, true);
  }
}
