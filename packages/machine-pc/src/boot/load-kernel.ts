import { ConfigError } from "@tsvm/contracts";
import type { BootImage, BootInput } from "./boot-image.ts";
import { isElf } from "./elf.ts";
import { loadLinux } from "./linux.ts";
import { isLinuxImage } from "./linux-header.ts";
import { findMultibootHeader, loadMultiboot } from "./multiboot.ts";
import { loadPvh } from "./pvh.ts";

export type KernelFormat = "linux" | "multiboot" | "pvh";

/**
 * What kind of kernel `-kernel` was given, decided as QEMU does: a Linux setup header first, then a multiboot header (which
 * an ELF file may carry beside a PVH note), then ELF. Undefined: none of them.
 */
export function detectKernelFormat(kernel: Uint8Array): KernelFormat | undefined {
  if (isLinuxImage(kernel)) return "linux";
  if (findMultibootHeader(kernel) !== undefined) return "multiboot";
  return isElf(kernel) ? "pvh" : undefined;
}

/**
 * Makes the boot image by the protocol the kernel is made for.
 * @throws ConfigError `CONFIG_KERNEL_FORMAT` if it is not a kernel; see the loaders for the others.
 */
export function loadKernel(input: BootInput): BootImage {
  switch (detectKernelFormat(input.kernel)) {
    case "linux":
      return loadLinux(input);
    case "multiboot":
      return loadMultiboot(input);
    case "pvh":
      return loadPvh(input);
    case undefined:
      throw new ConfigError("CONFIG_KERNEL_FORMAT", describeUnknown(input.kernel));
  }
}

function describeUnknown(kernel: Uint8Array): string {
  if (kernel.length === 0) return "kernel is empty";
  return "kernel is not a Linux bzImage, an ELF file with a PVH entry, or a multiboot image";
}
