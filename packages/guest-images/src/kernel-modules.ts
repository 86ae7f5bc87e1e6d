// Which kernel modules the initramfs carries, and in which order they load.
import { basename } from "node:path";

/**
 * What the guest needs beyond the kernel image: virtio devices on either bus, and ext4. The serial console is built in.
 * crc32c_generic stands before ext4, which asks for it by a soft dependency that `depends=` does not name.
 */
export const WANTED_MODULES: readonly string[] = [
  "virtio_pci",
  "virtio_mmio",
  "virtio_blk",
  "virtio_console",
  "virtio_rng",
  "virtio_balloon",
  "crc32c_generic",
  "ext4",
];

/** One module file. */
export interface KernelModule {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * The wanted modules and all they depend on, dependencies first. A name without a file is built into the kernel and
 * left out. `files` maps paths of .ko files to their bytes.
 */
export function orderModules(
  wanted: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
): readonly KernelModule[] {
  const byName = new Map([...files].map(([path, data]) => [moduleName(basename(path, ".ko")), data]));
  const ordered = new Map<string, KernelModule>();
  const visit = (name: string, path: readonly string[]): void => {
    const data = byName.get(name);
    if (data === undefined || ordered.has(name)) return;
    if (path.includes(name)) throw new Error(`kernel modules depend on each other: ${[...path, name].join(" -> ")}`);
    for (const dependency of moduleDependencies(data)) visit(dependency, [...path, name]);
    ordered.set(name, { name, data });
  };
  for (const name of wanted) visit(moduleName(name), []);
  return [...ordered.values()];
}

/** The names in the `depends=` string of the module's .modinfo section. */
export function moduleDependencies(data: Uint8Array): readonly string[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  // .modinfo is a run of NUL-terminated "key=value" strings, so the key follows a NUL or opens the section.
  const key = "\0depends=";
  const at = bytes.indexOf(key, 0, "latin1");
  if (at < 0) return [];
  const start = at + key.length;
  const value = bytes.toString("latin1", start, bytes.indexOf(0, start));
  return value === "" ? [] : value.split(",").map(moduleName);
}

/** Linux treats "-" and "_" in module names as one. */
const moduleName = (name: string): string => name.replaceAll("-", "_");
