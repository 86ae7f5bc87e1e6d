import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Access,
  createAgileTranslator,
  createNativeTranslator,
  createNestedTranslator,
  createShadowTranslator,
  type GuestPaging,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_RW,
  PTE_US,
  type Translator,
} from "../src/index.ts";
import { type PageShift, RandomMachine, randomOf } from "./random-machine.ts";

// The same guest ten times, under every scheme and policy there is: the same tables, the same stores to them, the same
// accesses. All must find the same page or raise the same fault, and leave the same flags in the guest's entries.
const SHADOW_FRAMES = 2 ** 35;
const OFFSETS = [0x1000n, 0x2000n, 0x20_3000n, 0x4020_1000n, 0x4000_0000n];
const FLAGS = [PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D] as const;
/** Of the address: leads to tables and pages that the host does not have. */
const HOLE = 0x20_0000;
const XD_HIGH = -0x8000_0000;
const STEPS = 50;

type Mode = "long4" | "long5" | "pae" | "legacy32";
type Controls = { readonly wp: boolean; readonly smep: boolean; readonly smap: boolean };

/** One of the ten. */
interface Side {
  readonly name: string;
  readonly machine: RandomMachine;
  readonly translator: Translator;
  /** The guest's store to a table, at its address. */
  store(gpa: number, value: number): void;
}

type TrappingTranslator = Translator & { storeTable(gpa: number, value: number): unknown };

/** A guest for which `create` makes the translator; equal for equal seeds, wherever the host's tables have one shape. */
function sideOf(
  name: string,
  seed: number,
  { mode, guest, host, isEpt }: { mode: Mode; guest: PageShift; host: PageShift; isEpt: boolean },
  controls: Controls,
  create: (machine: RandomMachine, guest: GuestPaging & { readonly mode: Mode }) => Translator | TrappingTranslator,
): Side {
  const machine = new RandomMachine({ guest: mode, host: isEpt ? "ept4" : "long4" }, { guest, host }, randomOf(seed));
  machine.place(machine.guestTables.root);
  for (const gva of gvasOf(mode)) machine.mapAt(gva);
  const registers = { nxe: true, ...controls, cr3: machine.guestTables.root };
  const translator = create(machine, { mode, registers });
  const store = (gpa: number, value: number): void => {
    if ("storeTable" in translator) expect(translator.storeTable(gpa, value)).toBeUndefined();
    else machine.memory.store32(machine.place(gpa), value);
  };
  return { name, machine, translator, store };
}

function gvasOf(mode: Mode): readonly bigint[] {
  const base = mode === "pae" || mode === "legacy32" ? 0n : 0x7f00_0000_0000n;
  return OFFSETS.map((offset) => base + offset);
}

function framesFrom(first: number): () => number {
  let next = first;
  return () => {
    next += 0x1000;
    return next;
  };
}

function sidesOf(seed: number, mode: Mode, guest: PageShift, host: PageShift, controls: Controls): readonly Side[] {
  const ordinary = { mode, guest, host, isEpt: false };
  const extended = { mode, guest, host, isEpt: true };
  const process = (machine: RandomMachine) =>
    ({ kind: "process", mode: "long4", registers: { cr3: machine.hostTables.root, nxe: true }, hvaBase: 0 }) as const;
  const ept = (machine: RandomMachine, flags = 0) =>
    ({ kind: "ept", eptp: machine.hostTables.root + 0x1e + flags }) as const;
  const nested = [
    sideOf("naive", seed, ordinary, controls, (machine, paging) =>
      createNestedTranslator({ memory: machine.memory, guest: paging, host: process(machine) }),
    ),
    sideOf("NPT", seed, ordinary, controls, (machine, paging) => {
      const registers = { cr3: machine.hostTables.root, nxe: true };
      const npt = { kind: "npt", mode: "long4", registers } as const;
      return createNestedTranslator({ memory: machine.memory, guest: paging, host: npt });
    }),
    ...[0, 0x40].map((flags) =>
      sideOf(`EPT, flags ${flags}`, seed, extended, controls, (machine, paging) =>
        createNestedTranslator({ memory: machine.memory, guest: paging, host: ept(machine, flags) }),
      ),
    ),
  ];
  const native = sideOf("native", seed, ordinary, controls, (machine, paging) => {
    // Guest physical is physical: the same tables, read in place.
    const load32 = (at: number): number => machine.memory.load32(machine.place(at));
    const or32 = (at: number, bits: number): void => machine.memory.or32(machine.place(at), bits);
    return createNativeTranslator({ memory: { load32, or32 }, guest: paging });
  });
  const shadows = (["invalidate", "write-protect", "unsync"] as const).map((sync) =>
    sideOf(`shadow, ${sync}`, seed, ordinary, controls, (machine, paging) => {
      const allocateFrame = framesFrom(SHADOW_FRAMES);
      const { memory } = machine;
      return createShadowTranslator({ memory, guest: paging, host: process(machine), allocateFrame, sync });
    }),
  );
  // Agile paging is for long modes, and for guests whose kernel heeds write protection.
  const policies = mode === "long4" && controls.wp ? (["adaptive", seed & 3] as const) : [];
  const agiles = policies.map((nestedFrom) =>
    sideOf(`agile, ${nestedFrom}`, seed, extended, controls, (machine, paging) =>
      createAgileTranslator({
        memory: machine.memory,
        guest: paging as GuestPaging & { readonly mode: "long4" },
        host: ept(machine),
        allocateFrame: framesFrom(SHADOW_FRAMES),
        nestedFrom: nestedFrom === "adaptive" ? nestedFrom : () => nestedFrom,
      }),
    ),
  );
  return [...nested, native, ...shadows, ...agiles];
}

/** What an access came to, in what all schemes can know. */
function seen({ name, machine, translator }: Side, gva: bigint, access: Access): object {
  const { outcome } = translator.translate(gva, access);
  if (outcome.receiver === "guest") return outcome;
  if (outcome.receiver === "hypervisor") return { gpa: outcome.gpa };
  return { hpa: name === "native" ? machine.place(outcome.hpa) : outcome.hpa };
}

/** The low and high word of a guest entry, or undefined where no table leads to it; the same on every side. */
function entryOn(sides: readonly Side[], gva: bigint, level: number): readonly number[] | undefined {
  const entries = sides.map(({ machine }) => {
    const gpa = machine.guestTables.entryAddress(gva, level);
    if (gpa === undefined) return undefined;
    const hpa = machine.place(gpa);
    return [gpa, machine.memory.load32(hpa), machine.memory.load32(hpa + 4)];
  });
  for (const [i, entry] of entries.entries()) expect([sides[i]?.name, entry]).toEqual([sides[i]?.name, entries[0]]);
  return entries[0];
}

/** The guest tells the processor, and whoever stands in for it, that it has changed tables. */
function invalidate({ machine, translator }: Side, mode: Mode): void {
  translator.writeCr3(machine.guestTables.root);
  for (const gva of gvasOf(mode)) {
    translator.invalidate?.(Number(BigInt.asIntN(32, gva)), Number(BigInt.asIntN(32, gva >> 32n)));
  }
}

function step(sides: readonly Side[], mode: Mode, flags: readonly number[], random: (below: number) => number): void {
  const gvas = gvasOf(mode);
  const gva = gvas[random(gvas.length)] as bigint;
  const levels = mode === "long5" ? 5 : mode === "long4" ? 4 : 2;
  const [gpa, low, high] = entryOn(sides, gva, 1 + random(levels)) ?? [];
  if (random(3) === 0 && gpa !== undefined) {
    const isHigh = mode !== "legacy32" && random(4) === 0;
    const flag = flags[random(flags.length)] as number;
    for (const side of sides) {
      side.store(isHigh ? gpa + 4 : gpa, isHigh ? (high as number) ^ XD_HIGH : (low as number) ^ flag);
      invalidate(side, mode);
    }
    return;
  }
  const kind = (["read", "write", "fetch"] as const)[random(3)] as Access["kind"];
  const access = { kind, user: random(2) === 0, ac: random(4) === 0 };
  const expected = seen(sides[0] as Side, gva, access);
  for (const side of sides.slice(1)) expect([side.name, seen(side, gva, access)]).toEqual([side.name, expected]);
}

describe.each<[Mode, PageShift, PageShift]>([
  ["long4", 12, 12],
  ["long4", 21, 12],
  ["long4", 12, 21],
  ["long5", 12, 12],
  ["pae", 12, 12],
  ["pae", 21, 12],
  ["legacy32", 12, 12],
])("a %s guest, pages 2^%i on host pages 2^%i", (mode, guest, host) => {
  test("is the same under all schemes", () => {
    const controls = fc.record({ wp: fc.boolean(), smep: fc.boolean(), smap: fc.boolean() });
    fc.assert(
      fc.property(fc.integer(), controls, fc.boolean(), (seed, registers, hasHoles) => {
        // A native machine has no host that could miss a page, or part of a larger one of the guest's.
        const hasNative = !hasHoles && guest <= host;
        const sides = sidesOf(seed, mode, guest, host, registers).filter(({ name }) => hasNative || name !== "native");
        const flags = hasHoles ? [...FLAGS, HOLE] : FLAGS;
        const random = randomOf(~seed);
        for (let i = 0; i < STEPS; i++) step(sides, mode, flags, random);
      }),
      { numRuns: 25 },
    );
  });
});
