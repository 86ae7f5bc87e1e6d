import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CacheHierarchy } from "./cache-hierarchy.ts";
import { type ArrayGeometry, checkGeometry } from "./geometry.ts";
import { PageArray, type PageArrayGeometry } from "./page-array.ts";
import type { Replacement } from "./replacement.ts";
import { SetAssociative } from "./set-associative.ts";
import { WalkCache } from "./walk-cache.ts";

const arrayOf = (geometry: ArrayGeometry): SetAssociative => new SetAssociative(checkGeometry("array", geometry));

/** Which of the keys hit, in a full-associative array of four that is filled at every miss. */
function hits(replacement: Replacement, keys: string): string {
  const array = arrayOf({ entries: 4, replacement });
  return [...keys]
    .map((key) => {
      const code = key.charCodeAt(0);
      if (array.find(code, 0, 0) >= 0) return "x";
      array.insert(code, 0, 0, -1);
      return "-";
    })
    .join("");
}

describe("replacement", () => {
  test.each<[Replacement, string, string]>([
    ["lru", "abcdaeab", "----x-x-"],
    ["fifo", "abcdaeab", "----x---"],
    // After a b c d the tree points to the left half, after a to the right: c goes.
    ["plru", "abcdaeacb", "----x-x-x"],
  ])("%s: %s hits %s", (replacement, keys, expected) => {
    expect(hits(replacement, keys)).toBe(expected);
  });

  test("random takes any way, and the same in every run", () => {
    const victims = (): number[] => {
      const array = arrayOf({ entries: 8, replacement: "random" });
      return Array.from({ length: 200 }, (_, key) => array.insert(key, 0, 0, -1));
    };
    expect(new Set(victims().slice(8)).size).toBe(8);
    expect(victims()).toEqual(victims());
  });
});

test("LRU of any geometry is what a list per set would do", () => {
  const geometry = fc.tuple(fc.constantFrom(1, 2, 4, 8), fc.integer({ min: 1, max: 6 }));
  fc.assert(
    fc.property(geometry, fc.array(fc.nat(40), { maxLength: 200 }), ([sets, ways], keys) => {
      const array = arrayOf({ entries: sets * ways, ways });
      const lists = Array.from({ length: sets }, (): number[] => []);
      for (const key of keys) {
        const list = lists[key % sets] as number[];
        expect(array.find(key, 0, 0) >= 0).toBe(list.includes(key));
        array.insert(key, 0, 0, -1);
        const rest = list.filter((other) => other !== key);
        lists[key % sets] = [key, ...rest].slice(0, ways);
      }
    }),
  );
});

describe("a geometry that cannot be is one clear error", () => {
  test.each<[ArrayGeometry, RegExp]>([
    [{ entries: 0 }, /^L1: entries must be an integer from 1 to 2\^20, not 0$/],
    [{ entries: 1.5 }, /entries must be an integer/],
    [{ entries: 2 ** 21 }, /entries must be an integer/],
    [{ entries: 64, ways: 5 }, /^L1: 64 entries cannot have 5 ways; 1, 2, 4, 8, 16, 32, 64 are possible$/],
    [{ entries: 1536, ways: 4 }, /^L1: 1536 entries of 4 ways are 384 sets, which is no power of two$/],
    [{ entries: 6, ways: 6, replacement: "plru" }, /plru needs a power of two of ways, not 6/],
    [{ entries: 4, replacement: "mru" as "lru" }, /replacement must be lru or plru or random or fifo, not mru/],
  ])("%j", (geometry, message) => {
    expect(() => checkGeometry("L1", geometry)).toThrowError(
      expect.objectContaining({ code: "MMU_GEOMETRY", message: expect.stringMatching(message) }),
    );
  });

  test.each<[() => unknown, RegExp]>([
    [() => new PageArray("TLB", { pages: [], entries: 4 }), /^TLB: pages must be of 4K, 2M, 4M, 1G, not none$/],
    [() => new PageArray("TLB", { pages: ["8K"] as never, entries: 4 }), /not 8K$/],
    [() => new WalkCache("walk cache", {}), /^walk cache: no level has entries$/],
    [() => new CacheHierarchy({ l1: { bytes: 100, cycles: 4 }, memoryCycles: 1 }), /100 bytes are no multiple of 64/],
    [() => new CacheHierarchy({ memoryCycles: -1 }), /cycles must be from 0/],
  ])("%#", (create, message) => {
    expect(create).toThrowError(
      expect.objectContaining({ code: "MMU_GEOMETRY", message: expect.stringMatching(message) }),
    );
  });
});

describe("an array of pages", () => {
  const build = (geometry: PageArrayGeometry): PageArray => new PageArray("TLB", geometry);
  const fill = (array: PageArray, low: number, shift: number, pfn: number): void =>
    array.fill(low, 0, 0, -1, shift, shift, pfn, 0);

  test("unified: sizes share the entries, and each is found at any address of its page", () => {
    const array = build({ pages: ["4K", "2M"], entries: 8, ways: 2 });
    fill(array, 0x40_5000, 21, 0x1005);
    fill(array, 0x1000, 12, 7);
    expect(array.pfnOf(array.find(0x5f_f123, 0, 0), 0x5f_f123)).toBe(0x11ff);
    expect(array.pfnOf(array.find(0x1abc, 0, 0), 0x1abc)).toBe(7);
    expect(array.find(0x60_0000, 0, 0)).toBe(-1);
    expect(array.find(0x2000, 0, 0)).toBe(-1);
  });

  test("a larger page than there is room for is held in pieces, a smaller one not at all", () => {
    const array = build({ pages: ["2M"], entries: 8 });
    fill(array, 0x4000_0000, 30, 0x8_0000);
    fill(array, 0x1000, 12, 1);
    expect(array.pageShiftOf(array.find(0x401f_ffff, 0, 0))).toBe(21);
    expect(array.find(0x4020_0000, 0, 0)).toBe(-1);
    expect(array.find(0x1000, 0, 0)).toBe(-1);
  });

  test("addresses that differ in bit 63 only are two", () => {
    const array = build({ pages: ["4K"], entries: 8 });
    array.fill(0, 0x7fff_8000, 0, -1, 12, 12, 1, 0);
    expect(array.find(0, 0xffff_8000 | 0, 0)).toBe(-1);
    array.fill(0, 0xffff_8000 | 0, 0, -1, 12, 12, 2, 0);
    expect(array.pfnOf(array.find(0, 0x7fff_8000, 0), 0)).toBe(1);
  });
});

test("caches: what is found in one is brought into those above, with its latency", () => {
  const caches = new CacheHierarchy({
    l1: { bytes: 128, cycles: 4 },
    llc: { bytes: 256, cycles: 40 },
    memoryCycles: 200,
  });
  const places = [0, 0, 64, 128, 0, 63].map((hpa) => caches.access(hpa));
  expect(places).toEqual([0, 3, 0, 0, 1, 3]);
  expect([...caches.cycles]).toEqual([200, 40, 0, 4]);
  expect([...caches.counts]).toEqual([3, 1, 0, 2]);
});
