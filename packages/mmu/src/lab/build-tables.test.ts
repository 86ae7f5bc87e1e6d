import { expect, test } from "vitest";
import { createTables, type TableFormat, type Tables } from "./build-tables.ts";
import { LabMemory } from "./lab-memory.ts";

function tablesOf(format: TableFormat, memory: LabMemory = new LabMemory()): Tables {
  let next = 0;
  const allocateFrame = (): number => {
    next += 0x1000;
    return next;
  };
  return createTables({ format, memory, allocateFrame });
}

test("an entry has its address, its flags and XD", () => {
  const memory = new LabMemory();
  const tables = tablesOf("long4", memory);
  tables.map(-0x1000n, 0x12_3456_7000, { executable: false, user: false, dirty: false, global: true });
  const at = tables.entryAddress(-0x1000n, 1) as number;
  expect(at % 0x1000).toBe(0xff8);
  expect(memory.load32(at) >>> 0).toBe(0x3456_7123);
  expect(memory.load32(at + 4) >>> 0).toBe(0x8000_0012);
});

test("neighbours share tables; a page mapped again is replaced", () => {
  const memory = new LabMemory();
  const tables = tablesOf("ept4", memory);
  tables.map(0x1000, 0x5000);
  tables.map(0x2000, 0x6000);
  const at = tables.entryAddress(0x1000, 1) as number;
  expect(tables.entryAddress(0x2000, 1)).toBe(at + 8);
  tables.map(0x1000, 0x7000, { writable: false });
  expect(memory.load32(at) & ~0xfff).toBe(0x7000);
});

test("entryAddress ends where tables end", () => {
  const tables = tablesOf("long4");
  expect(tables.entryAddress(0, 4)).toBe(tables.root);
  expect(tables.entryAddress(0, 3)).toBeUndefined();
  tables.map(0x20_0000, 0x40_0000, { pageShift: 21 });
  expect(tables.entryAddress(0x20_0000, 2)).toBeDefined();
  expect(tables.entryAddress(0x20_0000, 1)).toBeUndefined();
  expect(tables.entryAddress(0, 5)).toBeUndefined();
});

test.each<[string, TableFormat, number, number, 12 | 21 | 22 | 30]>([
  ["a page size of another mode", "long4", 0, 0, 22],
  ["1-GByte pages in PAE", "pae", 0, 0, 30],
  ["a virtual address in a page", "long4", 0x1000, 0, 21],
  ["a physical address in a page", "long4", 0, 0x1000, 21],
  ["a physical address of 33 bits in 32-bit paging", "legacy32", 0, 2 ** 32, 12],
  ["a negative physical address", "ept4", 0, -0x1000, 12],
])("%s is refused", (_name, format, virtual, physical, pageShift) => {
  const map = (): void => tablesOf(format).map(virtual, physical, { pageShift });
  expect(map).toThrowError(expect.objectContaining({ code: "MMU_TABLES" }));
});

test("pages of two sizes cannot overlap", () => {
  const large = tablesOf("legacy32");
  large.map(0, 0, { pageShift: 22 });
  expect(() => large.map(0x1000, 0)).toThrowError(/larger page/);
  const small = tablesOf("legacy32");
  small.map(0x1000, 0);
  expect(() => small.map(0, 0, { pageShift: 22 })).toThrowError(/smaller pages/);
});
