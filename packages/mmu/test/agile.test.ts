import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AgileOptions,
  type AgileTranslator,
  createAgileTranslator,
  createNestedTranslator,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_RW,
  PTE_US,
  type Translator,
  type Walk,
} from "../src/index.ts";
import { type PageShift, RandomMachine, randomOf } from "./random-machine.ts";

const READ = { kind: "read", user: true } as const;
const GVA = 0x7f12_3456_7abcn;
const SHADOW_FRAMES = 2 ** 35;

function machineOf(seed: number, guest: PageShift, host: PageShift): RandomMachine {
  const machine = new RandomMachine({ guest: "long4", host: "ept4" }, { guest, host }, randomOf(seed));
  machine.place(machine.guestTables.root);
  return machine;
}

function options(machine: RandomMachine): Pick<AgileOptions, "memory" | "guest" | "host"> {
  const registers = { wp: true, nxe: true, cr3: machine.guestTables.root };
  const host = { kind: "ept", eptp: machine.hostTables.root + 0x1e } as const;
  return { memory: machine.memory, guest: { mode: "long4", registers }, host };
}

function agileOf(machine: RandomMachine, nestedFrom: (gva: bigint) => number): AgileTranslator {
  let frames = SHADOW_FRAMES;
  const allocateFrame = (): number => {
    frames += 0x1000;
    return frames;
  };
  return createAgileTranslator({ ...options(machine), allocateFrame, nestedFrom });
}

describe("references by the highest nested level", () => {
  test.each([
    [0, 4],
    [1, 8],
    [2, 12],
    [3, 16],
    [4, 20],
    [5, 24],
  ])("%i: %i, wherever all tables lie", (nestedFrom, refs) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const machine = machineOf(seed, 12, 12);
        machine.mapAt(GVA);
        const translator = agileOf(machine, () => nestedFrom);
        const first = translator.translate(GVA, READ);
        const { references, outcome, hiddenFaults } = translator.translate(GVA, READ);
        expect(references).toHaveLength(refs);
        expect(hiddenFaults).toBe(0);
        expect(references.filter(({ dimension }) => dimension === "shadow")).toHaveLength(Math.max(0, 4 - nestedFrom));
        const { hpa } = createNestedTranslator(options(machine)).translate(GVA, READ).outcome as { hpa: number };
        expect(first.outcome).toEqual(outcome);
        expect(outcome).toMatchObject({ receiver: "none", hpa });
      }),
      { numRuns: 30 },
    );
  });
});

test("sub-trees of one address space switch where their own policy says", () => {
  const machine = machineOf(3, 12, 12);
  const other = GVA + 0x4000_0000n;
  for (const gva of [GVA, other]) machine.mapAt(gva);
  const translator = agileOf(machine, (gva) => (gva === GVA ? 0 : 2));
  for (const gva of [GVA, other]) translator.translate(gva, READ);
  expect([GVA, other].map((gva) => translator.translate(gva, READ).references.length)).toEqual([4, 12]);
});

test("stores to shadowed tables trap, to nested ones they do not", () => {
  const machine = machineOf(4, 12, 12);
  machine.mapAt(GVA);
  const translator = agileOf(machine, () => 1);
  translator.translate(GVA, READ);
  const entry = (level: number): number => machine.guestTables.entryAddress(GVA, level) as number;
  translator.storeTable(entry(1), 0);
  expect(translator.tracingFaults).toBe(0);
  expect(translator.translate(GVA, READ).outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 4 });
  translator.storeTable(entry(2), 0);
  expect(translator.tracingFaults).toBe(1);
  expect(translator.translate(GVA, READ).outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 4 });
});

test.each([
  ["wp", { nxe: true }],
  ["nxe", { wp: true }],
])("a guest without %s is refused", (_name, controls) => {
  const machine = machineOf(1, 12, 12);
  const guest = { mode: "long4", registers: { ...controls, cr3: machine.guestTables.root } } as const;
  const create = (): unknown =>
    createAgileTranslator({ ...options(machine), guest, allocateFrame: () => SHADOW_FRAMES, nestedFrom: () => 0 });
  expect(create).toThrowError(expect.objectContaining({ code: "MMU_AGILE" }));
});

// Two machines alike, one under plain nesting: over any history of stores and accesses both must give the same
// addresses, guest faults and flags, whatever is nested where.
const GVAS = [0x1000n, 0x2000n, 0x20_3000n, 0x4020_1000n].map((offset) => 0x7f00_0000_0000n + offset);
const FLAGS = [PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D] as const;

const seen = ({ outcome }: Walk): object => (outcome.receiver === "none" ? { hpa: outcome.hpa } : outcome);

/** The low half of a guest entry; both machines are asked in step, because the first touch of a frame places it. */
function entryIn(machines: readonly RandomMachine[], gva: bigint, level: number): { gpa: number; low: number } {
  const [expected, actual] = machines.map((machine) => {
    const gpa = machine.guestTables.entryAddress(gva, level) ?? 0;
    return { gpa, low: machine.memory.load32(machine.place(gpa)) };
  });
  expect(actual).toEqual(expected);
  return expected as { gpa: number; low: number };
}

describe("agrees with plain nesting", () => {
  test.each([
    [12, 12],
    [21, 12],
    [12, 21],
  ] as const)("guest pages 2^%i, host pages 2^%i", (guest, host) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const machines = [machineOf(seed, guest, host), machineOf(seed, guest, host)] as const;
        for (const machine of machines) for (const gva of GVAS) machine.mapAt(gva);
        const nested: Translator = createNestedTranslator(options(machines[0]));
        const random = randomOf(~seed);
        const levels = GVAS.map(() => random(4));
        const agile = agileOf(machines[1], (gva) => levels[GVAS.indexOf(gva)] as number);
        for (let i = 0; i < 60; i++) {
          const gva = GVAS[random(GVAS.length)] as bigint;
          const { gpa, low } = entryIn(machines, gva, 1 + random(4));
          if (random(3) === 0 && gpa !== 0) {
            const value = low ^ (FLAGS[random(FLAGS.length)] as number);
            machines[0].memory.store32(machines[0].place(gpa), value);
            agile.storeTable(gpa, value);
          } else {
            const kind = (["read", "write", "fetch"] as const)[random(3)] as "read" | "write" | "fetch";
            const access = { kind, user: random(2) === 0 };
            expect(seen(agile.translate(gva, access))).toEqual(seen(nested.translate(gva, access)));
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
