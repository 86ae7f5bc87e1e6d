import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createNativeTranslator,
  createNestedTranslator,
  type HostPaging,
  referenceCounts,
  type TableFormat,
  type Translator,
  type WalkReference,
} from "../src/index.ts";
import { type PageShift, RandomMachine, randomOf } from "./random-machine.ts";
import { type ReferenceTables, referenceNestedWalk } from "./reference-nested.ts";

const SHIFTS = { "4K": 12, "2M": 21, "1G": 30 } as const;
const READ = { kind: "read", user: true } as const;
const KINDS = ["ept", "npt", "process"] as const;

function randomGva(levels: number, random: (below: number) => number): bigint {
  const bits = 12 + 9 * levels;
  const raw = (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32));
  return BigInt.asUintN(64, BigInt.asIntN(bits, raw));
}

function hostPaging(kind: HostPaging["kind"], levels: number, root: number): HostPaging {
  if (kind === "ept") return { kind, eptp: root + (levels === 4 ? 0x1e : 0x26) };
  const mode = levels === 4 ? "long4" : "long5";
  const registers = { cr3: root, nxe: true };
  return kind === "npt" ? { kind, mode, registers } : { kind, mode, registers, hvaBase: 0 };
}

interface Setup {
  readonly machine: RandomMachine;
  readonly translator: Translator;
  readonly guest: ReferenceTables;
  readonly host: ReferenceTables;
}

function setUp(
  seed: number,
  kind: HostPaging["kind"],
  guestLevels: number,
  hostLevels: number,
  guestShift: PageShift,
  hostShift: PageShift,
): Setup {
  const guestFormat = guestLevels === 4 ? "long4" : "long5";
  const ordinary = hostLevels === 4 ? "long4" : "long5";
  const hostFormat: TableFormat = kind === "ept" ? (hostLevels === 4 ? "ept4" : "ept5") : ordinary;
  const formats = { guest: guestFormat, host: hostFormat } as const;
  const machine = new RandomMachine(formats, { guest: guestShift, host: hostShift }, randomOf(seed));
  const { guestTables, hostTables, memory } = machine;
  // The root is placed before the first walk as every table is; its page may hold nothing yet.
  machine.place(guestTables.root);
  const translator = createNestedTranslator({
    memory,
    guest: { mode: guestFormat, registers: { cr3: guestTables.root, nxe: true } },
    host: hostPaging(kind, hostLevels, hostTables.root),
  });
  return {
    machine,
    translator,
    guest: { root: BigInt(guestTables.root), levels: guestLevels, isEpt: false },
    host: { root: BigInt(hostTables.root), levels: hostLevels, isEpt: kind === "ept" },
  };
}

/** Translates and holds the result against the brute-force walker. */
function compare({ machine, translator, guest, host }: Setup, gva: bigint): readonly WalkReference[] {
  const expected = referenceNestedWalk(machine.read64, guest, host, gva);
  const { references, outcome } = translator.translate(gva, READ);
  expect(references.map(({ hpa }) => BigInt(hpa))).toEqual(expected.reads);
  if (expected.end.kind === "page") {
    expect(outcome).toMatchObject({
      receiver: "none",
      hpa: Number(expected.end.address),
      pageShift: expected.end.shift,
    });
  } else if (expected.end.dimension === "guest") {
    expect(outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 4 });
  } else {
    expect(outcome).toMatchObject({ receiver: "hypervisor", gpa: Number(expected.end.gpa) });
  }
  return references;
}

// The table of issue and literature, written out: what is counted must be these numbers and no others.
const MATRIX = [
  ["4K", { native: 4, "4K": 24, "2M": 19, "1G": 14 }],
  ["2M", { native: 3, "4K": 19, "2M": 15, "1G": 11 }],
  ["1G", { native: 2, "4K": 14, "2M": 11, "1G": 8 }],
] as const;

describe.each(MATRIX)("guest pages of %s", (guest, row) => {
  const hosts = ["4K", "2M", "1G"] as const;
  test.each(hosts)("cost on host pages of %s what the table says, wherever all tables lie", (host) => {
    for (const kind of KINDS) {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const setup = setUp(seed, kind, 4, 4, SHIFTS[guest], SHIFTS[host]);
          const random = randomOf(~seed);
          for (let i = 0; i < 3; i++) {
            const gva = randomGva(4, random);
            setup.machine.mapAt(gva);
            expect(compare(setup, gva)).toHaveLength(row[host]);
          }
        }),
        { numRuns: 25 },
      );
    }
  });

  test("cost natively one entry per level", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        // Guest physical is host physical: the same tables, read in place.
        const machine = new RandomMachine(
          { guest: "long4", host: "ept4" },
          { guest: SHIFTS[guest], host: 30 },
          randomOf(seed),
        );
        const gva = randomGva(4, randomOf(~seed));
        machine.mapAt(gva);
        const memory = { load32: (at: number) => machine.memory.load32(machine.place(at)), or32: () => {} };
        const registers = { cr3: machine.guestTables.root };
        const { references, outcome } = createNativeTranslator({
          memory,
          guest: { mode: "long4", registers },
        }).translate(gva, READ);
        expect(references).toHaveLength(row.native);
        const read = (at: bigint): bigint => machine.read64(BigInt(machine.place(Number(at))));
        const expected = referenceNestedWalk(
          read,
          { root: BigInt(registers.cr3), levels: 4, isEpt: false },
          undefined,
          gva,
        );
        expect(references.map(({ hpa }) => BigInt(hpa))).toEqual(expected.reads);
        expect(outcome).toMatchObject({ receiver: "none", hpa: Number((expected.end as { address: bigint }).address) });
      }),
      { numRuns: 25 },
    );
  });

  test("are in referenceCounts", () => {
    const counted = referenceCounts().filter((count) => count.guest === guest);
    expect(Object.fromEntries(counted.map(({ host, refs }) => [host, refs]))).toEqual(row);
  });
});

test.each([
  [5, 5, 35],
  [5, 4, 29],
  [4, 5, 29],
])("%i guest levels on %i host levels cost %i", (guestLevels, hostLevels, refs) => {
  for (const kind of KINDS) {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const setup = setUp(seed, kind, guestLevels, hostLevels, 12, 12);
        const gva = randomGva(guestLevels, randomOf(~seed));
        setup.machine.mapAt(gva);
        expect(compare(setup, gva)).toHaveLength(refs);
      }),
      { numRuns: 25 },
    );
  }
  const options = { guestLevels: guestLevels as 4 | 5, hostLevels: hostLevels as 4 | 5 };
  expect(referenceCounts(options).find(({ guest, host }) => guest === "4K" && host === "4K")?.refs).toBe(refs);
});

test("a walk that meets a missing entry of either dimension ends there, and the right party hears of it", () => {
  let ends = 0;
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...KINDS), (seed, kind) => {
      const setup = setUp(seed, kind, 4, 4, 12, 12);
      const random = randomOf(~seed);
      const gva = randomGva(4, random);
      setup.machine.mapAt(gva);
      const { references } = setup.translator.translate(gva, READ);
      const victim = references[random(references.length)] as WalkReference;
      setup.machine.memory.store32(victim.hpa, 0);
      const left = compare(setup, gva);
      ends |= 1 << left.length;
      expect(left.at(-1)?.hpa).toBe(victim.hpa);
    }),
    { numRuns: 600 },
  );
  // Every guest entry and every host PTE was the last one at least once. Upper host entries serve several of the five
  // host walks, so that only the first of these can end there.
  const alone = [4, 5, 9, 10, 14, 15, 19, 20, 24].reduce((bits, length) => bits | (1 << length), 0);
  expect(ends & alone).toBe(alone);
});

describe("guests of other modes on 4-level EPT", () => {
  test.each([
    ["legacy32", 14],
    ["pae", 14],
  ] as const)("%s: %i", (mode, refs) => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(0xffff_ffff), (seed, gva) => {
        const machine = new RandomMachine({ guest: mode, host: "ept4" }, { guest: 12, host: 12 }, randomOf(seed));
        const page = gva - (gva % 0x1000);
        const gpa = 0x1234_5000;
        machine.guestTables.map(page, gpa);
        const hpa = machine.place(gpa + (gva % 0x1000));
        machine.place(machine.guestTables.root);
        const eptp = machine.hostTables.root + 0x1e;
        const guest = { mode, registers: { cr3: machine.guestTables.root } };
        const translator = createNestedTranslator({ memory: machine.memory, guest, host: { kind: "ept", eptp } });
        const { references, outcome } = translator.translate(BigInt(gva), READ);
        expect(references).toHaveLength(refs);
        expect(outcome).toMatchObject({ receiver: "none", gpa: gpa + (gva % 0x1000), hpa });
      }),
      { numRuns: 50 },
    );
  });

  test("paging off: 4", () => {
    const machine = new RandomMachine({ guest: "long4", host: "ept4" }, { guest: 12, host: 12 }, randomOf(1));
    const hpa = machine.place(0xabc_d123);
    const translator = createNestedTranslator({
      memory: machine.memory,
      guest: { mode: "bare", registers: {} },
      host: { kind: "ept", eptp: machine.hostTables.root + 0x1e },
    });
    const { references, outcome } = translator.translate(0xabc_d123n, READ);
    expect(references.map(({ dimension, level }) => [dimension, level])).toEqual([4, 3, 2, 1].map((n) => ["host", n]));
    expect(outcome).toMatchObject({ receiver: "none", hpa });
  });
});

test("the text book's sixteen: host lookups of naive nesting on the way to the guest's entries; four more find the page", () => {
  const setup = setUp(7, "process", 4, 4, 12, 12);
  setup.machine.mapAt(0x1234_5678n);
  const references = compare(setup, 0x1234_5678n);
  const host = references.filter(({ dimension }) => dimension === "host");
  expect(host.filter(({ guestLevel }) => guestLevel !== 0)).toHaveLength(16);
  expect(host.filter(({ guestLevel }) => guestLevel === 0)).toHaveLength(4);
  expect(references.filter(({ dimension }) => dimension === "guest").map(({ level }) => level)).toEqual([4, 3, 2, 1]);
});
