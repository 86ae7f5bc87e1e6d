import { describe, expect, test } from "vitest";
import { A, D, P, PAT_LARGE, PS, RW, SparseMemory, US, XD } from "../test/sparse-memory.ts";
import { ACCESS_READ, ACCESS_WRITE, createWalker, type PagingRegisters, type Walker } from "./index.ts";

const OPEN = P | RW | US;
const CR3 = 0x1fe0;
const GVA = (2 << 30) | (0x155 << 21) | (0x0aa << 12);
const PDE = 0x1_0000_2000 + 0x155 * 8;
const PTE = 0x3000 + 0x0aa * 8;

/** PDPTE 2 leads to a directory above 4 GiB, its entry 0x155 to a table at 0x3000. */
function setUp(registers: Partial<PagingRegisters> = {}): { memory: SparseMemory; walker: Walker } {
  const memory = new SparseMemory();
  memory.set64(CR3 + 2 * 8, 0x1_0000_2000n | P);
  memory.set64(PDE, 0x3000n | OPEN);
  memory.set64(PTE, 0x4_5678_9000n | OPEN);
  const walker = createWalker("pae", memory, { cr3: CR3 + 0x18, ...registers });
  return { memory, walker };
}

describe("PDPTE registers", () => {
  test("they are read by loadPdptes only", () => {
    const { memory, walker } = setUp();
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(false);
    expect(walker.errorCode).toBe(0);
    expect(walker.loadPdptes()).toBe(true);
    memory.set64(CR3 + 2 * 8, 0n);
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(true);
    expect(walker.gfn).toBe(0x45_6789);
    walker.loadPdptes();
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(false);
  });

  test.each([1n, 2n, 5n, 6n, 7n, 8n, 40n, 51n, 52n, 62n, 63n])("bit %i is reserved: nothing is loaded", (bit) => {
    const { memory, walker } = setUp({ nxe: true });
    walker.loadPdptes();
    const before = [...walker.pdptes];
    memory.set64(CR3 + 2 * 8, 0x5000n | P);
    memory.set64(CR3 + 3 * 8, 0x5000n | P | (1n << bit));
    expect(walker.loadPdptes()).toBe(false);
    expect([...walker.pdptes]).toEqual(before);
  });

  test("reserved bits do not matter in an entry that is not present, nor the ignored ones in any", () => {
    const { memory, walker } = setUp();
    memory.set64(CR3, ~P & 0xffff_ffff_ffff_ffffn);
    memory.set64(CR3 + 8, 0x5e18n | P);
    expect(walker.loadPdptes()).toBe(true);
  });

  test("they survive a save and restore by their halves", () => {
    const { memory, walker } = setUp();
    walker.loadPdptes();
    const other = createWalker("pae", memory, { cr3: CR3 });
    other.pdptes.set(structuredClone(walker.pdptes));
    expect(other.walk(GVA, 0, ACCESS_READ)).toBe(true);
  });

  test("they grant every right and take no accessed flag", () => {
    const { memory, walker } = setUp();
    walker.loadPdptes();
    walker.walk(GVA, 0, ACCESS_WRITE);
    expect(memory.stores).toEqual([
      { gpa: PTE, bits: Number(A | D) },
      { gpa: PDE, bits: Number(A) },
    ]);
  });
});

test.each([40n, 51n, 52n, 62n, 63n])("bit %i of PDE and PTE is reserved", (bit) => {
  for (const gpa of [PDE, PTE]) {
    const { memory, walker } = setUp();
    walker.loadPdptes();
    memory.set64(gpa, memory.get64(gpa) | (1n << bit));
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(false);
    expect(walker.errorCode).toBe(0x9);
  }
});

test("with NXE bit 63 is XD", () => {
  const { memory, walker } = setUp({ nxe: true });
  walker.loadPdptes();
  memory.set64(PDE, memory.get64(PDE) | XD);
  expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(true);
  expect(walker.executable).toBe(false);
});

test("2-MByte pages need no CR4.PSE; PAT is allowed, bits 20:13 are reserved", () => {
  const { memory, walker } = setUp({ pse: false });
  walker.loadPdptes();
  memory.set64(PDE, 0x6_7880_0000n | OPEN | PS | PAT_LARGE);
  expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(true);
  expect(walker).toMatchObject({ gfn: 0x67_8800 + 0x0aa, pageShift: 21 });
  for (let bit = 13n; bit <= 20n; bit++) {
    memory.set64(PDE, OPEN | PS | (1n << bit));
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(false);
    expect(walker.errorCode).toBe(0x9);
  }
});
