// What the soft TLB keeps and drops when the guest changes address spaces or invalidates pages.
import { beforeEach, describe, expect, it } from "vitest";
import { jumpCacheIndex } from "../src/interpreter/jump-cache.ts";
import { CR4, FLAG } from "../src/state/bits.ts";
import { AT } from "../src/state/layout.ts";
import { JUMP_CACHE, JUMP_CACHE_WAY } from "../src/state/memory-map.ts";
import { BareMachine, PAGE_TABLES } from "./bare-machine.ts";

const PRESENT_WRITABLE = 0x63n;
const USER = 4n;
const LARGE = 0x80n;
const GLOBAL = 0x100n;
const DIRECTORY = PAGE_TABLES + 0x2000;
const TABLE = PAGE_TABLES + 0x3000;
/** Two frames with different contents. */
const FIRST = 0x80_0000;
const SECOND = 0xa0_0000;
const PAGE = 0x5000;

let m: BareMachine;

function map(gva: number, gpa: number, flags: bigint): void {
  m.write64(TABLE + (gva >> 12) * 8, BigInt(gpa) | PRESENT_WRITABLE | flags);
}

function mapLarge(gva: number, gpa: number): void {
  m.write64(DIRECTORY + (gva >> 21) * 8, BigInt(gpa) | PRESENT_WRITABLE | LARGE);
}

const read = (gva: number, access = 0): number => m.cpu.linear.read(BigInt(gva), 4, access);
const loadCr3 = (): void => void m.call("movToCr", 3, PAGE_TABLES);
const invlpg = (gva: number): void => void m.call("invlpg", gva);

beforeEach(() => {
  m = new BareMachine().long();
  m.write64(PAGE_TABLES + 0x1000, BigInt(DIRECTORY) | 7n);
  m.write64(DIRECTORY, BigInt(TABLE) | 7n);
  for (let gva = 0; gva < 0x20_0000; gva += 0x1000) map(gva, gva, 0n);
  for (let gva = FIRST; gva < 0xc0_0000; gva += 0x1000) m.write32(gva, gva < SECOND ? 1 : 2);
  m.cpu.set64("cr4", BigInt(0x20 | CR4.PGE));
  m.cpu.linear.pagingChanged(true);
});

describe("a change of the memory map", () => {
  it("reaches page walks with the flush that comes with it", () => {
    map(PAGE, FIRST, 0n);
    expect(read(PAGE)).toBe(1);
    // Where no memory is, entries read as all ones.
    m.devices.add(TABLE >> 12);
    m.cpu.linear.flushAll();
    expect([read(PAGE), m.fault()]).toEqual([0, "#PF(9)"]);
    m.devices.delete(TABLE >> 12);
    expect(read(PAGE)).toBe(1);
  });
});

describe("MOV to CR3", () => {
  it("drops the supervisor's pages that are not global", () => {
    map(PAGE, FIRST, 0n);
    expect(read(PAGE)).toBe(1);
    map(PAGE, SECOND, 0n);
    loadCr3();
    expect(read(PAGE)).toBe(2);
  });

  it("drops them also when they are many", () => {
    for (let i = 0; i < 0x200; i++) map(i << 12, FIRST, 0n);
    for (let round = 0; round < 2; round++) for (let i = 0; i < 0x200; i++) expect(read(i << 12)).toBe(1);
    for (let i = 0x10; i < 0xf0; i++) {
      invlpg(i << 12);
      expect(read(i << 12)).toBe(1);
    }
    for (let i = 0; i < 0x200; i++) map(i << 12, SECOND, 0n);
    loadCr3();
    for (let i = 0; i < 0x200; i++) expect(read(i << 12)).toBe(2);
  });

  it("keeps global ones, until INVLPG drops them", () => {
    map(PAGE, FIRST, GLOBAL);
    expect(read(PAGE)).toBe(1);
    map(PAGE, SECOND, GLOBAL);
    loadCr3();
    const fills = m.cpu.linear.fills;
    expect([read(PAGE), m.cpu.linear.fills]).toEqual([1, fills]);
    invlpg(PAGE);
    expect(read(PAGE)).toBe(2);
  });

  it("drops code that was fetched from pages that are not global", () => {
    for (const [gva, flags] of [
      [PAGE, 0n],
      [PAGE + 0x1000, GLOBAL],
    ] as const)
      map(gva, FIRST, flags);
    m.cpu.linear.fetchFrame(PAGE + 0x1000, 0);
    const before = m.cpu.linear.mappingGeneration;
    loadCr3();
    expect(m.cpu.linear.mappingGeneration).toBe(before);
    m.cpu.linear.fetchFrame(PAGE, 0);
    loadCr3();
    expect(m.cpu.linear.mappingGeneration).not.toBe(before);
  });
});

describe("INVLPG", () => {
  it.each([
    ["supervisor", 0, 0n],
    ["supervisor with EFLAGS.AC", FLAG.AC, 0n],
    ["user", 4, USER],
  ] as const)("drops the entries of the %s", (_, access, flags) => {
    map(PAGE, FIRST, flags);
    expect(read(PAGE, access)).toBe(1);
    map(PAGE, SECOND, flags);
    invlpg(PAGE);
    expect(read(PAGE, access)).toBe(2);
  });

  it.each([
    ["supervisor", 0, 0n],
    ["supervisor with EFLAGS.AC", FLAG.AC, 0n],
    ["user", 4, USER],
  ] as const)("drops global entries of the %s in another address space", (_, access, flags) => {
    m.cpu.set64("cr4", BigInt(0x20 | CR4.PGE | CR4.PCIDE));
    m.cpu.linear.pagingChanged(true);
    const enterPcid = (pcid: number): void => {
      m.cpu.set64("cr3", BigInt(PAGE_TABLES + pcid));
      m.cpu.linear.cr3Changed(true);
    };
    map(PAGE, FIRST, GLOBAL | flags);
    enterPcid(1);
    expect(read(PAGE, access)).toBe(1);
    enterPcid(2);
    map(PAGE, SECOND, GLOBAL | flags);
    invlpg(PAGE);
    enterPcid(1);
    expect(read(PAGE, access)).toBe(2);
  });

  it("drops all of a large page, and nothing beyond it", () => {
    mapLarge(0x20_0000, FIRST);
    map(PAGE, FIRST, 0n);
    expect([read(0x20_0000), read(0x3f_f000), read(PAGE)]).toEqual([1, 1, 1]);
    mapLarge(0x20_0000, SECOND);
    invlpg(0x25_0000);
    expect([read(0x20_0000), read(0x3f_f000)]).toEqual([2, 2]);
  });

  describe.each([
    ["few", 0],
    ["more than are listed", 3000],
  ])("where the jump cache has %s entries", (_, more) => {
    /** @returns whether the entry is there, asked later. */
    const enter = (rip: number): (() => boolean) => {
      const { cpu } = m;
      const at = (JUMP_CACHE + jumpCacheIndex(rip) * 16) >> 2;
      cpu.linear.fetchFrame(rip, 0);
      cpu.linear.enterJumpCache(rip, 0, 1);
      return () => cpu.i32[at + 2] === cpu.i32[AT.jumpKey >> 2];
    };
    const enterMore = (): void => {
      for (let i = 0; i < more; i++) enter(0x10_0000 + 16 * i);
    };

    it("drops those of a page with code, and keeps the others", () => {
      const [isMine, isOther] = [enter(PAGE + 0x123), enter(PAGE + 0x1123)];
      enterMore();
      invlpg(PAGE + 0x2000);
      expect([isMine(), isOther()]).toEqual([true, true]);
      invlpg(PAGE);
      expect([isMine(), isOther()]).toEqual([false, true]);
    });

    it("keeps two with the same place, and drops both with their pages", () => {
      const [first, second] = [PAGE + 0x123, 0x4_0000 + PAGE + 0x103];
      expect(jumpCacheIndex(second)).toBe(jumpCacheIndex(first));
      const records = (): number[] => {
        const at = (JUMP_CACHE + jumpCacheIndex(first) * 16) >> 2;
        return [at, at + (JUMP_CACHE_WAY >> 2)].map((way) => {
          const { i32 } = m.cpu;
          return i32[way + 2] === 0 ? 0 : (i32[way] as number);
        });
      };
      enterMore();
      enter(first);
      m.cpu.linear.fetchFrame(second, 0);
      m.cpu.linear.enterJumpCache(second, 0, 2);
      expect(records()).toEqual([second, first]);
      m.cpu.linear.enterJumpCache(second, 0, 3);
      expect(records()).toEqual([second, first]);
      invlpg(PAGE);
      expect(records()).toEqual([second, 0]);
      m.cpu.linear.clearJumpCache();
      expect(records()).toEqual([0, 0]);
    });

    it("drops those of a large page, again and again", () => {
      // The second GiB through the same directory.
      m.write64(PAGE_TABLES + 0x1008, BigInt(DIRECTORY) | 7n);
      mapLarge(0x20_0000, FIRST);
      const isOther = enter(PAGE + 0x123);
      enterMore();
      for (let round = 0; round < 3; round++) {
        const isMine = [enter(0x4020_0123), enter(0x4020_1123)];
        expect(isMine.map((is) => is())).toEqual([true, true]);
        invlpg(0x4020_0000);
        expect([...isMine.map((is) => is()), isOther()]).toEqual([false, false, true]);
      }
      m.cpu.linear.clearJumpCache();
      expect(isOther()).toBe(false);
    });
  });
});
