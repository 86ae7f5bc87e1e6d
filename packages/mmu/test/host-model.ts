import {
  createTables,
  type GuestPaging,
  type Host,
  type Tables,
  type VirtualMachine,
  type VmOptions,
} from "../src/index.ts";

/** Guest memory: tables from here on, data pages from {@link DATA}. */
const TABLES = 0x1_0000;
export const DATA = 0x10_0000;
export const GVA = 0x7f00_0000_0000n;

/** A 4-level guest on `host` whose `pages` data pages stand at GVA, and whose tables it has built itself. */
export function pagedVm(
  host: Host,
  pages: number,
  options: Omit<VmOptions, "slots" | "guest">,
): { readonly vm: VirtualMachine; readonly tables: Tables } {
  // The root is the first frame that the tables ask for.
  const registers = { cr3: TABLES + 0x1000, wp: true, nxe: true };
  const guest: GuestPaging = { mode: "long4", registers };
  const vm = host.createVm({
    ...options,
    guest,
    slots: [{ gpa: 0, bytes: options.hugePages === true ? 2 ** 22 : DATA + pages * 0x1000 }],
  });
  let frame = TABLES;
  const allocateFrame = (): number => {
    frame += 0x1000;
    return frame;
  };
  const tables = createTables({ format: "long4", memory: vm.memory, allocateFrame });
  for (let i = 0; i < pages; i++) tables.map(GVA + BigInt(i * 0x1000), DATA + i * 0x1000);
  return { vm, tables };
}

/** Page-table entries of 512-entry tables that map pages, found by reading everything: address, entry address, words. */
export function scanTables(
  load32: (physical: number) => number,
  root: number,
  levels: number,
  visit: (leaf: {
    readonly address: number;
    readonly level: number;
    readonly low: number;
    readonly hpa: number;
  }) => void,
): number {
  let tables = 1;
  for (let index = 0; index < 512; index++) {
    const low = load32(root + index * 8) | 0;
    if (low === 0) continue;
    const hpa = (load32(root + index * 8 + 4) & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
    const base = index * 2 ** (3 + 9 * levels);
    if (levels === 1 || (low & 0x80) !== 0) visit({ address: base, level: levels, low, hpa });
    else {
      tables += scanTables(load32, hpa, levels - 1, (leaf) => visit({ ...leaf, address: base + leaf.address }));
    }
  }
  return tables;
}
