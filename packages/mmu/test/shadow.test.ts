import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Access,
  createNestedTranslator,
  createShadowTranslator,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_RW,
  PTE_US,
  type ShadowedMode,
  type ShadowOptions,
  type ShadowTranslator,
  type Translator,
  type Walk,
} from "../src/index.ts";
import { type PageShift, RandomMachine, randomOf } from "./random-machine.ts";

const READ = { kind: "read", user: true } as const;
const WRITE = { kind: "write", user: true } as const;
const GVA = 0x7f12_3456_7abcn;
const SHADOW_FRAMES = 2 ** 35;
/** As ShadowOptions has them. */
const SYNCS = ["invalidate", "write-protect", "unsync"] as const;

const halves = (gva: bigint): [low: number, high: number] => [
  Number(BigInt.asIntN(32, gva)),
  Number(BigInt.asIntN(32, gva >> 32n)),
];

interface Side {
  readonly machine: RandomMachine;
  readonly translator: Translator;
}
interface ShadowSide extends Side {
  readonly translator: ShadowTranslator;
}

function machineOf(seed: number, guest: PageShift, host: PageShift, format: ShadowedMode = "long4"): RandomMachine {
  const machine = new RandomMachine({ guest: format, host: "long4" }, { guest, host }, randomOf(seed));
  machine.place(machine.guestTables.root);
  return machine;
}

function sharedOptions(machine: RandomMachine, controls: object): Pick<ShadowOptions, "memory" | "guest" | "host"> {
  const registers = { wp: true, nxe: true, ...controls, cr3: machine.guestTables.root };
  const host = { kind: "process", mode: "long4", registers: { cr3: machine.hostTables.root }, hvaBase: 0 } as const;
  return { memory: machine.memory, guest: { mode: machine.guestFormat as ShadowedMode, registers }, host };
}

function shadowOf(machine: RandomMachine, extra: Partial<ShadowOptions> = {}, controls: object = {}): ShadowSide {
  let frames = SHADOW_FRAMES;
  const allocateFrame = (): number => {
    frames += 0x1000;
    return frames;
  };
  const translator = createShadowTranslator({ ...sharedOptions(machine, controls), allocateFrame, ...extra });
  return { machine, translator };
}

function simple(extra: Partial<ShadowOptions> = {}, controls: object = {}): ShadowSide {
  const machine = machineOf(1, 12, 12);
  machine.mapAt(GVA);
  return shadowOf(machine, extra, controls);
}

/** Changes the low half of the guest's entry of `level` for GVA, as the guest would. */
function change({ machine, translator }: ShadowSide, level: number, of: (low: number) => number): void {
  const at = machine.guestTables.entryAddress(GVA, level) as number;
  translator.storeTable(at, of(machine.memory.load32(machine.place(at))));
}

describe("a shadow walk", () => {
  test.each([
    ["long4", 12, 12, 4],
    ["long4", 21, 21, 3],
    ["long4", 30, 30, 2],
    ["long4", 30, 12, 4],
    ["long4", 12, 30, 4],
    ["long5", 12, 12, 5],
    ["pae", 12, 12, 2],
    ["pae", 21, 21, 1],
    ["pae", 21, 30, 1],
    ["pae", 21, 12, 2],
    ["legacy32", 12, 12, 2],
    ["legacy32", 12, 30, 2],
  ] as const)(
    "costs what a native one does: %s, guest pages 2^%i, host pages 2^%i: %i",
    (format, guest, host, refs) => {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const machine = machineOf(seed, guest, host, format);
          const gva = format === "pae" || format === "legacy32" ? GVA % 2n ** 32n : GVA;
          machine.mapAt(gva);
          const { translator } = shadowOf(machine);
          const first = translator.translate(gva, READ);
          expect(first).toMatchObject({ hiddenFaults: 1, outcome: { receiver: "none" } });
          const second = translator.translate(gva, READ);
          expect(second.references).toHaveLength(refs);
          expect(second).toMatchObject({ hiddenFaults: 0, outcome: first.outcome });
          expect(second.references.every(({ dimension }) => dimension === "shadow")).toBe(true);
        }),
        { numRuns: 20 },
      );
    },
  );

  test("of a clean page sees the first write and sets D for the guest", () => {
    const side = simple();
    change(side, 1, (low) => low & ~PTE_D);
    const pte = side.machine.place(side.machine.guestTables.entryAddress(GVA, 1) as number);
    expect(side.translator.translate(GVA, READ)).toMatchObject({ hiddenFaults: 1 });
    expect(side.machine.memory.load32(pte) & PTE_D).toBe(0);
    expect(side.translator.translate(GVA, WRITE)).toMatchObject({ hiddenFaults: 1, outcome: { receiver: "none" } });
    expect(side.machine.memory.load32(pte) & PTE_D).toBe(PTE_D);
    expect(side.translator.translate(GVA, WRITE)).toMatchObject({ hiddenFaults: 0 });
  });

  test("reflects the guest's own faults", () => {
    const { translator } = simple();
    expect(translator.translate(0n, WRITE).outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 6 });
    expect(translator.translate(1n << 60n, READ).outcome).toEqual({ receiver: "guest", vector: 13, errorCode: 0 });
    expect(translator.counters).toMatchObject({ pf_guest: 1, pf_fixed: 0 });
  });

  test("tells the host of a page that is not there", () => {
    const { machine, translator } = simple();
    const pte = machine.guestTables.entryAddress(GVA, 1) as number;
    translator.storeTable(pte + 4, 0x7f);
    const outcome = translator.translate(GVA, READ).outcome;
    expect(outcome).toMatchObject({ receiver: "hypervisor", cause: "host-page-fault", errorCode: 4 });
  });

  test("lets a supervisor write where only WP = 0 allows it, and nobody else", () => {
    const side = simple({}, { wp: false });
    change(side, 1, (low) => low & ~PTE_RW);
    const supervisor = { kind: "write", user: false } as const;
    expect(side.translator.translate(GVA, supervisor).outcome).toMatchObject({ receiver: "none" });
    expect(side.translator.translate(GVA, WRITE).outcome).toMatchObject({ receiver: "guest", errorCode: 7 });
    expect(side.translator.translate(GVA, READ).outcome).toMatchObject({ receiver: "none" });
    expect(side.translator.translate(GVA, supervisor).outcome).toMatchObject({ receiver: "none" });
  });
});

test("a page of 4 MByte is two of 2 MByte in shadow tables, each filled in where it is touched", () => {
  const machine = machineOf(2, 12, 21, "legacy32");
  const page = 0x1234_0000n - (0x1234_0000n % 2n ** 22n);
  machine.guestTables.map(page, 2 ** 30, { pageShift: 22 });
  const { translator } = shadowOf(machine, {}, { pse: true });
  const outcomes = [0x1000n, 0x20_0000n].map((offset) => {
    const hpa = machine.place(2 ** 30 + Number(offset));
    expect(translator.translate(page + offset, READ)).toMatchObject({ hiddenFaults: 1, outcome: { hpa } });
    return translator.translate(page + offset, READ);
  });
  for (const walk of outcomes) expect(walk).toMatchObject({ hiddenFaults: 0, references: [{ level: 2 }] });
  // Its one entry is the source of both.
  translator.storeTable(machine.guestTables.entryAddress(page, 2) as number, 0);
  for (const offset of [0x1000n, 0x20_0000n]) {
    expect(translator.translate(page + offset, READ).outcome.receiver).toBe("guest");
  }
});

test("PDPTEs act when they are loaded, and bad ones are the guest's #GP", () => {
  const machine = machineOf(3, 12, 12, "pae");
  machine.mapAt(0x4000_1000n);
  const { translator } = shadowOf(machine);
  const receiver = (): string => translator.translate(0x4000_1000n, READ).outcome.receiver;
  expect(receiver()).toBe("none");
  const { root } = machine.guestTables;
  const pdpte = root + 8;
  const before = machine.memory.load32(machine.place(pdpte));
  translator.storeTable(pdpte, before | 2);
  expect(translator.writeCr3(root)).toEqual({ receiver: "guest", vector: 13, errorCode: 0 });
  expect(receiver()).toBe("none");
  translator.storeTable(pdpte, 0);
  expect(receiver()).toBe("none");
  expect(translator.writeCr3(root)).toBeUndefined();
  expect(receiver()).toBe("guest");
  translator.storeTable(pdpte, before);
  translator.writeCr3(root);
  expect(receiver()).toBe("none");
});

describe("a store that takes the page away", () => {
  const take = (side: ShadowSide, level = 1): void => {
    side.translator.translate(GVA, READ);
    change(side, level, (low) => low & ~PTE_P);
  };
  const receiver = ({ translator }: ShadowSide): string => translator.translate(GVA, READ).outcome.receiver;

  test("acts at once where tables are write-protected", () => {
    const side = simple({ sync: "write-protect" });
    take(side);
    expect(receiver(side)).toBe("guest");
    expect(side.translator.counters).toMatchObject({ mmu_pte_write: 1, mmu_unsync: 0, mmu_shadow_zapped: 1 });
  });

  test.each(["invalidate", "unsync"] as const)("acts at INVLPG with %s: a guest that forgets it is wrong", (sync) => {
    const side = simple({ sync });
    take(side);
    expect(receiver(side)).toBe("none");
    side.translator.invalidate(...halves(GVA));
    expect(receiver(side)).toBe("guest");
    expect(side.translator.counters.invlpg).toBe(1);
  });

  test.each(["invalidate", "unsync"] as const)("acts at a CR3 load with %s", (sync) => {
    const side = simple({ sync });
    take(side);
    side.translator.writeCr3(side.machine.guestTables.root);
    expect(receiver(side)).toBe("guest");
  });

  test("traps never with invalidate, once per table and CR3 load with unsync, always with write-protect", () => {
    const traps = SYNCS.map((sync) => {
      const side = simple({ sync });
      take(side);
      change(side, 1, (low) => low | PTE_P);
      change(side, 1, (low) => low ^ PTE_RW);
      return side.translator.counters.mmu_pte_write;
    });
    expect(traps).toEqual([0, 3, 1]);
  });

  test("to an upper table acts at once with unsync too, and takes the tables below along", () => {
    const side = simple({ sync: "unsync" });
    take(side, 3);
    expect(receiver(side)).toBe("guest");
    expect(side.translator.counters).toMatchObject({ mmu_pte_write: 1, mmu_unsync: 0, mmu_shadow_zapped: 3 });
  });
});

test.each(["invalidate", "unsync"] as const)(
  "%s: INVLPG finds what changed before a neighbour was filled in",
  (sync) => {
    const side = simple({ sync });
    const { machine, translator } = side;
    const elsewhere = GVA + 0x20_0000n;
    for (const gva of [GVA + 0x1000n, elsewhere, elsewhere + 0x1000n]) machine.mapAt(gva);
    const pageOf = (gva: bigint): unknown => translator.translate(gva, READ).outcome;
    const expected = pageOf(elsewhere);
    expect(pageOf(GVA)).not.toEqual(expected);
    // The guest puts another page table in, goes through it to the neighbour, and only then invalidates.
    const [at, other] = [GVA, elsewhere].map((gva) => machine.guestTables.entryAddress(gva, 2) as number);
    for (const half of [0, 4]) {
      translator.storeTable((at as number) + half, machine.memory.load32(machine.place((other as number) + half)));
    }
    expect(pageOf(GVA + 0x1000n)).toEqual(pageOf(elsewhere + 0x1000n));
    translator.invalidate(...halves(GVA));
    expect(pageOf(GVA)).toEqual(expected);
  },
);

describe("roots", () => {
  const swap = (roots: "cached" | "dropped"): Walk => {
    const { machine, translator } = simple({ roots });
    translator.translate(GVA, READ);
    translator.writeCr3(0x3_0000);
    translator.writeCr3(machine.guestTables.root);
    return translator.translate(GVA, READ);
  };
  test("cached: a switch there and back costs no hidden fault", () => {
    expect(swap("cached")).toMatchObject({ hiddenFaults: 0, outcome: { receiver: "none" } });
  });
  test("dropped: all is to be filled in again", () => {
    expect(swap("dropped")).toMatchObject({ hiddenFaults: 1, outcome: { receiver: "none" } });
  });

  test("dropped: shadow tables are used again", () => {
    const machine = machineOf(1, 12, 12);
    machine.mapAt(GVA);
    let frames = 0;
    const allocateFrame = (): number => SHADOW_FRAMES + frames++ * 0x1000;
    const { translator } = shadowOf(machine, { roots: "dropped", allocateFrame });
    for (let i = 0; i < 20; i++) {
      translator.writeCr3(machine.guestTables.root);
      translator.translate(GVA, READ);
    }
    expect(frames).toBe(4);
  });
});

// Two machines alike, one under naive nesting, where every change shows at once, one under shadow tables: over any
// history of a guest that invalidates what it changes, both must give the same addresses, faults and flags.
// Bits that guests change; one of the address leads to pages and tables that may not be there.
const FLAGS = [PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D, 0x20_0000] as const;
const XD_HIGH = -0x8000_0000;
const OFFSETS = [0x1000n, 0x2000n, 0x20_3000n, 0x4020_1000n, 0x4000_0000n];

/** Addresses of pages, some of which share tables; those of 32-bit guests are the offsets themselves. */
function gvasOf({ guestFormat }: RandomMachine): readonly bigint[] {
  const base = guestFormat === "pae" || guestFormat === "legacy32" ? 0n : 0x7f00_0000_0000n;
  return OFFSETS.map((offset) => base + offset);
}

const seen = ({ outcome }: Walk): object => {
  const { receiver } = outcome;
  return outcome.receiver === "none" ? { receiver, hpa: outcome.hpa } : outcome;
};

/** An entry of the guest; both machines are asked in step, because the first touch of a frame places it. */
function entryIn(
  machines: readonly [RandomMachine, RandomMachine],
  gva: bigint,
  level: number,
): { readonly gpa: number; readonly words: readonly [number, number] } | undefined {
  const [expected, actual] = machines.map((machine) => {
    const gpa = machine.guestTables.entryAddress(gva, level);
    if (gpa === undefined) return undefined;
    const hpa = machine.place(gpa);
    return { gpa, words: [machine.memory.load32(hpa), machine.memory.load32(hpa + 4)] as const };
  });
  expect(actual).toEqual(expected);
  return expected;
}

function step(naive: Side, shadow: ShadowSide, invalidates: boolean, random: (below: number) => number): void {
  const gvas = gvasOf(naive.machine);
  const gva = gvas[random(gvas.length)] as bigint;
  const at = entryIn([naive.machine, shadow.machine], gva, 1 + random(4));
  if (random(3) === 0 && at !== undefined) {
    const word = at.words[0] ^ (FLAGS[random(FLAGS.length)] as number);
    const hasHigh = naive.machine.guestFormat !== "legacy32";
    const [gpa, value] = hasHigh && random(4) === 0 ? [at.gpa + 4, at.words[1] ^ XD_HIGH] : [at.gpa, word];
    naive.machine.memory.store32(naive.machine.place(gpa), value);
    expect(shadow.translator.storeTable(gpa, value)).toBeUndefined();
    if (!invalidates) return;
    const { root } = shadow.machine.guestTables;
    const refusal = random(2) === 0 ? shadow.translator.writeCr3(root) : "no CR3 load";
    if (refusal !== "no CR3 load") expect(refusal).toEqual(naive.translator.writeCr3(root));
    // A load that is refused, for bad PDPTEs, invalidates nothing.
    if (refusal !== undefined) for (const each of gvas) shadow.translator.invalidate(...halves(each));
    return;
  }
  const kind = (["read", "write", "fetch"] as const)[random(3)] as Access["kind"];
  const access = { kind, user: random(2) === 0, ac: random(4) === 0 };
  expect(seen(shadow.translator.translate(gva, access))).toEqual(seen(naive.translator.translate(gva, access)));
}

describe.each(SYNCS)("%s agrees with naive nesting", (sync) => {
  test.each([
    ["long4", 12, 12],
    ["long4", 21, 12],
    ["long4", 12, 21],
    ["long5", 12, 12],
    ["pae", 12, 12],
    ["pae", 21, 12],
    ["pae", 12, 21],
    ["legacy32", 12, 12],
    ["legacy32", 12, 21],
  ] as const)("%s guest, pages 2^%i, host pages 2^%i", (format, guest, host) => {
    const controls = fc.record({ wp: fc.boolean(), smep: fc.boolean(), smap: fc.boolean() });
    fc.assert(
      fc.property(fc.integer(), controls, fc.constantFrom("cached", "dropped"), (seed, registers, roots) => {
        const machines = [machineOf(seed, guest, host, format), machineOf(seed, guest, host, format)] as const;
        const gvas = gvasOf(machines[0]);
        for (const machine of machines) for (const gva of gvas) machine.mapAt(gva);
        const naive = {
          machine: machines[0],
          translator: createNestedTranslator(sharedOptions(machines[0], registers)),
        };
        const shadow = shadowOf(machines[1], { sync, roots }, registers);
        const random = randomOf(~seed);
        // Where every store is seen, nothing needs to be invalidated.
        for (let i = 0; i < 60; i++) step(naive, shadow, sync !== "write-protect", random);
        for (const gva of gvas) for (let level = 1; level <= 4; level++) entryIn(machines, gva, level);
      }),
      { numRuns: 100 },
    );
  });
});
