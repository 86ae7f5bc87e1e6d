import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ACCESS_READ,
  ACCESS_USER,
  createHashedTables,
  createHashedTranslator,
  createNativeTranslator,
  createNestedTranslator,
  createSimulatedMmu,
  createTables,
  guestView,
  type HashedProbes,
  type HashedTables,
  LabMemory,
  type MapOptions,
  type Translator,
  WalkStructures,
} from "../src/index.ts";
import { randomOf } from "./random-machine.ts";

const READ = { kind: "read", user: true } as const;
const WRITE = { kind: "write", user: true } as const;
const GVA = 0x7f12_3456_7abcn;
const PAGE = GVA - (GVA % 0x1000n);
const PLACE = 2 ** 34;
const LARGE_FRAME = 0x20_0000;

/** Regions one after another, aligned to 2 MByte. */
function regions(first = LARGE_FRAME): (bytes?: number) => number {
  let next = first;
  return (bytes = LARGE_FRAME) => {
    const start = next;
    next += Math.ceil(bytes / LARGE_FRAME) * LARGE_FRAME;
    return start;
  };
}

// C. Park et al., ASPLOS 2022: two levels where there were four, so 2 and (2 + 1) x (2 + 1) - 1.
describe("flattened tables", () => {
  function nestedOf(guestPage: MapOptions, hostPage: MapOptions, structures = new WalkStructures()): Translator {
    const memory = new LabMemory();
    const host = createTables({ format: "flattened", memory, allocateFrame: regions() });
    const bytes = 2 ** (hostPage.pageShift ?? 12);
    const guest = createTables({
      format: "flattened",
      memory: guestView(memory, (gpa) => gpa + PLACE),
      allocateFrame: regions(),
    });
    const page = 2 ** (guestPage.pageShift ?? 12);
    const gpa = 2 ** 32;
    guest.map(GVA - (GVA % BigInt(page)), gpa, guestPage);
    const touched = [guest.root, 2 * LARGE_FRAME, gpa + Number(GVA % BigInt(page))];
    const entries = [2, 1].flatMap((level) => guest.entryAddress(GVA, level) ?? []);
    for (const at of [...touched, ...entries]) host.map(at - (at % bytes), at - (at % bytes) + PLACE, hostPage);
    return createNestedTranslator({
      memory,
      guest: { mode: "flattened", registers: { cr3: guest.root } },
      host: { kind: "npt", mode: "flattened", registers: { cr3: host.root } },
      structures,
    });
  }

  test.each([
    [12, 12, 8],
    [12, 30, 5],
    [30, 12, 5],
    [30, 30, 3],
  ] as const)("guest pages 2^%i on host pages 2^%i: %i references", (guestShift, hostShift, refs) => {
    const { references, outcome } = nestedOf({ pageShift: guestShift }, { pageShift: hostShift }).translate(GVA, WRITE);
    expect(references).toHaveLength(refs);
    const inPage = Number(GVA % 2n ** BigInt(guestShift));
    expect(outcome).toMatchObject({ receiver: "none", hpa: 2 ** 32 + PLACE + inPage });
  });

  test("a walk cache leaves one reference", () => {
    const structures = new WalkStructures({
      walkCache: { level2: { entries: 4 } },
      nestedTlb: { pages: ["4K"], entries: 8 },
    });
    const translator = nestedOf({}, {}, structures);
    const mmu = createSimulatedMmu({ translator });
    mmu.translate(GVA, READ);
    expect(mmu.translate(GVA, READ).references.filter(({ hit }) => hit === "memory")).toHaveLength(1);
  });

  // The same pages in 4-level tables and in flattened ones, with random rights: same addresses, same faults.
  test("natively 2 references, and otherwise what 4-level paging says", () => {
    const rights = fc.record({
      writable: fc.boolean(),
      user: fc.boolean(),
      executable: fc.boolean(),
      readable: fc.boolean(),
      dirty: fc.boolean(),
      pageShift: fc.constantFrom(12, 30),
    }) as fc.Arbitrary<MapOptions>;
    const access = fc.record({ kind: fc.constantFrom("read", "write", "fetch"), user: fc.boolean(), ac: fc.boolean() });
    const controls = fc.record({ wp: fc.boolean(), smep: fc.boolean(), smap: fc.boolean(), nxe: fc.boolean() });
    fc.assert(
      fc.property(
        rights,
        controls,
        fc.array(access, { maxLength: 6 }),
        fc.nat(2 ** 20),
        (page, registers, accesses, pfn) => {
          const [flat, four] = (["flattened", "long4"] as const).map((mode) => {
            const memory = new LabMemory();
            const tables = createTables({ format: mode, memory, allocateFrame: regions() });
            const bytes = 2 ** (page.pageShift ?? 12);
            tables.map(GVA - (GVA % BigInt(bytes)), (pfn % 1024) * bytes, page);
            return createNativeTranslator({ memory, guest: { mode, registers: { ...registers, cr3: tables.root } } });
          }) as [Translator, Translator];
          for (const gva of [GVA, GVA ^ 0x40_0000_0000n, 1n << 60n]) {
            for (const each of accesses) {
              const walk = flat.translate(gva, each as typeof READ);
              expect(walk.outcome).toEqual(four.translate(gva, each as typeof READ).outcome);
              if (gva === GVA) expect(walk.references.length).toBe(page.pageShift === 30 ? 1 : 2);
            }
          }
        },
      ),
    );
  });
});

describe("hashed tables", () => {
  interface Hashed {
    readonly tables: HashedTables;
    readonly memory: LabMemory;
  }
  function tablesOf(ways: number): Hashed {
    const memory = new LabMemory();
    return { memory, tables: createHashedTables({ memory, allocate: regions(), ways, buckets: 64 }) };
  }

  test.each([2, 3, 4])("%i ways: as many references, in the time of one", (ways) => {
    const { tables, memory } = tablesOf(ways);
    tables.map(PAGE, 0x5000);
    const structures = new WalkStructures({ memoryCycles: 100 });
    const translator = createHashedTranslator({ memory, guest: { tables }, structures });
    const { references, outcome, cycles } = translator.translate(GVA, WRITE);
    expect(outcome).toMatchObject({ receiver: "none", hpa: 0x5abc, pageShift: 12 });
    expect(references).toHaveLength(ways);
    expect(cycles).toBe(100);
    expect(translator.translate(GVA + 0x1000n, READ).outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 4 });
  });

  test("every size in use is probed; directed probes know", () => {
    const { tables, memory } = tablesOf(3);
    tables.map(PAGE, 0x5000);
    tables.map(0x4000_0000n, 0x4000_0000, { pageShift: 21 });
    tables.map(0x8000_0000n, 0x8000_0000, { pageShift: 30 });
    const count = (probes: HashedProbes, gva: bigint): number =>
      createHashedTranslator({ memory, guest: { tables, probes } }).translate(gva, READ).references.length;
    expect([GVA, 0x4012_3456n, 0x9012_3456n].map((gva) => count("all", gva))).toEqual([9, 9, 9]);
    expect([GVA, 0x4012_3456n, 0x9012_3456n].map((gva) => count("directed", gva))).toEqual([1, 1, 1]);
  });

  // Stojkovic et al., ASPLOS 2022: three steps. Yaniv and Tsafrir, SIGMETRICS 2016: three references.
  test.each<[number, HashedProbes, number]>([
    [2, "all", 8],
    [3, "all", 15],
    [4, "all", 24],
    [3, "directed", 3],
  ])("in two dimensions, %i ways, %s probes: %i references, in the time of three", (ways, probes, refs) => {
    const memory = new LabMemory();
    const host = createHashedTables({ memory, allocate: regions(), ways });
    const view = guestView(memory, (gpa) => gpa + PLACE);
    const guest = createHashedTables({ memory: view, allocate: regions(), ways });
    guest.map(PAGE, 0x5000);
    for (let gpa = 0; gpa < 5 * LARGE_FRAME; gpa += 0x1000) host.map(gpa, gpa + PLACE);
    const translator = createHashedTranslator({
      memory,
      guest: { tables: guest, probes: "all" },
      host: { kind: "hashed", tables: host, probes: "all" },
      structures: new WalkStructures({ memoryCycles: 100 }),
    });
    // A guest's builder needs host addresses to look at: its directed walker has a view of its own.
    if (probes === "all") {
      const { references, outcome, cycles } = translator.translate(GVA, WRITE);
      expect(outcome).toMatchObject({ receiver: "none", hpa: 0x5abc + PLACE, gpa: 0x5abc });
      expect(references).toHaveLength(refs);
      expect(cycles).toBe(300);
      return;
    }
    const directed = createHashedTranslator({
      memory,
      guest: { tables: guest, probes },
      host: { kind: "hashed", tables: host, probes },
    });
    const { references, outcome } = directed.translate(GVA, WRITE);
    expect(outcome).toMatchObject({ receiver: "none", hpa: 0x5abc + PLACE });
    expect(references.map(({ dimension }) => dimension)).toEqual(["host", "guest", "host"]);
  });

  test("on EPT too; a missing host page is a violation, a missing right of the hashed host an exit", () => {
    const memory = new LabMemory();
    const ept = createTables({ format: "ept4", memory, allocateFrame: regions() });
    const view = guestView(memory, (gpa) => gpa + PLACE);
    const guest = createHashedTables({ memory: view, allocate: regions(), ways: 2 });
    guest.map(PAGE, 0x5000);
    for (let gpa = 0; gpa < 3 * LARGE_FRAME; gpa += LARGE_FRAME) ept.map(gpa, gpa + PLACE, { pageShift: 21 });
    guest.map(PAGE + 0x1000n, 2 ** 30);
    const host = { kind: "ept", eptp: ept.root + 0x1e } as const;
    const translator = createHashedTranslator({ memory, guest: { tables: guest }, host });
    expect(translator.translate(GVA, READ).references).toHaveLength(2 * 4 + 3);
    expect(translator.translate(GVA + 0x1000n, READ).outcome).toMatchObject({
      cause: "ept-violation",
      gpa: 2 ** 30 + 0xabc,
    });

    const hashed = createHashedTables({ memory, allocate: regions(2 ** 33) });
    for (let gpa = 0; gpa < 3 * LARGE_FRAME; gpa += 0x1000) {
      hashed.map(gpa, gpa + PLACE, { writable: gpa !== 0x5000 });
    }
    const nested = createHashedTranslator({
      memory,
      guest: { tables: guest },
      host: { kind: "hashed", tables: hashed },
    });
    expect(nested.translate(GVA, READ).outcome).toMatchObject({ receiver: "none" });
    expect(nested.translate(GVA, WRITE).outcome).toMatchObject({ cause: "nested-page-fault", exitInfo1: 2 ** 32 + 7 });
  });

  // Any history of pages mapped, replaced and unmapped, against a Map, while the tables grow under it.
  test.each([2, 3, 4])("%i ways find every page and no other, before, while and after they grow", (ways) => {
    let moves = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { tables, memory } = tablesOf(ways);
        const translator = createHashedTranslator({ memory, guest: { tables } });
        const random = randomOf(seed);
        const pages = new Map<number, number>();
        for (let i = 0; i < 600; i++) {
          const vpn = random(2000);
          if (random(4) === 0) {
            expect(tables.unmap(vpn * 0x1000)).toBe(pages.delete(vpn));
          } else {
            const frame = random(2 ** 20) * 0x1000;
            tables.map(vpn * 0x1000, frame);
            pages.set(vpn, frame);
          }
          if (i % 50 !== 49) continue;
          for (let probe = 0; probe < 2000; probe += 7) {
            const isMapped = translator.walk(probe * 0x1000, 0, ACCESS_READ | ACCESS_USER);
            expect(isMapped ? translator.found.hfn * 0x1000 : undefined).toBe(pages.get(probe));
          }
        }
        moves += tables.moves;
        expect(tables.roots[0]?.ways[0]?.buckets).toBeGreaterThan(64);
      }),
      { numRuns: 10 },
    );
    expect(moves).toBeGreaterThan(100);
  });

  test.each([
    [{ ways: 1 }, /ways must be 2 to 4, not 1/],
    [{ ways: 5 }, /ways must be 2 to 4/],
    [{ buckets: 100 }, /buckets must be a power of two from 64 on, not 100/],
  ])("%j is refused", (extra, message) => {
    expect(() => createHashedTables({ memory: new LabMemory(), allocate: regions(), ...extra })).toThrowError(
      expect.objectContaining({ code: "MMU_GEOMETRY", message: expect.stringMatching(message) }),
    );
  });

  test("pages that cannot be are refused", () => {
    const { tables } = tablesOf(3);
    for (const [gva, hpa, options] of [
      [1, 0, {}],
      [0, 0x1000, { pageShift: 21 }],
      [0, 2 ** 52, {}],
      [0, 0, { pageShift: 22 }],
    ] as const) {
      expect(() => tables.map(gva, hpa, options)).toThrowError(expect.objectContaining({ code: "MMU_TABLES" }));
    }
  });
});
