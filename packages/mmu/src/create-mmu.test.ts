import { describe, expect, test } from "vitest";
import { G, P, PS, RW, SparseMemory, US } from "../test/sparse-memory.ts";
import { createMmu, type PagingRegisters, type TlbMmu } from "./index.ts";

const OPEN = P | RW | US;
const READ = { kind: "read", user: false } as const;
const WRITE = { kind: "write", user: false } as const;

/** Two address spaces, at 0x1000 and 0x2000. In each, page 0 is private, page 1 global, and 512 starts a 2-MByte page. */
function setUp(registers: Partial<PagingRegisters> = {}, tlbEntries = 64): { memory: SparseMemory; mmu: TlbMmu } {
  const memory = new SparseMemory();
  for (const space of [0x1000, 0x2000]) {
    const table = space + 0x1_0000;
    memory.set64(space, BigInt(table) | OPEN);
    memory.set64(table, BigInt(table + 0x1_0000) | OPEN);
    memory.set64(table + 0x1_0000, BigInt(table + 0x2_0000) | OPEN);
    memory.set64(table + 0x1_0008, 0x80_0000n | OPEN | PS);
    memory.set64(table + 0x2_0000, BigInt(space << 8) | OPEN);
    memory.set64(table + 0x2_0008, BigInt((space << 8) + 0x1000) | OPEN | G);
  }
  const all = { cr3: 0x1000, pge: true, ...registers };
  return { memory, mmu: createMmu({ mode: "long4", memory, registers: all, tlbEntries }) };
}

function gfnOf(mmu: TlbMmu, vpn: number): number | undefined {
  const result = mmu.translate(vpn, READ);
  return result.ok ? result.gfn : undefined;
}

/** Clears all tables: what still translates is cached. */
function clear(memory: SparseMemory): void {
  memory.words.clear();
}

describe("MOV to CR3", () => {
  test("drops local translations and keeps global ones", () => {
    const { memory, mmu } = setUp();
    expect([gfnOf(mmu, 0), gfnOf(mmu, 1)]).toEqual([0x100, 0x101]);
    expect(mmu.writeCr3(0x2000)).toBe(true);
    expect([gfnOf(mmu, 0), gfnOf(mmu, 1)]).toEqual([0x200, 0x101]);
    clear(memory);
    mmu.writeCr3(0x1000);
    expect([gfnOf(mmu, 0), gfnOf(mmu, 1)]).toEqual([undefined, 0x101]);
  });

  test("without CR4.PGE nothing is global", () => {
    const { mmu } = setUp({ pge: false });
    gfnOf(mmu, 1);
    mmu.writeCr3(0x2000);
    expect(gfnOf(mmu, 1)).toBe(0x201);
  });

  test("with PCIDs it drops those of the new one, and with bit 63 none", () => {
    const { memory, mmu } = setUp({ cr3: 0x1001, pcide: true });
    gfnOf(mmu, 0);
    mmu.writeCr3(0x2002);
    gfnOf(mmu, 0);
    clear(memory);
    mmu.writeCr3(0x1001, true);
    expect(gfnOf(mmu, 0)).toBe(0x100);
    mmu.writeCr3(0x2002, true);
    expect(gfnOf(mmu, 0)).toBe(0x200);
    mmu.writeCr3(0x2002);
    expect(gfnOf(mmu, 0)).toBeUndefined();
    mmu.writeCr3(0x1001, true);
    expect(gfnOf(mmu, 0)).toBe(0x100);
  });

  test("a PDPTE with reserved bits is refused and changes nothing", () => {
    const memory = new SparseMemory();
    memory.set64(0x1000, 0x3000n | P);
    memory.set64(0x3000, 0x20_0000n | OPEN | PS);
    memory.set64(0x2000, 0x3000n | P | RW);
    const mmu = createMmu({ mode: "pae", memory, registers: { cr3: 0x1000 } });
    expect(gfnOf(mmu, 3)).toBe(0x203);
    expect(mmu.writeCr3(0x2000)).toBe(false);
    mmu.configure({ smep: true });
    expect(mmu.registers.cr3).toBe(0x1000);
    expect(gfnOf(mmu, 5)).toBe(0x205);
  });
});

describe("invalidate", () => {
  const scopes = [
    ["{ vpn }: this page, also global", { vpn: 1 }, [0x100, undefined, 0x200]],
    ["{ vpn, asid }: not global", { vpn: 1, asid: 1 }, [0x100, 0x101, 0x200]],
    ["{ vpn, asid } of the other space", { vpn: 0, asid: 2 }, [0x100, 0x101, undefined]],
    ["{ asid }: not global", { asid: 1 }, [undefined, 0x101, 0x200]],
    ["'non-global'", "non-global", [undefined, 0x101, undefined]],
    ["'all'", "all", [undefined, undefined, undefined]],
  ] as const;

  test.each(scopes)("%s", (_name, scope, expected) => {
    const { memory, mmu } = setUp({ cr3: 0x2002, pcide: true });
    gfnOf(mmu, 0);
    mmu.writeCr3(0x1001);
    gfnOf(mmu, 0);
    gfnOf(mmu, 1);
    clear(memory);
    mmu.invalidate(scope);
    const inFirst = [gfnOf(mmu, 0), gfnOf(mmu, 1)];
    mmu.writeCr3(0x2002, true);
    expect([...inFirst, gfnOf(mmu, 0)]).toEqual(expected);
  });

  test("any page of a large one drops it whole", () => {
    const { memory, mmu } = setUp();
    expect(gfnOf(mmu, 512)).toBe(0x800);
    clear(memory);
    expect(gfnOf(mmu, 1023)).toBe(0x9ff);
    mmu.invalidate({ vpn: 700 });
    expect(gfnOf(mmu, 512)).toBeUndefined();
  });
});

test("the oldest translation makes room", () => {
  const { memory, mmu } = setUp({}, 2);
  for (const vpn of [0, 1, 0, 512]) gfnOf(mmu, vpn);
  clear(memory);
  expect([gfnOf(mmu, 0), gfnOf(mmu, 1), gfnOf(mmu, 512)]).toEqual([undefined, 0x101, 0x800]);
});

test("a first write goes back to the tables and sets the dirty flag", () => {
  const { memory, mmu } = setUp();
  gfnOf(mmu, 0);
  expect(memory.load32(0x3_1000) & 0x60).toBe(0x20);
  expect(mmu.translate(0, WRITE)).toMatchObject({ ok: true, dirty: true });
  expect(memory.load32(0x3_1000) & 0x60).toBe(0x60);
  clear(memory);
  expect(mmu.translate(0, WRITE).ok).toBe(true);
});

test("CR0.WP and CR4.SMAP judge cached translations anew, other controls drop them", () => {
  const { memory, mmu } = setUp();
  memory.set64(0x3_1000, 0x5000n | P | US);
  expect(mmu.translate(0, WRITE)).toMatchObject({ ok: true, writable: true });
  mmu.configure({ wp: true });
  expect(mmu.translate(0, WRITE)).toEqual({ ok: false, errorCode: 0x3 });
  mmu.configure({ wp: false, smap: true });
  expect(mmu.translate(0, READ)).toEqual({ ok: false, errorCode: 0x1 });
  expect(mmu.translate(0, { ...READ, ac: true }).ok).toBe(true);
  clear(memory);
  mmu.configure({ smap: false });
  expect(gfnOf(mmu, 0)).toBe(5);
  mmu.configure({ smep: true });
  expect(gfnOf(mmu, 0)).toBeUndefined();
});

test("a fault drops what was cached for the page", () => {
  const { memory, mmu } = setUp({ wp: true });
  memory.set64(0x3_1000, 0x5000n | P);
  gfnOf(mmu, 0);
  clear(memory);
  expect(mmu.translate(0, WRITE)).toEqual({ ok: false, errorCode: 0x2 });
  expect(gfnOf(mmu, 0)).toBeUndefined();
});

test("without paging every page is itself, whatever the controls", () => {
  const mmu = createMmu({ mode: "bare", memory: new SparseMemory(), registers: { smep: true } });
  for (let round = 0; round < 2; round++) {
    expect(mmu.translate(0x1234, READ)).toMatchObject({ ok: true, gfn: 0x1234, executable: true });
  }
});
