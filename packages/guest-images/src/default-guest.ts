import { fileURLToPath } from "node:url";

/** A kernel and what it needs to come up to a shell on the first serial port. */
export interface DefaultGuest {
  /** An unmodified x86-64 bzImage. */
  readonly kernelPath: string;
  /** A gzip-compressed newc archive. */
  readonly initrdPath: string;
  readonly commandLine: string;
}

/** `manifest.json`: what the guest was made of. Written last, so its presence says that the files beside it are whole. */
export interface GuestManifest {
  /** Changes when our part of the guest does: init, module list, layout. */
  readonly recipe: string;
  /** Debian packages the guest was made of; their sources are in Debian's archive under the same version. */
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  readonly modules: readonly string[];
  readonly files: Readonly<Record<"vmlinuz" | "initrd.cpio.gz", { readonly bytes: number; readonly sha256: string }>>;
}

/**
 * The folder the guest is built into and shipped in. This file runs as src/default-guest.ts or inside dist/index.js:
 * the relative path is the same from both.
 */
export const GUEST_FOLDER: string = fileURLToPath(new URL("../dist/", import.meta.url));

/** Where the default guest is, built or not; {@link buildDefaultGuest} makes sure that it is. */
export function defaultGuest(folder: string = GUEST_FOLDER): DefaultGuest {
  return {
    kernelPath: `${folder}vmlinuz`,
    initrdPath: `${folder}initrd.cpio.gz`,
    // The kernel's self-tests of its ciphers take longer than all the rest of its start, and test nothing of ours.
    commandLine: "console=ttyS0 cryptomgr.notests",
  };
}
