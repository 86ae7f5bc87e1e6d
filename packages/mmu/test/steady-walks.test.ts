import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ACCESS_AC,
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createNestedTranslator,
  createTables,
  guestView,
  type HostPaging,
  type Translator,
} from "../src/index.ts";
import { FlatMemory } from "../src/sim/flat-memory.ts";
import { type PageShift, randomOf } from "./random-machine.ts";

// A walk that is only counted takes a short cut where nothing happens on the way; one that is told never does. Over equal
// tables, whole and damaged, both must find the same page or fault, count the same references and leave the same flags.
const PLACE = 2 ** 30;
const HIGH = 2 ** 32;
const SHIFTS = [12, 21, 30] as const;
const KINDS = [ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, 0] as const;
const PAGES = 6;

interface Machine {
  readonly memory: FlatMemory;
  readonly translator: Translator;
  readonly frames: readonly number[];
}

type HostKind = "ept4" | "ept5" | "npt4" | "npt5";

function hostOf(kind: HostKind, root: number, accessedDirty: boolean, pages1G: boolean): HostPaging {
  const common = { maxPhyAddr: 46, pages1G };
  if (kind === "ept4" || kind === "ept5") {
    return { kind: "ept", eptp: root + (kind === "ept4" ? 0x1e : 0x26) + (accessedDirty ? 0x40 : 0), ...common };
  }
  return { kind: "npt", mode: kind === "npt4" ? "long4" : "long5", registers: { cr3: root, nxe: true, ...common } };
}

/** A guest of six pages, of whose tables `damage` entries have a bit the other way round. Same seed, same machine. */
function machineOf(seed: number, guest: "long4" | "long5", kind: HostKind, damage: number): Machine {
  const random = randomOf(seed);
  const [guestShift, hostShift] = [0, 0].map(() => SHIFTS[random(3)] as PageShift) as [PageShift, PageShift];
  const memory = new FlatMemory();
  const frames: number[] = [];
  const allocateFrame = (): number => {
    frames.push((frames.length + 1) * 0x1000);
    return frames.at(-1) as number;
  };
  const format = { ept4: "ept4", ept5: "ept5", npt4: "long4", npt5: "long5" } as const;
  const accessed = random(4) !== 0;
  const dirty = random(4) !== 0;
  const host = createTables({ format: format[kind], memory, allocateFrame });
  const placed = new Set<number>();
  const back = (gpa: number): number => {
    const page = gpa - (gpa % 2 ** hostShift);
    const hpa = (page >= HIGH && page < HIGH + 2 ** 30 ? page - HIGH : page) + PLACE;
    if (!placed.has(page)) host.map(page, hpa, { pageShift: hostShift, accessed, dirty });
    placed.add(page);
    return gpa - page + hpa;
  };
  // Now and then the guest has its tables where the short cut does not go.
  let guestFrame = random(8) === 0 ? HIGH : 0;
  const tables = createTables({
    format: guest,
    memory: guestView(memory, back),
    allocateFrame: () => {
      guestFrame += 0x1000;
      frames.push((guestFrame % HIGH) + PLACE);
      return guestFrame;
    },
  });
  const bytes = 2 ** guestShift;
  for (let page = 0; page < PAGES; page++) {
    // Some below 4 GByte, some far above.
    const gpa = (page % 2 === 0 ? 2 ** 31 : 2 ** 42) + random(4) * 2 ** 30;
    const rights = { writable: random(4) !== 0, user: random(4) !== 0, global: random(2) === 0 };
    tables.map(page * bytes, gpa, { pageShift: guestShift, accessed, dirty, ...rights });
    for (let offset = 0; offset < Math.min(bytes, 0x4000); offset += 0x1000) back(gpa + offset);
  }
  for (let i = 0; i < damage; i++) {
    const frame = frames[random(frames.length)] as number;
    // Entries that are in use: the first of each table.
    const word = frame + random(PAGES) * 8 + random(2) * 4;
    memory.store32(word, memory.load32(word) ^ (1 << random(32)));
  }
  const registers = { cr3: tables.root, wp: random(2) === 0, nxe: true, pge: random(2) === 0, maxPhyAddr: 46 };
  const smap = random(4) === 0;
  const translator = createNestedTranslator({
    memory,
    guest: { mode: guest, registers: { ...registers, smap, smep: smap, pages1G: random(8) !== 0 } },
    host: hostOf(kind, host.root, random(2) === 0, random(8) !== 0),
  });
  return { memory, translator, frames };
}

const totalsOf = ({ log }: Translator): readonly number[] => [...log.totals];

function compare(seed: number, guest: "long4" | "long5", kind: HostKind, damage: number): void {
  const counted = machineOf(seed, guest, kind, damage);
  const told = machineOf(seed, guest, kind, damage);
  const random = randomOf(~seed);
  told.translator.log.tells = true;
  for (let i = 0; i < 24; i++) {
    const address = random(PAGES) * 2 ** (SHIFTS[random(3)] as PageShift) + random(0x4000);
    const low = address | 0;
    const high = (address / 2 ** 32) | 0;
    const access =
      (KINDS[random(4)] as number) | (random(3) === 0 ? 0 : ACCESS_USER) | (random(4) === 0 ? ACCESS_AC : 0);
    const isMapped = counted.translator.walk(low, high, access);
    expect(told.translator.walk(low, high, access)).toBe(isMapped);
    const { failure, ...page } = told.translator.found;
    if (isMapped) expect(counted.translator.found).toMatchObject(page);
    else expect(counted.translator.found.failure).toEqual(failure);
    expect(totalsOf(counted.translator)).toEqual(totalsOf(told.translator));
    expect(counted.translator.log.references).toBe(told.translator.log.references);
  }
  for (const frame of counted.frames) {
    for (let at = frame; at < frame + 64; at += 4) expect(counted.memory.load32(at)).toBe(told.memory.load32(at));
  }
}

describe.each(["long4", "long5"] as const)("a %s guest", (guest) => {
  test.each(["ept4", "ept5", "npt4", "npt5"] as const)("on %s: counted walks are the told ones", (kind) => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 1, 4), (seed, damage) => compare(seed, guest, kind, damage)),
      { numRuns: 150 },
    );
  });
});

test("tables beyond 2 GByte are not taken for those that lie so far below", () => {
  const memory = new FlatMemory();
  let hostFrame = 0;
  const host = createTables({ format: "ept4", memory, allocateFrame: () => (hostFrame += 0x1000) });
  const hpaOf = (gpa: number): number => PLACE + (gpa % HIGH) + (gpa < HIGH ? 0 : 2 ** 20);
  const view = guestView(memory, hpaOf);
  const roots = [0, HIGH].map((first) => {
    let frame = first;
    const tables = createTables({ format: "long4", memory: view, allocateFrame: () => (frame += 0x1000) });
    tables.map(0x1000, 2 ** 33 + first);
    for (let gpa = first; gpa <= frame; gpa += 0x1000) host.map(gpa, hpaOf(gpa));
    host.map(2 ** 33 + first, 2 ** 34 + first);
    return tables.root;
  });
  const translator = createNestedTranslator({
    memory,
    guest: { mode: "long4", registers: { cr3: 0 } },
    host: { kind: "ept", eptp: host.root + 0x1e },
  });
  for (const [i, first] of [0, HIGH].entries()) {
    translator.writeCr3(roots[i] as number);
    expect(translator.walk(0x1000, 0, ACCESS_READ | ACCESS_USER)).toBe(true);
    expect(translator.found.hfn * 0x1000).toBe(2 ** 34 + first);
  }
});
