import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HVA_BASE } from "../src/host/memory-slots.ts";
import { TdpMmu } from "../src/host/tdp-mmu.ts";
import {
  createHost,
  createMemoryStore,
  type Host,
  type Tables,
  type VirtualMachine,
  type VmOptions,
} from "../src/index.ts";
import { DATA, GVA, pagedVm, scanTables } from "./host-model.ts";
import { randomOf } from "./random-machine.ts";

// Guests write and read while the host swaps, merges, collapses, splits, balloons and logs beneath them. A model keeps what
// was written; every read is compared with it, and every so often everything the host believes with what its tables say.
const PAGES = 24;
const WORDS = 3;

interface Side {
  readonly options: Options;
  readonly vm: VirtualMachine;
  readonly tables: Tables;
  /** What each data page holds, by page and word. */
  readonly model: number[][];
  /** Data page that each page of the guest's addresses is. */
  readonly placed: number[];
  /** Data pages written since the log was taken last; undefined: not logged. */
  dirty: Set<number> | undefined;
}

type Options = Omit<VmOptions, "slots" | "guest">;
type Random = (below: number) => number;

const SCHEMES: readonly Options[] = [
  { scheme: "ept" },
  { scheme: "ept", levels: 5, accessedDirty: false, mergeable: true },
  { scheme: "npt", mergeable: true },
  { scheme: "naive", mergeable: true },
  { scheme: "shadow", mergeable: true },
  { scheme: "ept", hugePages: true, mergeable: true },
  { scheme: "shadow", hugePages: true },
  { scheme: "shadow", sync: "write-protect", roots: "dropped" },
];

function begin(host: Host, options: Options): Side {
  const model = Array.from({ length: PAGES }, () => new Array<number>(WORDS).fill(0));
  return { options, ...pagedVm(host, PAGES, options), model, placed: model.map((_, i) => i), dirty: undefined };
}

function read({ vm, model, placed }: Side, page: number, word: number): void {
  const gva = GVA + BigInt(page * 0x1000 + word * 4);
  expect(vm.load32(gva)).toBe(model[placed[page] as number]?.[word]);
}

function write({ vm, model, placed, dirty }: Side, page: number, word: number, value: number): void {
  const frame = placed[page] as number;
  if (value % 4 === 0) vm.memory.store32(DATA + frame * 0x1000 + word * 4, value);
  else expect(vm.store32(GVA + BigInt(page * 0x1000 + word * 4), value)).toBeUndefined();
  (model[frame] as number[])[word] = value;
  dirty?.add(frame);
}

/** The guest exchanges two of its page-table entries. Where the hypervisor sees every store it need not invalidate them. */
function exchange({ vm, tables, placed, options }: Side, pages: readonly [number, number]): void {
  const gvas = pages.map((page) => GVA + BigInt(page * 0x1000));
  const [one, other] = gvas.map((gva) => tables.entryAddress(gva, 1) as number) as [number, number];
  const [a, b] = [vm.memory.load32(one), vm.memory.load32(other)];
  vm.memory.store32(one, b);
  vm.memory.store32(other, a);
  if (options.sync !== "write-protect") for (const gva of gvas) vm.invalidate(gva);
  const [first, second] = pages.map((page) => placed[page] as number) as [number, number];
  placed[pages[0]] = second;
  placed[pages[1]] = first;
}

/** The log has the data pages that were written, and no other. */
function compareLog(side: Side, { vm, dirty } = side): void {
  if (dirty === undefined) return;
  const bits = vm.takeDirtyLog(0);
  const logged = Array.from({ length: PAGES }, (_, i) => i).filter((i) => {
    const page = DATA / 0x1000 + i;
    return ((bits[page >> 3] as number) & (1 << (page & 7))) !== 0;
  });
  expect(logged).toEqual([...dirty].sort((a, b) => a - b));
  dirty.clear();
}

function toggleLog(side: Side, random: Random): void {
  const { options } = side;
  if (options.scheme === "naive") return;
  if (side.dirty !== undefined) {
    side.vm.stopDirtyLog(0);
    side.dirty = undefined;
    return;
  }
  const hasFlags = options.scheme !== "shadow" && options.accessedDirty !== false;
  side.vm.startDirtyLog(0, { method: hasFlags && random(2) === 0 ? "dirty-flags" : "write-protect" });
  side.dirty = new Set();
}

function balloon(side: Side, page: number): void {
  const gfn = DATA / 0x1000 + page;
  side.vm.inflateBalloon(gfn);
  (side.model[page] as number[]).fill(0);
  side.vm.deflateBalloon(gfn);
}

function step(host: Host, sides: readonly Side[], random: Random): void {
  const side = sides[random(sides.length)] as Side;
  const [page, word] = [random(PAGES), random(WORDS)];
  const what = random(24);
  if (what < 8) read(side, page, word);
  else if (what < 14) write(side, page, word, random(4) + 1);
  else if (what === 14) host.reclaim(1 + random(12));
  else if (what === 15) host.mergePages();
  else if (what === 16) compareLog(side);
  else if (what === 17) toggleLog(side, random);
  else if (what === 18) balloon(side, page);
  else if (what < 21) exchange(side, [page, random(PAGES)]);
  else if (what === 21) host.collapseHugePages(1);
  else if (what === 22) side.vm.splitHugePage(DATA);
  else side.vm.clearYoung(DATA + page * 0x1000);
}

/** What the host believes, against what stands in its tables. */
function audit(host: Host, vms: readonly VirtualMachine[]): void {
  const load32 = (physical: number): number => host.memory.load32(physical);
  const found = new Set<string>();
  const frames = new Set<number>();
  for (const [i, vm] of vms.entries()) {
    scanTables(load32, vm.space.tables.root, 4, ({ address, low, hpa, level }) => {
      if ((low & 1) === 0) return;
      found.add(`${hpa} by ${i} at ${address - HVA_BASE}`);
      for (let offset = 0; offset < 2 ** (3 + 9 * level); offset += 0x1000) frames.add(hpa + offset);
    });
    auditSecondary(load32, vm);
  }
  const believed = host
    .reverseMap()
    .flatMap(({ hpa, mappings }) => mappings.map(({ vm, gpa }) => `${hpa} by ${vms.indexOf(vm)} at ${gpa}`));
  expect(new Set(believed)).toEqual(found);
  expect(believed).toHaveLength(found.size);
  const tables = vms.reduce((sum, { space, secondary }) => sum + space.tableFrames + secondary.tableFrames, 0);
  expect(host.frames.total - host.frames.free).toBe(frames.size + tables);
}

/** Every entry of the hypervisor's maps what the process maps there, and grants no more. */
function auditSecondary(load32: (physical: number) => number, vm: VirtualMachine): void {
  if (!(vm.secondary instanceof TdpMmu)) return;
  const { root, levels, tables } = vm.secondary.tables;
  const scanned = scanTables(load32, root, levels, ({ address, low, hpa, level }) => {
    const page = vm.space.resident(address + HVA_BASE);
    expect(page?.hpa).toBe(hpa - (address + HVA_BASE - (page?.hva ?? 0)));
    expect(page?.level).toBeGreaterThanOrEqual(level);
    if ((low & 2) !== 0) expect(page?.writable).toBe(true);
  });
  expect(scanned).toBe(tables);
}

describe.each([
  ["plenty of frames", 4000],
  ["frames for one huge page", 700],
  ["fewer frames than the guests have", 190],
])("%s", (_name, frames) => {
  test("guests read what they wrote, whatever the host does", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = randomOf(seed);
        const host = createHost({ frames, store: createMemoryStore(2000) });
        const sides = SCHEMES.map((options) => begin(host, options));
        const vms = sides.map(({ vm }) => vm);
        for (let i = 0; i < 150; i++) {
          step(host, sides, random);
          if (i % 30 === 0) audit(host, vms);
        }
        for (const side of sides) {
          for (let page = 0; page < PAGES; page++) for (let word = 0; word < WORDS; word++) read(side, page, word);
        }
        audit(host, vms);
        for (const vm of vms) host.destroyVm(vm);
        expect(host.frames.free).toBe(frames);
        expect(host.swapped).toBe(0);
      }),
      { numRuns: 25 },
    );
  });
});
