/** Keys and layouts of QEMU's docs/specs/fw_cfg: the items that are there, and the directory of the named ones. */
import { invariant } from "@tsvm/contracts";

export const KEY_SIGNATURE = 0x0000;
export const KEY_ID = 0x0001;
/** Sixteen bytes, as SMBIOS has them. */
export const KEY_UUID = 0x0002;
export const KEY_RAM_SIZE = 0x0003;
export const KEY_NOGRAPHIC = 0x0004;
export const KEY_CPU_COUNT = 0x0005;
export const KEY_KERNEL_ADDRESS = 0x0007;
export const KEY_KERNEL_SIZE = 0x0008;
export const KEY_INITRD_ADDRESS = 0x000a;
export const KEY_INITRD_SIZE = 0x000b;
export const KEY_BOOT_DEVICE = 0x000c;
export const KEY_MAX_CPUS = 0x000f;
export const KEY_KERNEL_DATA = 0x0011;
export const KEY_INITRD_DATA = 0x0012;
export const KEY_CMDLINE_ADDRESS = 0x0013;
export const KEY_CMDLINE_SIZE = 0x0014;
export const KEY_CMDLINE_DATA = 0x0015;
export const KEY_SETUP_ADDRESS = 0x0016;
export const KEY_SETUP_SIZE = 0x0017;
export const KEY_SETUP_DATA = 0x0018;
export const KEY_FILE_DIRECTORY = 0x0019;
export const KEY_FIRST_FILE = 0x0020;

/** ID item: the traditional interface and the DMA interface. */
const ID_TRADITIONAL = 1;
const ID_DMA = 2;
const NAME_LENGTH = 56;
const ENTRY_LENGTH = 64;

/** What the guest can read, by key and by name. */
export interface FwCfgItems {
  get(key: number): Uint8Array | undefined;
  /** Gives `key` a content; the caller leaves `bytes` alone from then on. */
  set(key: number, bytes: Uint8Array): void;
  /** Adds or replaces a file. @param name at most 55 ASCII characters, such as "etc/e820" */
  setFile(name: string, bytes: Uint8Array): void;
}

export function createFwCfgItems(): FwCfgItems {
  const items = new Map<number, Uint8Array>();
  const files = new Map<string, { readonly key: number; readonly length: number }>();
  items.set(KEY_SIGNATURE, ascii("QEMU"));
  items.set(KEY_ID, Uint8Array.of(ID_TRADITIONAL | ID_DMA, 0, 0, 0));

  /** FWCfgFiles: big-endian, in the order of names. */
  function writeDirectory(): void {
    const names = [...files.keys()].sort();
    const bytes = new Uint8Array(4 + ENTRY_LENGTH * names.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, names.length);
    for (const [i, name] of names.entries()) {
      const { key = 0, length = 0 } = files.get(name) ?? {};
      const offset = 4 + ENTRY_LENGTH * i;
      view.setUint32(offset, length);
      view.setUint16(offset + 4, key);
      bytes.set(ascii(name), offset + 8);
    }
    items.set(KEY_FILE_DIRECTORY, bytes);
  }

  writeDirectory();
  return {
    get: (key) => items.get(key),
    set: (key, bytes) => void items.set(key, bytes),
    setFile(name: string, bytes: Uint8Array): void {
      invariant(name.length < NAME_LENGTH, `fw_cfg file name ${name} is too long`);
      const key = files.get(name)?.key ?? KEY_FIRST_FILE + files.size;
      files.set(name, { key, length: bytes.length });
      items.set(key, bytes);
      writeDirectory();
    },
  };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
