import { createMmu, type PagingMode } from "../src/index.ts";
import { type MmuFixture, type PageRights, testMmu } from "./mmu-contract.ts";
import { A, D, P, RW, SparseMemory, US, XD } from "./sparse-memory.ts";

const ROOT = 0x1000;
const OPEN = P | RW | US;
/** Address bits that select an entry, per level from the top, in page numbers: shift and count. */
const LEVEL_SHIFTS = {
  legacy32: [10, 0],
  pae: [18, 9, 0],
  long4: [27, 18, 9, 0],
  long5: [36, 27, 18, 9, 0],
} as const;

function createFixture(mode: keyof typeof LEVEL_SHIFTS, tlbEntries: number): MmuFixture {
  const memory = new SparseMemory();
  const bytes = mode === "legacy32" ? 4 : 8;
  let nextTable = ROOT + 0x1000;
  const read = (gpa: number): bigint => (bytes === 4 ? BigInt(memory.load32(gpa)) : memory.get64(gpa));
  const write = (gpa: number, entry: bigint): void =>
    bytes === 4 ? memory.set32(gpa, Number(entry)) : memory.set64(gpa, entry);

  /** Where the last-level entry of `vpn` stands; makes the tables on the way. */
  const entryGpa = (vpn: number): number => {
    let table = ROOT;
    for (const [depth, shift] of LEVEL_SHIFTS[mode].entries()) {
      const top = mode === "pae" && depth === 0;
      const gpa = table + (Math.floor(vpn / 2 ** shift) % (4096 / bytes)) * bytes;
      if (shift === 0) return gpa;
      if ((read(gpa) & P) === 0n) {
        write(gpa, BigInt(nextTable) | (top ? P : OPEN));
        nextTable += 0x1000;
      }
      table = Number(read(gpa) & 0xf_ffff_f000n);
    }
    throw new Error("the last shift is 0");
  };
  // PDPTEs are loaded with CR3, so the first one has to exist by then.
  entryGpa(0);
  const registers = { cr3: ROOT, wp: true, nxe: mode !== "legacy32" };
  return {
    mmu: createMmu({ mode, memory, registers, tlbEntries }),
    map: (vpn, gfn, rights: PageRights) => {
      const flags = (rights.writable ? RW : 0n) | (rights.user ? US : 0n);
      const xd = rights.executable || mode === "legacy32" ? 0n : XD;
      write(entryGpa(vpn), (BigInt(gfn) << 12n) | P | flags | xd);
    },
    unmap: (vpn) => write(entryGpa(vpn), 0n),
    flags: (vpn) => {
      const entry = read(entryGpa(vpn));
      return { accessed: (entry & A) !== 0n, dirty: (entry & D) !== 0n };
    },
  };
}

const VPNS: Record<Exclude<PagingMode, "bare">, number> = {
  legacy32: 0xc_0000,
  pae: 0x3_fff0,
  long4: 0xf_fff8_0000_0100,
  long5: 0xff_1234_5678 * 16,
};

for (const mode of ["legacy32", "pae", "long4", "long5"] as const) {
  for (const tlbEntries of [0, 64]) {
    testMmu(`${mode} with ${tlbEntries} TLB entries`, () => createFixture(mode, tlbEntries), {
      executeDisable: mode !== "legacy32",
      caches: tlbEntries > 0,
      vpn: VPNS[mode],
    });
  }
}
