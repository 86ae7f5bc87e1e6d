import { describe, expect, test } from "vitest";
import type { Access, Mmu, Translation } from "../src/index.ts";

/** What a page may be mapped with. */
export interface PageRights {
  readonly writable?: boolean;
  readonly user?: boolean;
  readonly executable?: boolean;
}

/** An Mmu and the means to edit its page tables, made anew for each test. */
export interface MmuFixture {
  readonly mmu: Mmu;
  /** Points `vpn` to `gfn` in the tables; tells the Mmu nothing. */
  map(vpn: number, gfn: number, rights: PageRights): void;
  /** Clears the entry of `vpn`; tells the Mmu nothing. */
  unmap(vpn: number): void;
  /** The accessed and dirty flags of the entry that maps `vpn`. */
  flags(vpn: number): { readonly accessed: boolean; readonly dirty: boolean };
}

/** What a paging variant can do. */
export interface MmuTraits {
  /** Entries can forbid execution. */
  readonly executeDisable: boolean;
  /** The Mmu caches, so that changes of the tables are seen after `invalidate` only. */
  readonly caches: boolean;
  /** A page number every variant of the mode can map. */
  readonly vpn: number;
}

const USER_READ: Access = { kind: "read", user: true };
const USER_WRITE: Access = { kind: "write", user: true };
const USER_FETCH: Access = { kind: "fetch", user: true };
const READ: Access = { kind: "read", user: false };

/** What holds for every {@link Mmu} that walks tables: a new variant runs this before its own tests. */
export function testMmu(name: string, create: () => MmuFixture, traits: MmuTraits): void {
  const { vpn } = traits;
  const open = { writable: true, user: true, executable: true };
  const found = (mmu: Mmu, page: number, access: Access): Translation => {
    const result = mmu.translate(page, access);
    if (!result.ok) throw new Error(`fault ${result.errorCode.toString(16)}`);
    return result;
  };

  describe(`${name} keeps the Mmu contract`, () => {
    test("a mapped page translates, and its neighbour does not", () => {
      const { mmu, map } = create();
      map(vpn, 0x345, open);
      expect(found(mmu, vpn, USER_READ)).toMatchObject({
        gfn: 0x345,
        pageShift: 12,
        user: true,
        writable: true,
        executable: true,
      });
      expect(mmu.translate(vpn + 1, USER_READ)).toEqual({ ok: false, errorCode: 0x4 });
      expect(mmu.translate(vpn + 1, { kind: "write", user: false })).toEqual({ ok: false, errorCode: 0x2 });
    });

    test("a missing right faults with P set, at a hit as after a walk", () => {
      const { mmu, map } = create();
      map(vpn, 0x345, { user: true, executable: true });
      map(vpn + 1, 0x346, { writable: true, executable: true });
      for (let round = 0; round < 2; round++) {
        expect(found(mmu, vpn, USER_READ).writable).toBe(false);
        expect(mmu.translate(vpn, USER_WRITE)).toEqual({ ok: false, errorCode: 0x7 });
        expect(found(mmu, vpn + 1, READ).user).toBe(false);
        expect(mmu.translate(vpn + 1, USER_READ)).toEqual({ ok: false, errorCode: 0x5 });
      }
    });

    if (traits.executeDisable) {
      test("data pages are not fetched from", () => {
        const { mmu, map } = create();
        map(vpn, 0x345, { user: true, writable: true });
        expect(found(mmu, vpn, USER_READ).executable).toBe(false);
        expect(mmu.translate(vpn, USER_FETCH)).toEqual({ ok: false, errorCode: 0x15 });
      });
    }

    test("reads and fetches set the accessed flag, writes the dirty flag, faults neither", () => {
      const { mmu, map, flags } = create();
      map(vpn, 0x345, open);
      map(vpn + 1, 0x346, { executable: true });
      mmu.translate(vpn + 1, USER_READ);
      expect(flags(vpn + 1)).toEqual({ accessed: false, dirty: false });
      expect(found(mmu, vpn, USER_FETCH).dirty).toBe(false);
      expect(flags(vpn)).toEqual({ accessed: true, dirty: false });
      expect(found(mmu, vpn, USER_WRITE).dirty).toBe(true);
      expect(flags(vpn)).toEqual({ accessed: true, dirty: true });
      expect(found(mmu, vpn, USER_READ).dirty).toBe(true);
    });

    test("a page that was not present is seen as soon as it is mapped", () => {
      const { mmu, map } = create();
      expect(mmu.translate(vpn, READ).ok).toBe(false);
      map(vpn, 0x345, open);
      expect(found(mmu, vpn, READ).gfn).toBe(0x345);
    });

    test(`changes are seen ${traits.caches ? "only" : "also"} after invalidate`, () => {
      const { mmu, map, unmap } = create();
      map(vpn, 0x345, open);
      map(vpn + 1, 0x346, open);
      found(mmu, vpn, READ);
      found(mmu, vpn + 1, READ);
      map(vpn, 0x777, open);
      unmap(vpn + 1);
      expect(found(mmu, vpn, READ).gfn).toBe(traits.caches ? 0x345 : 0x777);
      mmu.invalidate({ vpn });
      expect(found(mmu, vpn, READ).gfn).toBe(0x777);
      expect(mmu.translate(vpn + 1, READ).ok).toBe(traits.caches);
      mmu.invalidate("all");
      expect(mmu.translate(vpn + 1, READ).ok).toBe(false);
    });
  });
}
