import { describe, expect, test } from "vitest";
import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createWalker,
  type PagingMode,
  PF_ID,
  PF_P,
  PF_US,
  PF_WR,
} from "../src/index.ts";
import { isAllowed } from "./reference-walker.ts";
import { A, P, RW, SparseMemory, US, XD } from "./sparse-memory.ts";

const BOOLEANS = [false, true];
const KINDS = ["read", "write", "fetch"] as const;
const KIND_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, fetch: ACCESS_FETCH };
const ALL_SET = P | RW | US | A;

/** All combinations of the named booleans. */
function* combinations<K extends string>(...names: K[]): Generator<Record<K, boolean>> {
  for (let i = 0; i < 2 ** names.length; i++) {
    yield Object.fromEntries(names.map((name, n) => [name, ((i >> n) & 1) === 1])) as Record<K, boolean>;
  }
}

/** Maps gva 0 through tables 1, 2, ...; the level `restrictedFrom0` carries the rights, all others grant everything. */
function mapZero(mode: PagingMode, levels: number, restricted: number, rights: bigint): SparseMemory {
  const memory = new SparseMemory();
  for (let level = 0; level < levels; level++) {
    const target = BigInt(level === levels - 1 ? 0x50 : level + 2) << 12n;
    const entry = target | (level === restricted ? P | A | rights : ALL_SET);
    const gpa = (level + 1) * 0x1000;
    if (mode === "legacy32") memory.set32(gpa, Number(entry));
    else memory.set64(gpa, entry);
  }
  return memory;
}

describe.each([
  ["legacy32", 2],
  ["pae", 2],
  ["long4", 4],
  ["long5", 5],
] as const)("%s: every combination of rights and registers", (mode, levels) => {
  const hasXd = mode !== "legacy32";

  test.each([...Array(levels).keys()])("restricted at level %i from the top", (restricted) => {
    for (const page of combinations("us", "rw", "xd")) {
      for (const controls of combinations("wp", "smep", "smap", "nxe")) {
        if (page.xd && !(hasXd && controls.nxe)) continue;
        const rights = (page.us ? US : 0n) | (page.rw ? RW : 0n) | (page.xd ? XD : 0n);
        const memory = mapZero(mode, levels, restricted, rights);
        const walker = createWalker(mode, memory, { cr3: 0x1000, ...controls });
        if (mode === "pae") walker.pdptes.set([0x1001, 0]);
        for (const kind of KINDS) {
          for (const { user, ac } of combinations("user", "ac")) {
            const access = KIND_BITS[kind] | (user ? ACCESS_USER : 0) | (ac ? ACCESS_AC : 0);
            const allowed = isAllowed(page, { kind, user, ac }, controls);
            const detail = JSON.stringify({ page, controls, kind, user, ac });
            expect(walker.walk(0, 0, access), detail).toBe(allowed);
            if (allowed) {
              expect(walker.gfn, detail).toBe(0x50);
              continue;
            }
            const id = kind === "fetch" && (controls.smep || (hasXd && controls.nxe));
            const code = PF_P | (kind === "write" ? PF_WR : 0) | (user ? PF_US : 0) | (id ? PF_ID : 0);
            expect(walker.errorCode, detail).toBe(code);
          }
        }
      }
    }
  });

  test("a page that is not present reports the access and P clear", () => {
    for (const user of BOOLEANS) {
      const walker = createWalker(mode, new SparseMemory(), { cr3: 0x1000, smep: true });
      const us = user ? ACCESS_USER : 0;
      walker.walk(0, 0, ACCESS_READ | us);
      expect(walker.errorCode).toBe(us);
      walker.walk(0, 0, ACCESS_WRITE | us | ACCESS_AC);
      expect(walker.errorCode).toBe(PF_WR | us);
      walker.walk(0, 0, ACCESS_READ | ACCESS_WRITE | us);
      expect(walker.errorCode).toBe(PF_WR | us);
      walker.walk(0, 0, ACCESS_FETCH | us);
      expect(walker.errorCode).toBe(PF_ID | us);
    }
  });
});

// The combinations above are judged by the reference; these few were written down by hand, to judge the reference.
describe("error codes, by hand", () => {
  const codeOf = (rights: bigint, controls: object, access: number): number => {
    const walker = createWalker("long4", mapZero("long4", 4, 3, rights), { cr3: 0x1000, ...controls });
    return walker.walk(0, 0, access) ? 0 : walker.errorCode;
  };
  test.each([
    ["user reads kernel page", RW, {}, ACCESS_READ | ACCESS_USER, 0x05],
    ["user writes read-only page", US, {}, ACCESS_WRITE | ACCESS_USER, 0x07],
    ["supervisor writes read-only page, WP clear", 0n, {}, ACCESS_WRITE, 0],
    ["supervisor writes read-only page, WP set", 0n, { wp: true }, ACCESS_WRITE, 0x03],
    ["user fetches XD page", US | XD, { nxe: true }, ACCESS_FETCH | ACCESS_USER, 0x15],
    ["user fetches kernel page, no NXE, no SMEP", 0n, {}, ACCESS_FETCH | ACCESS_USER, 0x05],
    ["supervisor fetches user page, SMEP", US, { smep: true }, ACCESS_FETCH, 0x11],
    ["supervisor reads user page, SMAP", US, { smap: true }, ACCESS_READ, 0x01],
    ["supervisor reads user page, SMAP, AC", US, { smap: true }, ACCESS_READ | ACCESS_AC, 0],
    [
      "supervisor writes read-only user page, SMAP, AC, WP",
      US,
      { smap: true, wp: true },
      ACCESS_WRITE | ACCESS_AC,
      0x03,
    ],
    ["supervisor writes read-only user page, SMAP, AC, no WP", US, { smap: true }, ACCESS_WRITE | ACCESS_AC, 0],
    ["user reads XD page, NXE clear", US | XD, {}, ACCESS_READ | ACCESS_USER, 0x0d],
  ] as const)("%s", (_what, rights, controls, access, code) => {
    expect(codeOf(rights, controls, access)).toBe(code);
  });
});
