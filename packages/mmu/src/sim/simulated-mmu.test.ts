import { describe, expect, test } from "vitest";
import { createTables } from "../lab/build-tables.ts";
import { guestView, LabMemory } from "../lab/lab-memory.ts";
import { createNativeTranslator } from "../lab/native.ts";
import { createNestedTranslator } from "../lab/nested.ts";
import type { Translator } from "../lab/translator.ts";
import { type WalkGeometry, WalkStructures } from "../structures/walk-structures.ts";
import { createSimulatedMmu, type SimulatedMmu } from "./simulated-mmu.ts";

const READ = { kind: "read", user: true } as const;
const WRITE = { kind: "write", user: true } as const;
const PLACE = 2 ** 30;
const ALL_PAGES = ["4K", "2M", "1G"] as const;
const TLB = { l1: [{ pages: ALL_PAGES, entries: 64 }], l2: [{ pages: ALL_PAGES, entries: 256 }] };
const GVA = 0x7f00_1234_5000n;
const GLOBAL = GVA + 0x1000n;

function frames(first: number): () => number {
  let next = first;
  return () => {
    next += 0x1000;
    return next;
  };
}

interface Nested {
  readonly memory: LabMemory;
  readonly guest: ReturnType<typeof createTables>;
  readonly translator: Translator;
}

/** A guest with two pages at GVA, the second global, under EPT. */
function nestedOf(structures: WalkStructures, accessedDirty = false, dirty = true): Nested {
  const memory = new LabMemory();
  const ept = createTables({ format: "ept4", memory, allocateFrame: frames(0) });
  for (let gpa = 0; gpa < 0x20_0000; gpa += 0x1000) ept.map(gpa, gpa + PLACE, { dirty });
  const view = guestView(memory, (gpa) => gpa + PLACE);
  const guest = createTables({ format: "long4", memory: view, allocateFrame: frames(0) });
  guest.map(GVA, 0x10_0000);
  guest.map(GLOBAL, 0x10_1000, { global: true });
  const translator = createNestedTranslator({
    memory,
    guest: { mode: "long4", registers: { cr3: guest.root, pge: true } },
    host: { kind: "ept", eptp: ept.root + (accessedDirty ? 0x5e : 0x1e) },
    structures,
  });
  return { memory, guest, translator };
}

function mmuOf(geometry: WalkGeometry = {}): { mmu: SimulatedMmu; root: number } {
  const { translator, guest } = nestedOf(new WalkStructures(geometry));
  const mmu = createSimulatedMmu({ translator, tlb: TLB, pcide: true, context: { vpid: 1 } });
  mmu.writeCr3(guest.root + 5);
  for (const gva of [GVA, GLOBAL]) mmu.translate(gva, WRITE);
  return { mmu, root: guest.root };
}

/** Which of the two pages are still in the TLB. */
const kept = (mmu: SimulatedMmu): string =>
  [GVA, GLOBAL].map((gva) => (mmu.translate(gva, READ).tlb === "none" ? "-" : "x")).join("");
const [LOW, HIGH] = [0x1234_5000, 0x7f00];

describe("invalidations drop what they must, and no more", () => {
  test.each<[string, (mmu: SimulatedMmu, root: number) => void, string]>([
    ["nothing", () => {}, "xx"],
    ["INVLPG", (mmu) => mmu.invlpg(LOW, HIGH), "-x"],
    ["INVLPG of the global page", (mmu) => mmu.invlpg(LOW + 0x1000, HIGH), "x-"],
    ["INVPCID 0", (mmu) => mmu.invpcid(0, 5, LOW, HIGH), "-x"],
    ["INVPCID 0 of the global page", (mmu) => mmu.invpcid(0, 5, LOW + 0x1000, HIGH), "xx"],
    ["INVPCID 0 of another PCID", (mmu) => mmu.invpcid(0, 6, LOW, HIGH), "xx"],
    ["INVPCID 1", (mmu) => mmu.invpcid(1, 5, 0, 0), "-x"],
    ["INVPCID 1 of another PCID", (mmu) => mmu.invpcid(1, 6, 0, 0), "xx"],
    ["INVPCID 2", (mmu) => mmu.invpcid(2, 9, 0, 0), "--"],
    ["INVPCID 3", (mmu) => mmu.invpcid(3, 9, 0, 0), "-x"],
    ["INVVPID 0", (mmu) => mmu.invvpid(0, 1, LOW, HIGH), "-x"],
    ["INVVPID 0 of the global page", (mmu) => mmu.invvpid(0, 1, LOW + 0x1000, HIGH), "x-"],
    ["INVVPID 0 of another VPID", (mmu) => mmu.invvpid(0, 2, LOW, HIGH), "xx"],
    ["INVVPID 1", (mmu) => mmu.invvpid(1, 1, 0, 0), "--"],
    ["INVVPID 1 of another VPID", (mmu) => mmu.invvpid(1, 2, 0, 0), "xx"],
    ["INVVPID 2", (mmu) => mmu.invvpid(2, 0, 0, 0), "--"],
    ["INVVPID 3", (mmu) => mmu.invvpid(3, 1, 0, 0), "-x"],
    ["INVEPT 1", (mmu) => mmu.invept(1, 1), "--"],
    ["INVEPT 1 of another host", (mmu) => mmu.invept(1, 2), "xx"],
    ["INVEPT 2", (mmu) => mmu.invept(2, 0), "--"],
    ["MOV CR3 of the same PCID", (mmu, root) => mmu.writeCr3(root + 5), "-x"],
    ["MOV CR3 without flush", (mmu, root) => mmu.writeCr3(root + 5, true), "xx"],
    [
      "MOV CR3 of another PCID and back without flush",
      (mmu, root) => {
        mmu.writeCr3(root + 6);
        mmu.writeCr3(root + 5, true);
      },
      "xx",
    ],
  ])("%s: %s", (_name, act, expected) => {
    const { mmu, root } = mmuOf();
    act(mmu, root);
    expect(kept(mmu)).toBe(expected);
  });

  test("INVVPID 2 spares VPID 0, INVEPT 2 what no host had a part in", () => {
    const memory = new LabMemory();
    const tables = createTables({ format: "long4", memory, allocateFrame: frames(0) });
    tables.map(GVA, 0x10_0000);
    const guest = { mode: "long4", registers: { cr3: tables.root } } as const;
    const translator = createNativeTranslator({ memory, guest, structures: new WalkStructures() });
    const mmu = createSimulatedMmu({ translator, tlb: TLB });
    mmu.translate(GVA, READ);
    mmu.invvpid(2, 0, 0, 0);
    mmu.invept(2, 0);
    expect(mmu.translate(GVA, READ).tlb).toBe("l1");
  });

  test("without PCIDs a CR3 load drops all but global pages", () => {
    const { translator, guest } = nestedOf(new WalkStructures());
    const mmu = createSimulatedMmu({ translator, tlb: TLB });
    for (const gva of [GVA, GLOBAL]) mmu.translate(gva, WRITE);
    mmu.writeCr3(guest.root, true);
    expect(kept(mmu)).toBe("-x");
  });
});

test("INVLPG drops every piece of a large page that the host's small pages have broken up", () => {
  const { translator, guest, memory } = nestedOf(new WalkStructures());
  const large = 0x4000_0000n;
  guest.map(large, 0, { pageShift: 21 });
  const mmu = createSimulatedMmu({ translator, tlb: TLB });
  const pieces = [large + 0x1000n, large + 0x5000n, GVA];
  for (const gva of pieces) expect(mmu.translate(gva, READ)).toMatchObject({ tlb: "none", outcome: { pageShift: 12 } });
  memory.store32((guest.entryAddress(large, 2) as number) + PLACE, 0);
  mmu.invlpg(0x4010_0000, 0);
  expect(pieces.map((gva) => mmu.translate(gva, READ).outcome.receiver)).toEqual(["guest", "guest", "none"]);
});

describe("a VPID", () => {
  test("keeps two guests' translations of one address apart, and both over the switch", () => {
    const structures = new WalkStructures({
      walkCache: { level2: { entries: 4 } },
      hostWalkCache: { level2: { entries: 4 } },
      nestedTlb: { pages: ["4K"], entries: 16 },
    });
    const [one, two] = [nestedOf(structures), nestedOf(structures)];
    two.guest.map(GVA, 0x10_5000);
    const mmu = createSimulatedMmu({ translator: one.translator, tlb: TLB, context: { vpid: 1, host: 1 } });
    const hpaOf = (): number => (mmu.translate(GVA, READ).outcome as { hpa: number }).hpa;
    const enter = ({ translator, guest }: Nested, n: number): void =>
      mmu.enter(translator, { vpid: n, host: n }, guest.root);
    expect(hpaOf()).toBe(PLACE + 0x10_0000);
    enter(two, 2);
    expect(hpaOf()).toBe(PLACE + 0x10_5000);
    enter(one, 1);
    expect(mmu.translate(GVA, READ)).toMatchObject({ tlb: "l1", outcome: { hpa: PLACE + 0x10_0000 } });
  });
});

describe("entries are as stale as they may be", () => {
  test("a page taken away is seen after INVLPG, not before", () => {
    const { translator, guest, memory } = nestedOf(new WalkStructures());
    const mmu = createSimulatedMmu({ translator, tlb: TLB });
    mmu.translate(GVA, READ);
    memory.store32((guest.entryAddress(GVA, 1) as number) + PLACE, 0);
    expect(mmu.translate(GVA, READ)).toMatchObject({ tlb: "l1", outcome: { receiver: "none" } });
    mmu.invlpg(LOW, HIGH);
    expect(mmu.translate(GVA, READ)).toMatchObject({ tlb: "none", outcome: { receiver: "guest", errorCode: 4 } });
  });

  test("so is a table, where the walk cache has it: until INVLPG of any address", () => {
    const { translator, guest, memory } = nestedOf(new WalkStructures({ walkCache: { level2: { entries: 4 } } }));
    const mmu = createSimulatedMmu({ translator });
    mmu.translate(GVA, READ);
    memory.store32((guest.entryAddress(GVA, 2) as number) + PLACE, 0);
    expect(mmu.translate(GVA, READ).outcome.receiver).toBe("none");
    mmu.invlpg(0, 0);
    expect(mmu.translate(GVA, READ).outcome.receiver).toBe("guest");
  });

  test("the first write to a clean page walks, in either dimension", () => {
    const { translator, guest, memory } = nestedOf(new WalkStructures());
    const pte = (guest.entryAddress(GVA, 1) as number) + PLACE;
    memory.store32(pte, memory.load32(pte) & ~0x40);
    const mmu = createSimulatedMmu({ translator, tlb: TLB });
    mmu.translate(GVA, READ);
    expect(mmu.translate(GVA, READ).tlb).toBe("l1");
    expect(mmu.translate(GVA, WRITE).tlb).toBe("none");
    expect(memory.load32(pte) & 0x40).toBe(0x40);
    expect(mmu.translate(GVA, WRITE).tlb).toBe("l1");

    const host = createSimulatedMmu({ translator: nestedOf(new WalkStructures(), true, false).translator, tlb: TLB });
    host.translate(GVA, READ);
    expect([READ, WRITE, WRITE].map((access) => host.translate(GVA, access).tlb)).toEqual(["l1", "none", "l1"]);
  });
});

describe("structures spare references", () => {
  const walkCache = { level2: { entries: 4 }, level3: { entries: 4 }, level4: { entries: 4 } };
  const nestedTlb = { pages: ["4K"], entries: 64 } as const;
  test.each<[string, WalkGeometry, number]>([
    ["none", {}, 24],
    ["guest PDEs: one host walk for the PTE, the PTE, one for the page", { walkCache }, 9],
    ["host PDEs: one reference for each of five host walks", { hostWalkCache: walkCache }, 9],
    ["both", { walkCache, hostWalkCache: walkCache }, 3],
    ["nested TLB: the guest's entries", { nestedTlb }, 4],
    ["guest PDEs and nested TLB: the PTE", { walkCache, nestedTlb }, 1],
    ["PML4Es of the guest only", { walkCache: { level4: { entries: 1 } } }, 19],
  ])("%s", (_name, geometry, refs) => {
    const { translator } = nestedOf(new WalkStructures(geometry));
    const mmu = createSimulatedMmu({ translator });
    mmu.translate(GVA, READ);
    const { references, cycles } = mmu.translate(GVA, READ);
    expect(references.filter(({ hit }) => hit === "memory")).toHaveLength(refs);
    expect(cycles).toBe(0);
    expect(mmu.counters).toMatchObject({ accesses: 2, walks: 2 });
  });

  test("a walk tells what it found where, and its cycles", () => {
    const caches = { l1: { bytes: 4096, ways: 8, cycles: 4 }, memoryCycles: 200 };
    const { translator } = nestedOf(new WalkStructures({ walkCache: { level2: { entries: 4 } }, caches }));
    const mmu = createSimulatedMmu({ translator });
    mmu.translate(GVA, READ);
    const { references, cycles } = mmu.translate(GVA, READ);
    expect(references.map(({ dimension, hit }) => `${dimension} ${hit}`)).toEqual([
      "guest walk-cache",
      ...new Array(4).fill("host l1"),
      "guest l1",
      ...new Array(4).fill("host l1"),
    ]);
    expect(cycles).toBe(9 * 4);
  });
});
