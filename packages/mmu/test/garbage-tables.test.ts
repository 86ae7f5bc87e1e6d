import fc from "fast-check";
import { expect, test } from "vitest";
import { garbageEntries } from "../fuzz/garbage.ts";
import {
  createAgileTranslator,
  createNativeTranslator,
  createNestedTranslator,
  createShadowTranslator,
  type GuestPaging,
  LabMemory,
  type Translator,
} from "../src/index.ts";
import { randomOf } from "./random-machine.ts";

const FRAMES = 8;
/** Walks of 35 entries should come to their end about as often as not. */
const WRONG = 64;
const SHADOW_FRAMES = 2 ** 33;

function garbage(seed: number): LabMemory {
  const memory = new LabMemory();
  let at = 0;
  for (const [low, high] of garbageEntries(randomOf(seed), FRAMES, WRONG)) {
    memory.store32(at, low);
    memory.store32(at + 4, high);
    at += 8;
  }
  return memory;
}

interface Scheme {
  readonly name: string;
  /** Most references one walk can make, aborted first attempts of shadowed schemes included. */
  readonly most: number;
  readonly create: (memory: LabMemory) => Translator;
}

const registers = { cr3: 0x1000, wp: true, nxe: true, smep: true };
const LONG: GuestPaging & { readonly mode: "long4" } = { mode: "long4", registers };
const EPT = { kind: "ept", eptp: 0x305e } as const;
const PROCESS = { kind: "process", mode: "long4", registers: { cr3: 0x3000 }, hvaBase: 0 } as const;

function framesFrom(first: number): () => number {
  let next = first;
  return () => {
    next += 0x1000;
    return next;
  };
}

const SCHEMES: readonly Scheme[] = [
  { name: "native", most: 4, create: (memory) => createNativeTranslator({ memory, guest: LONG }) },
  { name: "EPT", most: 24, create: (memory) => createNestedTranslator({ memory, guest: LONG, host: EPT }) },
  {
    name: "five levels on NPT of five",
    most: 35,
    create: (memory) =>
      createNestedTranslator({
        memory,
        guest: { mode: "long5", registers },
        host: { kind: "npt", mode: "long5", registers: { cr3: 0x3000 } },
      }),
  },
  {
    name: "32-bit on EPT",
    most: 14,
    create: (memory) => createNestedTranslator({ memory, guest: { mode: "legacy32", registers }, host: EPT }),
  },
  {
    // Each of the four entries may get a flag, which is a walk more to a program.
    name: "naive",
    most: 24 + 16,
    create: (memory) => createNestedTranslator({ memory, guest: LONG, host: PROCESS }),
  },
  {
    name: "shadow",
    most: 8,
    create: (memory) =>
      createShadowTranslator({ memory, guest: LONG, host: PROCESS, allocateFrame: framesFrom(SHADOW_FRAMES) }),
  },
  {
    name: "agile",
    most: 4 + 24,
    create: (memory) =>
      createAgileTranslator({
        memory,
        guest: LONG,
        host: EPT,
        allocateFrame: framesFrom(SHADOW_FRAMES),
        nestedFrom: (gva) => Number(gva % 6n),
      }),
  },
];

test.each(SCHEMES)("$name: garbage ends in an answer, within as many references as good tables take", (scheme) => {
  const receivers = new Set<string>();
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const translator = scheme.create(garbage(seed));
      const random = randomOf(~seed);
      for (let i = 0; i < 20; i++) {
        const gva = BigInt.asIntN(48, (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32)));
        const kind = (["read", "write", "fetch"] as const)[random(3)] as "read" | "write" | "fetch";
        const { references, outcome } = translator.translate(gva, { kind, user: random(2) === 0 });
        expect(references.length).toBeLessThanOrEqual(scheme.most);
        receivers.add(outcome.receiver);
        if (outcome.receiver === "none") expect(outcome.hpa).toBeLessThan(2 ** 52);
      }
    }),
    { numRuns: 100 },
  );
  // Worth something only while every way out is taken.
  expect([...receivers].sort()).toEqual(scheme.name === "native" ? ["guest", "none"] : ["guest", "hypervisor", "none"]);
});
