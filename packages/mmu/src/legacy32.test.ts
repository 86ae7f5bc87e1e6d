import { describe, expect, test } from "vitest";
import { A, D, G, P, PAT_LARGE, PS, RW, SparseMemory, US } from "../test/sparse-memory.ts";
import { ACCESS_READ, ACCESS_WRITE, createWalker, type PagingRegisters, type Walker } from "./index.ts";

const OPEN = P | RW | US;

/** CR3 0x1000; PDE 0x345 at 0x1000 + 0x345 * 4 is `pde`; a page table at 0x2000. */
function setUp(pde: bigint, registers: Partial<PagingRegisters> = {}): { memory: SparseMemory; walker: Walker } {
  const memory = new SparseMemory();
  memory.set32(0x1000 + 0x345 * 4, Number(pde));
  return { memory, walker: createWalker("legacy32", memory, { cr3: 0x1018, pse: true, ...registers }) };
}

const GVA = (0x345 << 22) | (0x267 << 12) | 0xabc;

describe("4-KByte pages", () => {
  test("ten bits of the address select at each level", () => {
    const { memory, walker } = setUp(0x2000n | OPEN);
    memory.set32(0x2000 + 0x267 * 4, Number(0xfedc_b000n | OPEN));
    expect(walker.walk(GVA, 0x1234, ACCESS_READ)).toBe(true);
    expect(walker).toMatchObject({ gfn: 0xfedcb, pageShift: 12, global: false, dirty: false });
  });

  test("accessed and dirty are stored where they are clear, and only there", () => {
    const { memory, walker } = setUp(0x2000n | OPEN);
    const pteGpa = 0x2000 + 0x267 * 4;
    memory.set32(pteGpa, Number(0x9000n | OPEN));
    walker.walk(GVA, 0, ACCESS_READ);
    expect(memory.stores.splice(0)).toEqual([
      { gpa: pteGpa, bits: Number(A) },
      { gpa: 0x1000 + 0x345 * 4, bits: Number(A) },
    ]);
    walker.walk(GVA, 0, ACCESS_WRITE);
    expect(memory.stores.splice(0)).toEqual([{ gpa: pteGpa, bits: Number(D) }]);
    walker.walk(GVA, 0, ACCESS_WRITE);
    expect(memory.stores).toEqual([]);
  });

  test("PS means nothing while CR4.PSE is clear, PAT and G nothing in an upper entry", () => {
    const { memory, walker } = setUp(0x2000n | OPEN | PS | G, { pse: false, pge: true });
    memory.set32(0x2000 + 0x267 * 4, Number(0x9000n | OPEN | PS));
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(true);
    expect(walker).toMatchObject({ gfn: 9, pageShift: 12, global: false });
  });

  test("G counts in the last entry, with CR4.PGE", () => {
    const { memory, walker } = setUp(0x2000n | OPEN);
    memory.set32(0x2000 + 0x267 * 4, Number(0x9000n | OPEN | G));
    walker.walk(GVA, 0, ACCESS_READ);
    expect(walker.global).toBe(false);
    walker.configure({ pge: true });
    walker.walk(GVA, 0, ACCESS_READ);
    expect(walker.global).toBe(true);
  });
});

describe("4-MByte pages", () => {
  test("the frame of the accessed 4 KBytes is reported", () => {
    const { walker, memory } = setUp(0xabc0_0000n | OPEN | PS | PAT_LARGE);
    expect(walker.walk(GVA, 0, ACCESS_WRITE)).toBe(true);
    expect(walker).toMatchObject({ gfn: 0xabc00 + 0x267, pageShift: 22, dirty: true });
    expect(memory.load32(0x1000 + 0x345 * 4) & Number(A | D)).toBe(Number(A | D));
  });

  test("PSE-36: bits 20:13 are address bits 39:32", () => {
    const { walker } = setUp(0xabc0_0000n | (0xa5n << 13n) | OPEN | PS, { maxPhyAddr: 52 });
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(true);
    expect(walker.gfn).toBe(0xa5_0000_0 + 0xabc00 + 0x267);
  });

  test.each([
    [21, { maxPhyAddr: 40 }, true],
    [21, { maxPhyAddr: 52 }, true],
    [20, { maxPhyAddr: 40 }, false],
    [20, { maxPhyAddr: 39 }, true],
    [17, { maxPhyAddr: 36 }, true],
    [16, { maxPhyAddr: 36 }, false],
    [13, { maxPhyAddr: 32 }, true],
    [13, { pse36: false }, true],
    [12, { pse36: false }, false],
  ])("bit %i with %o is reserved: %s", (bit, registers, reserved) => {
    const { walker } = setUp((1n << BigInt(bit)) | OPEN | PS, registers);
    expect(walker.walk(GVA, 0, ACCESS_READ)).toBe(!reserved);
    if (reserved) expect(walker.errorCode).toBe(0x9);
  });
});
