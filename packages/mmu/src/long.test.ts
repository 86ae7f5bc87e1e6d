import { describe, expect, test } from "vitest";
import { A, D, G, P, PAT_LARGE, PS, RW, SparseMemory, US, XD } from "../test/sparse-memory.ts";
import {
  ACCESS_FETCH,
  ACCESS_INSPECT,
  ACCESS_READ,
  ACCESS_SHADOW,
  ACCESS_USER,
  ACCESS_WRITE,
  createWalker,
  type PagingRegisters,
  type Walker,
} from "./index.ts";

const OPEN = P | RW | US;
const ROOT = 0x12_3456_7000; // above 4 GiB, below MAXPHYADDR 40
const INDICES = { PML5E: 0x1a1, PML4E: 0x1f2, PDPTE: 0x0e3, PDE: 0x164, PTE: 0x095 };
type Name = keyof typeof INDICES;

/** Entries of one path, by name, each table at its own frame; and the address that takes this path. */
function setUp(mode: "long4" | "long5", registers: Partial<PagingRegisters> = {}) {
  const memory = new SparseMemory();
  const names = (Object.keys(INDICES) as Name[]).slice(mode === "long5" ? 0 : 1);
  const gpas = {} as Record<Name, number>;
  for (const [i, name] of names.entries()) {
    gpas[name] = ROOT + i * 0x1000 + INDICES[name] * 8;
    memory.set64(gpas[name], BigInt(ROOT + (i + 1) * 0x1000) | OPEN);
  }
  const gva = (Object.keys(INDICES) as Name[]).reduce((sum, name) => (sum << 9n) | BigInt(INDICES[name]), 0n) << 12n;
  const walker = createWalker(mode, memory, { cr3: ROOT + 0xfff, pcide: true, ...registers });
  return {
    memory,
    walker,
    names,
    gpas,
    gva,
    walk: (access = ACCESS_READ): boolean => walkAt(walker, gva, access),
  };
}

function walkAt(walker: Walker, gva: bigint, access: number): boolean {
  return walker.walk(Number(BigInt.asIntN(32, gva)), Number(BigInt.asIntN(32, gva >> 32n)), access);
}

describe.each(["long4", "long5"] as const)("%s", (mode) => {
  test("nine bits of the address select at each level", () => {
    const { walk, walker, names } = setUp(mode);
    expect(walk()).toBe(true);
    expect(walker.gfn).toBe(ROOT / 0x1000 + names.length);
    expect(walker).toMatchObject({ pageShift: 12, writable: true, user: true, executable: true });
  });

  test("halves, unsigned halves and page numbers take the same path", () => {
    const { walker, gva } = setUp(mode);
    const vpn = Number(gva >> 12n);
    const unsigned = walker.walk(Number(gva & 0xffff_ffffn), Number(gva >> 32n), ACCESS_READ);
    expect(unsigned).toBe(true);
    const { gfn } = walker;
    walker.walk(0, 0, ACCESS_READ);
    expect(walker.walkPage(vpn, ACCESS_READ)).toBe(true);
    expect(walker.gfn).toBe(gfn);
    // Sign extension changes nothing: the top bit of the first index is set.
    const width = mode === "long5" ? 45 : 36;
    const canonical = vpn + 2 ** 52 - 2 ** width;
    expect(walker.walkPage(canonical, ACCESS_READ)).toBe(true);
    expect(walker.gfn).toBe(gfn);
  });

  test("a write sets A in every level and D in the last, and a second one nothing", () => {
    const { memory, walk, names, gpas } = setUp(mode);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(true);
    for (const name of names) {
      expect(memory.get64(gpas[name]) & (A | D), name).toBe(name === "PTE" ? A | D : A);
    }
    memory.stores.length = 0;
    walk(ACCESS_WRITE);
    walk(ACCESS_READ);
    expect(memory.stores).toEqual([]);
  });

  test("a walk that fails, at whatever level, and an inspection leave no trace", () => {
    const { memory, walk, names, gpas } = setUp(mode);
    for (const name of names) {
      const entry = memory.get64(gpas[name]);
      for (const broken of [entry & ~P, entry | (1n << 45n), entry & ~US]) {
        memory.set64(gpas[name], broken);
        expect(walk(ACCESS_READ | ACCESS_USER), name).toBe(false);
      }
      memory.set64(gpas[name], entry);
    }
    expect(walk(ACCESS_INSPECT)).toBe(true);
    expect(memory.stores).toEqual([]);
  });

  test("an inspection asks for no right", () => {
    const { memory, walk, walker, gpas } = setUp(mode, { smap: true, nxe: true });
    memory.set64(gpas.PTE, 0x5000n | P | XD);
    expect(walk(ACCESS_INSPECT | ACCESS_USER)).toBe(true);
    expect(walker).toMatchObject({ gfn: 5, permits: 0, user: false });
  });

  test("an upper level's fault hides the lower ones'", () => {
    const { memory, walk, walker, names, gpas } = setUp(mode);
    for (const name of [...names].reverse()) {
      memory.set64(gpas[name], OPEN | (1n << 44n));
      expect(walk()).toBe(false);
      expect(walker.errorCode, name).toBe(0x9);
      memory.set64(gpas[name], (1n << 44n) | RW);
      expect(walk()).toBe(false);
      expect(walker.errorCode, name).toBe(0x0);
    }
  });

  test("bits MAXPHYADDR to 51 are reserved, bits 52 to 62 are not, 63 is with NXE clear", () => {
    for (const maxPhyAddr of [40, 46, 52]) {
      for (const nxe of [false, true]) {
        const { memory, walk, walker, names, gpas } = setUp(mode, { maxPhyAddr, nxe });
        for (const name of names) {
          const entry = memory.get64(gpas[name]);
          for (let bit = 52; bit < 64; bit++) {
            memory.set64(gpas[name], entry | (1n << BigInt(bit)));
            expect(walk(), `${name} bit ${bit}`).toBe(bit < 63 || nxe);
          }
          for (let bit = maxPhyAddr; bit < 52; bit++) {
            memory.set64(gpas[name], entry | (1n << BigInt(bit)));
            expect(walk(), `${name} bit ${bit}`).toBe(false);
            expect(walker.errorCode).toBe(0x9);
          }
          memory.set64(gpas[name], entry);
        }
      }
    }
  });

  test("tables and pages reach up to 52 address bits", () => {
    const { memory, walk, walker, gpas } = setUp(mode, { maxPhyAddr: 52 });
    const far = 0xf_fedc_ba98_7000n;
    memory.set64(gpas.PDE, far | OPEN);
    memory.set64(Number(far) + INDICES.PTE * 8, 0xf_ffff_ffff_f000n | OPEN);
    expect(walk()).toBe(true);
    expect(walker.gfn).toBe(2 ** 40 - 1);
  });

  test("PS is reserved above PDPTEs and is PAT in PTEs", () => {
    const { memory, walk, walker, names, gpas } = setUp(mode);
    memory.set64(gpas.PTE, 0x5000n | OPEN | PS);
    expect(walk()).toBe(true);
    expect(walker).toMatchObject({ gfn: 5, pageShift: 12 });
    for (const name of names.filter((each) => each.startsWith("PML"))) {
      const entry = memory.get64(gpas[name]);
      memory.set64(gpas[name], entry | PS);
      expect(walk()).toBe(false);
      expect(walker.errorCode).toBe(0x9);
      memory.set64(gpas[name], entry);
    }
  });

  test("2-MByte pages: frame of the accessed 4 KBytes, PAT allowed, bits 20:13 reserved", () => {
    const { memory, walk, walker, gpas } = setUp(mode, { pge: true });
    memory.set64(gpas.PDE, 0x45_6780_0000n | OPEN | PS | PAT_LARGE | G);
    expect(walk(ACCESS_WRITE)).toBe(true);
    expect(walker).toMatchObject({ gfn: 0x456_7800 + INDICES.PTE, pageShift: 21, dirty: true, global: true });
    expect(memory.get64(gpas.PDE) & (A | D)).toBe(A | D);
    for (let bit = 13n; bit <= 20n; bit++) {
      memory.set64(gpas.PDE, OPEN | PS | (1n << bit));
      expect(walk()).toBe(false);
      expect(walker.errorCode).toBe(0x9);
    }
  });

  test("1-GByte pages: the same, with bits 29:13, where the processor has them", () => {
    const { memory, walk, walker, gpas } = setUp(mode);
    memory.set64(gpas.PDPTE, 0x40_0000_0000n | OPEN | PS | PAT_LARGE);
    expect(walk(ACCESS_READ)).toBe(true);
    expect(walker).toMatchObject({ gfn: 0x400_0000 + INDICES.PDE * 512 + INDICES.PTE, pageShift: 30, dirty: false });
    for (let bit = 13n; bit <= 29n; bit++) {
      memory.set64(gpas.PDPTE, OPEN | PS | (1n << bit));
      expect(walk()).toBe(false);
      expect(walker.errorCode).toBe(0x9);
    }
    memory.set64(gpas.PDPTE, OPEN | PS);
    walker.configure({ pages1G: false });
    expect(walk()).toBe(false);
    expect(walker.errorCode).toBe(0x9);
  });

  test("tables where nothing answers read as all ones: reserved bits", () => {
    const walker = createWalker(mode, { load32: () => 0xffff_ffff, or32: () => {} }, { nxe: true });
    expect(walker.walk(0, 0, ACCESS_READ)).toBe(false);
    expect(walker.errorCode).toBe(0x9);
  });

  test("setCr3 changes the table and nothing else", () => {
    const { walker, walk } = setUp(mode, { smep: true, maxPhyAddr: 44 });
    const before = walker.registers;
    walker.setCr3(0x5000);
    expect(walk()).toBe(false);
    expect(walker.registers).toEqual({ ...before, cr3: 0x5000 });
    walker.configure({ wp: true });
    expect(walker.registers).toEqual({ ...before, cr3: 0x5000, wp: true });
    walker.setCr3(ROOT);
    expect(walk()).toBe(true);
  });
});

test.each([
  [{ maxPhyAddr: 31 }, "maxPhyAddr"],
  [{ maxPhyAddr: 53 }, "maxPhyAddr"],
  [{ maxPhyAddr: 40.5 }, "maxPhyAddr"],
  [{ cr3: 2 ** 52 }, "cr3"],
  [{ cr3: -1 }, "cr3"],
  [{ cr3: Number.NaN }, "cr3"],
])("registers out of range are refused and leave the walker as it was: %o", (changes, name) => {
  const { walker, walk } = setUp("long4");
  const refusal = expect.objectContaining({ code: "MMU_REGISTERS", message: expect.stringContaining(name) });
  expect(() => walker.configure({ ...changes, smap: true })).toThrow(refusal);
  expect(walker.registers.smap).toBe(false);
  expect(walk()).toBe(true);
});

describe("protection keys", () => {
  const KEY = 5;
  /** The page has key 5; PKRU-like registers deny it data accesses or writes. */
  const denied = (rights: 1 | 2): number => (rights << (2 * KEY)) | 0;
  const keyed = (registers: Partial<PagingRegisters> = {}, flags = OPEN) => {
    const path = setUp("long4", registers);
    path.memory.set64(path.gpas.PTE, 0x5000n | flags | (BigInt(KEY) << 59n));
    return path;
  };

  test("AD forbids data accesses of anyone to a user page, but no fetches", () => {
    const { walk, walker } = keyed();
    walker.setProtectionKeys(denied(1), 0);
    for (const access of [ACCESS_READ, ACCESS_WRITE, ACCESS_READ | ACCESS_USER]) {
      expect(walk(access)).toBe(false);
      expect(walker.errorCode).toBe(0x21 | (access & 6));
    }
    expect(walk(ACCESS_FETCH | ACCESS_USER)).toBe(true);
    expect(walker).toMatchObject({ readable: false, executable: true });
  });

  test("WD forbids writes, those of the supervisor under CR0.WP only", () => {
    const { walk, walker } = keyed();
    walker.setProtectionKeys(denied(2), 0);
    expect([walk(ACCESS_READ | ACCESS_USER), walk(ACCESS_WRITE)]).toEqual([true, true]);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(0x27);
    walker.configure({ wp: true });
    expect(walk(ACCESS_WRITE)).toBe(false);
    expect(walker.errorCode).toBe(0x23);
  });

  test("other keys, other pages and other modes are not concerned", () => {
    const { walk, walker } = keyed();
    walker.setProtectionKeys(~denied(1) & ~denied(2), -1);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(true);
    const supervisor = keyed({}, P | RW);
    supervisor.walker.setProtectionKeys(-1, 0);
    expect(supervisor.walk(ACCESS_WRITE)).toBe(true);
    supervisor.walker.setProtectionKeys(0, denied(1));
    expect(supervisor.walk(ACCESS_READ)).toBe(false);
    expect(supervisor.walker.errorCode).toBe(0x21);
  });

  test("PK is told beside a right that is missing anyway", () => {
    const { walk, walker } = keyed({}, P | US);
    walker.setProtectionKeys(denied(1), 0);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(0x27);
    walker.setProtectionKeys(0, 0);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(0x7);
  });
});

describe("shadow-stack accesses", () => {
  const SS = 0x40;
  const READ_ONLY = P | US | D;

  /** A page of shadow stacks: R/W clear and D set where it is mapped, R/W set above. */
  function shadowPage(flags = READ_ONLY) {
    const set = setUp("long4", { wp: true });
    const frame = memoryOf(set.memory.get64(set.gpas.PTE));
    set.memory.set64(set.gpas.PTE, frame | flags);
    return set;
  }
  const memoryOf = (entry: bigint): bigint => entry & ~0xfffn;

  test("read and write pages that others may only read", () => {
    const { walk, walker } = shadowPage();
    expect(walk(ACCESS_READ | ACCESS_SHADOW | ACCESS_USER)).toBe(true);
    expect(walk(ACCESS_WRITE | ACCESS_SHADOW | ACCESS_USER)).toBe(true);
    expect(walk(ACCESS_READ | ACCESS_USER)).toBe(true);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(0b111);
  });

  test("tell #PF of themselves, also where nothing is mapped", () => {
    const { walk, walker, memory, gpas } = shadowPage();
    memory.set64(gpas.PTE, 0n);
    expect(walk(ACCESS_WRITE | ACCESS_SHADOW | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(SS | 0b110);
  });

  test.each([
    ["writable", OPEN | D],
    ["clean", P | US],
  ])("refuse a page that is %s", (_, flags) => {
    const { walk, walker } = shadowPage(flags);
    expect(walk(ACCESS_READ | ACCESS_SHADOW | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(SS | 0b101);
  });

  test("refuse a page that is not writable above", () => {
    const { walk, memory, gpas } = shadowPage();
    memory.set64(gpas.PDE, memory.get64(gpas.PDE) & ~RW);
    expect(walk(ACCESS_READ | ACCESS_SHADOW | ACCESS_USER)).toBe(false);
  });

  test("are for pages of their own privilege", () => {
    const user = shadowPage();
    expect(user.walk(ACCESS_READ | ACCESS_SHADOW)).toBe(false);
    expect(user.walker.errorCode).toBe(SS | 1);
    const supervisor = shadowPage(P | D);
    expect(supervisor.walk(ACCESS_WRITE | ACCESS_SHADOW)).toBe(true);
    expect(supervisor.walk(ACCESS_WRITE | ACCESS_SHADOW | ACCESS_USER)).toBe(false);
    expect(supervisor.walker.errorCode).toBe(SS | 0b111);
  });

  test("work in large pages, whose only entry is the last one", () => {
    const { walk, memory, gpas } = setUp("long4", { wp: true });
    memory.set64(gpas.PDE, 0x4000_0000n | READ_ONLY | PS);
    expect(walk(ACCESS_WRITE | ACCESS_SHADOW | ACCESS_USER)).toBe(true);
    expect(walk(ACCESS_WRITE | ACCESS_USER)).toBe(false);
  });

  test("obey protection keys", () => {
    const { walk, walker } = shadowPage();
    walker.setProtectionKeys(2, 0);
    expect(walk(ACCESS_READ | ACCESS_SHADOW | ACCESS_USER)).toBe(true);
    expect(walk(ACCESS_WRITE | ACCESS_SHADOW | ACCESS_USER)).toBe(false);
    expect(walker.errorCode).toBe(SS | 0x20 | 0b111);
  });
});
