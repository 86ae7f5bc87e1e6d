import { ConfigError, type Gpa } from "@tsvm/contracts";

/** Field offsets of the setup header, which are also those in boot_params. Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
export const SETUP = {
  setup_sects: 0x1f1,
  syssize: 0x1f4,
  boot_flag: 0x1fe,
  jump: 0x200,
  header: 0x202,
  version: 0x206,
  type_of_loader: 0x210,
  loadflags: 0x211,
  code32_start: 0x214,
  ramdisk_image: 0x218,
  ramdisk_size: 0x21c,
  cmd_line_ptr: 0x228,
  initrd_addr_max: 0x22c,
  kernel_alignment: 0x230,
  relocatable_kernel: 0x234,
  xloadflags: 0x236,
  cmdline_size: 0x238,
  pref_address: 0x258,
  init_size: 0x260,
} as const;

const HDRS = 0x53726448;
const LOADED_HIGH = 1 << 0;
const XLF_KERNEL_64 = 1 << 0;

/** What a loader reads from a bzImage; fields that its protocol version lacks have the value the protocol implies. */
export interface LinuxHeader {
  /** Boot protocol, high byte major: 0x20f is 2.15. */
  readonly version: number;
  /** Bytes of the real-mode part, which the 32- and 64-bit protocols leave out. */
  readonly setupBytes: number;
  /** First byte behind the setup header, within the file and boot_params alike. */
  readonly headerEnd: number;
  readonly code32Start: Gpa;
  readonly initrdMaxGpa: Gpa;
  readonly commandLineMax: number;
  readonly relocatable: boolean;
  readonly alignment: number;
  readonly preferredGpa: Gpa;
  /** Linear memory the kernel needs from its run address on, before it looks at the memory map. */
  readonly initBytes: number;
  /** Has the 64-bit entry point at 0x200. */
  readonly entry64: boolean;
}

/** True when `kernel` carries the mark of a Linux setup header. */
export function isLinuxImage(kernel: Uint8Array): boolean {
  return kernel.length >= 0x210 && dataView(kernel).getUint32(SETUP.header, true) === HDRS;
}

/**
 * Reads the setup header of a bzImage.
 * @throws ConfigError `CONFIG_KERNEL_TRUNCATED`, `CONFIG_KERNEL_UNSUPPORTED`
 */
export function parseLinuxHeader(kernel: Uint8Array): LinuxHeader {
  if (kernel.length < 0x268) throw truncated(0x268, kernel.length);
  const view = dataView(kernel);
  const version = view.getUint16(SETUP.version, true);
  if (version < 0x202 || (view.getUint8(SETUP.loadflags) & LOADED_HIGH) === 0) {
    const spelt = `${version >> 8}.${String(version & 0xff).padStart(2, "0")}`;
    throw new ConfigError(
      "CONFIG_KERNEL_UNSUPPORTED",
      `kernel uses Linux boot protocol ${spelt}; a bzImage of 2.02 or later is needed`,
    );
  }
  const setupBytes = ((view.getUint8(SETUP.setup_sects) || 4) + 1) * 512;
  checkComplete(kernel, setupBytes, view.getUint32(SETUP.syssize, true) * 16);
  const since = (first: number, offset: number, otherwise: number): number =>
    version >= first ? view.getUint32(offset, true) : otherwise;
  const payloadBytes = kernel.length - setupBytes;
  return {
    version,
    setupBytes,
    headerEnd: SETUP.header + view.getUint8(SETUP.jump + 1),
    code32Start: view.getUint32(SETUP.code32_start, true),
    initrdMaxGpa: since(0x203, SETUP.initrd_addr_max, 0x37ffffff),
    commandLineMax: since(0x206, SETUP.cmdline_size, 255),
    relocatable: version >= 0x205 && view.getUint8(SETUP.relocatable_kernel) !== 0,
    alignment: since(0x205, SETUP.kernel_alignment, 0x100000) || 0x100000,
    // The high half is 0 in every kernel that runs below 4 GiB.
    preferredGpa: since(0x20a, SETUP.pref_address, 0x100000),
    // Older kernels do not tell: assume they grow no more than threefold by unpacking.
    initBytes: since(0x20a, SETUP.init_size, payloadBytes * 4),
    entry64: version >= 0x20c && (view.getUint16(SETUP.xloadflags, true) & XLF_KERNEL_64) !== 0,
  };
}

function checkComplete(kernel: Uint8Array, setupBytes: number, payloadBytes: number): void {
  // The size counts paragraphs rounded up: up to 15 bytes of it need not be in the file.
  const needed = setupBytes + payloadBytes - 15;
  if (kernel.length <= setupBytes || kernel.length < needed) throw truncated(needed, kernel.length);
}

function truncated(needed: number, present: number): ConfigError {
  return new ConfigError("CONFIG_KERNEL_TRUNCATED", `kernel is truncated: ${present} bytes of at least ${needed}`);
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
