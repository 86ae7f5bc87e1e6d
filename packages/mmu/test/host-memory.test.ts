import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HVA_BASE } from "../src/host/memory-slots.ts";
import { TdpMmu } from "../src/host/tdp-mmu.ts";
import {
  type BackingStore,
  createHost,
  createMemoryStore,
  createStorageStore,
  type Host,
  type MmuNotifier,
  type VirtualMachine,
} from "../src/index.ts";
import { DATA, GVA, pagedVm, scanTables } from "./host-model.ts";

const MIB = 2 ** 20;
const READ = { kind: "read", user: true } as const;
/** A guest without paging: its addresses are physical. */
const plainVm = (host: Host, bytes: number, options: object = {}): VirtualMachine =>
  host.createVm({ slots: [{ gpa: 0, bytes }], ...options });
/** Writes `value` to the first word of each page. */
const fill = (vm: VirtualMachine, first: number, count: number, value: (page: number) => number): void => {
  for (let page = first; page < first + count; page++) vm.store32(BigInt(page * 0x1000), value(page));
};

/** The hypervisor's entries, as "address: frame, writable". */
function entriesOf(host: Host, { secondary }: VirtualMachine): readonly string[] {
  if (!(secondary instanceof TdpMmu)) throw new Error("the guest has tables of its own");
  const found: string[] = [];
  const { root, levels } = secondary.tables;
  scanTables(
    (physical) => host.memory.load32(physical),
    root,
    levels,
    ({ address, hpa, low }) => found.push(`${address}: ${hpa}, ${(low & 2) !== 0}`),
  );
  return found;
}

describe("demand allocation", () => {
  test("a page comes at the first touch, with a fault in the host and an exit of the guest", () => {
    const host = createHost({ frames: 64 });
    const vm = plainVm(host, MIB);
    const before = host.frames.free;
    expect(vm.load32(0x5008n)).toBe(0);
    // The page, three tables of the process below its root and three of the hypervisor's.
    expect(before - host.frames.free).toBe(1 + 3 + 3);
    expect(host.counters).toMatchObject({ pgfault: 1, pgmajfault: 0 });
    expect(vm.counters).toMatchObject({ exits: 1, pf_fixed: 1, mmu_cache_miss: 4 });
    vm.load32(0x5ff0n);
    expect(vm.counters.exits).toBe(1);
    expect(host.reverseMap()).toEqual([
      { hpa: vm.hpaOf(0x5000), bytes: 0x1000, kind: "private", mappings: [{ vm, gpa: 0x5000 }] },
    ]);
  });

  test("what no slot backs is a device's", () => {
    const vm = plainVm(createHost({ frames: 64 }), MIB);
    expect(vm.load32(BigInt(MIB))).toEqual({ receiver: "device", gpa: MIB });
    expect(vm.counters).toMatchObject({ exits: 1, mmio_exits: 1, pf_fixed: 0 });
    expect(vm.memory.load32(MIB)).toBe(-1);
  });

  test("walks are counted as perf counts them", () => {
    const { vm } = pagedVm(createHost({ frames: 128 }), 4, {});
    vm.load32(GVA);
    vm.store32(GVA, 1);
    // Exits for five tables and the page: each cut a walk short.
    expect(vm.counters.exits).toBe(5);
    expect(vm.walks).toMatchObject({
      "dtlb_load_misses.miss_causes_a_walk": 6,
      "dtlb_load_misses.walk_completed": 1,
      "dtlb_load_misses.walk_completed_4k": 1,
      "dtlb_store_misses.walk_completed": 1,
      "itlb_misses.miss_causes_a_walk": 0,
    });
  });
});

describe("overcommit", () => {
  test("three guests have more than the host, and read what they wrote", () => {
    const host = createHost({ frames: 96, store: createMemoryStore(300) });
    const vms = [1, 2, 3].map(() => plainVm(host, 80 * 0x1000));
    for (const [i, vm] of vms.entries()) fill(vm, 0, 80, (page) => page * 10 + i);
    expect(host.counters.pswpout).toBeGreaterThan(150);
    for (const [i, vm] of vms.entries()) {
      for (let page = 0; page < 80; page++) expect(vm.load32(BigInt(page * 0x1000))).toBe(page * 10 + i);
    }
  });

  test("ends in one clear error where frames and store are full", () => {
    const host = createHost({ frames: 64, store: createMemoryStore(8) });
    const vm = plainVm(host, MIB);
    expect(() => fill(vm, 0, 256, () => 1)).toThrowError(
      expect.objectContaining({ code: "MMU_MEMORY", message: expect.stringContaining("the store is full") }),
    );
  });

  test("never: a guest that might not fit is refused", () => {
    const host = createHost({ frames: 64, store: createMemoryStore(64), overcommit: "never" });
    plainVm(host, 100 * 0x1000);
    expect(() => plainVm(host, 29 * 0x1000)).toThrowError(expect.objectContaining({ code: "MMU_MEMORY" }));
    plainVm(host, 28 * 0x1000);
  });
});

describe("swap", () => {
  test("goes to a file and comes back", () => {
    const folder = mkdtempSync(join(tmpdir(), "tsvm-swap-"));
    const file = openSync(join(folder, "swap"), "w+");
    try {
      const store = createStorageStore(
        {
          readAt: (offset, bytes) => readSync(file, bytes, 0, bytes.length, offset),
          writeAt: (offset, bytes) => writeSync(file, bytes, 0, bytes.length, offset),
        },
        64,
      );
      const host = createHost({ frames: 64, store });
      const vm = plainVm(host, 16 * 0x1000);
      fill(vm, 0, 16, (page) => 0x1234_0000 + page);
      expect(host.reclaim(16)).toBe(16);
      expect(statSync(join(folder, "swap")).size).toBe(16 * 0x1000);
      expect(vm.hpaOf(0x3000)).toBeUndefined();
      expect(vm.load32(0x3000n)).toBe(0x1234_0003);
      expect(host.counters).toMatchObject({ pswpout: 16, pswpin: 1, pgmajfault: 1, pgsteal: 16 });
      expect(host.swapped).toBe(15);
    } finally {
      closeSync(file);
      rmSync(folder, { recursive: true });
    }
  });

  test("takes cold pages before those in use, by either dimension's accessed flags", () => {
    for (const options of [{}, { scheme: "npt" }, { accessedDirty: false }]) {
      const host = createHost({ frames: 64, store: createMemoryStore(64) });
      const vm = plainVm(host, 8 * 0x1000, options);
      fill(vm, 0, 8, () => 1);
      for (let page = 0; page < 8; page++) vm.clearYoung(page * 0x1000);
      vm.load32(0x0n);
      vm.load32(0x5000n);
      expect(host.reclaim(6)).toBe(6);
      expect([0, 5].map((page) => vm.hpaOf(page * 0x1000))).not.toContain(undefined);
    }
  });

  test("a store that fails has changed nothing", () => {
    let isBroken = false;
    const inner = createMemoryStore(64);
    const store: BackingStore = {
      ...inner,
      write: (slot, page) => {
        if (isBroken) throw new Error("no space on device");
        inner.write(slot, page);
      },
    };
    const host = createHost({ frames: 64, store });
    const vm = plainVm(host, 8 * 0x1000);
    fill(vm, 0, 8, (page) => page);
    isBroken = true;
    expect(() => host.reclaim(8)).toThrowError("no space on device");
    isBroken = false;
    expect(host.reclaim(8)).toBe(8);
    for (let page = 0; page < 8; page++) expect(vm.load32(BigInt(page * 0x1000))).toBe(page);
    host.destroyVm(vm);
    expect([host.frames.free, host.swapped]).toEqual([64, 0]);
  });

  test("of a guest's page table voids what shadow tables derived from it", () => {
    const host = createHost({ frames: 128, store: createMemoryStore(64) });
    const { vm, tables } = pagedVm(host, 2, { scheme: "shadow", sync: "write-protect" });
    vm.store32(GVA, 1);
    vm.store32(GVA + 0x1000n, 2);
    // Coldest are the guest's four tables, which came first: they go, the pages stay.
    for (const { mappings } of host.reverseMap()) for (const { gpa } of mappings) vm.clearYoung(gpa);
    expect(host.reclaim(4)).toBe(4);
    expect(vm.hpaOf(DATA)).toBeDefined();
    const pte = tables.entryAddress(GVA, 1) as number;
    vm.memory.store32(pte, vm.memory.load32(tables.entryAddress(GVA + 0x1000n, 1) as number));
    expect(vm.load32(GVA)).toBe(2);
  });
});

describe("notifiers", () => {
  const events: string[] = [];
  const recorder: MmuNotifier = {
    invalidateRange: (start, end) => events.push(`invalidate ${start - HVA_BASE} to ${end - HVA_BASE}`),
    changePte: (hva) => events.push(`change ${hva - HVA_BASE}`),
    testYoung: () => true,
  };

  test("hear of exactly what goes, and exactly that leaves the hypervisor's tables", () => {
    const host = createHost({ frames: 64, store: createMemoryStore(64) });
    const flushed: (readonly [number, number])[] = [];
    const vm = plainVm(host, 8 * 0x1000, { onFlush: (first: number, count: number) => flushed.push([first, count]) });
    fill(vm, 0, 8, () => 1);
    events.length = 0;
    const leave = vm.subscribe(recorder);
    for (let page = 0; page < 8; page++) vm.clearYoung(page * 0x1000);
    for (const page of [0, 1, 2, 4, 5, 6, 7]) vm.load32(BigInt(page * 0x1000));
    const before = entriesOf(host, vm);
    host.reclaim(1);
    expect(events).toEqual([`invalidate ${0x3000} to ${0x4000}`]);
    expect(flushed).toEqual([[3, 1]]);
    expect(vm.counters.remote_tlb_flush).toBe(1);
    expect(before.filter((entry) => !entriesOf(host, vm).includes(entry))).toEqual([before[3]]);
    leave();
    vm.inflateBalloon(4);
    expect(events).toHaveLength(1);
  });

  test("young: asked of the process, of the hypervisor's tables and of whoever subscribed", () => {
    const host = createHost({ frames: 64 });
    const vm = plainVm(host, 8 * 0x1000);
    expect(vm.testYoung(0)).toBe(false);
    vm.load32(0n);
    expect(vm.testYoung(0)).toBe(true);
    expect(vm.clearYoung(0)).toBe(true);
    expect(vm.clearYoung(0)).toBe(false);
    vm.load32(0n);
    expect([vm.testYoung(0), vm.clearYoung(0), vm.testYoung(0)]).toEqual([true, true, false]);
    const leave = vm.subscribe(recorder);
    expect(vm.testYoung(0)).toBe(true);
    leave();
    expect(vm.testYoung(0)).toBe(false);
  });

  test("young, under shadow tables", () => {
    const { vm } = pagedVm(createHost({ frames: 128 }), 2, { scheme: "shadow" });
    vm.load32(GVA);
    vm.clearYoung(DATA);
    expect(vm.testYoung(DATA)).toBe(false);
    vm.load32(GVA);
    expect([vm.testYoung(DATA), vm.clearYoung(DATA), vm.testYoung(DATA)]).toEqual([true, true, false]);
  });
});

describe("same-page merging", () => {
  const twins = (): { readonly host: Host; readonly vms: readonly [VirtualMachine, VirtualMachine] } => {
    const host = createHost({ frames: 256, store: createMemoryStore(64) });
    const [one, other] = [
      plainVm(host, 64 * 0x1000, { mergeable: true }),
      plainVm(host, 64 * 0x1000, { mergeable: true }),
    ];
    for (const vm of [one, other]) fill(vm, 0, 32, (page) => 1 + (page % 4));
    return { host, vms: [one, other] };
  };

  test("equal pages share a frame once they have held still, and a write takes a copy", () => {
    const { host, vms } = twins();
    const free = host.frames.free;
    expect(host.mergePages()).toBe(0);
    expect(host.mergePages()).toBe(60);
    expect(host.frames.free).toBe(free + 60);
    expect(host.shared).toEqual({ pages_shared: 4, pages_sharing: 60 });
    expect(vms[0].hpaOf(0)).toBe(vms[1].hpaOf(0x4000));
    expect(entriesOf(host, vms[0]).every((entry) => entry.endsWith("false"))).toBe(true);
    vms[0].store32(0n, 99);
    expect([vms[0].load32(0n), vms[1].load32(0n), vms[0].load32(0x4000n)]).toEqual([99, 1, 1]);
    expect(host.counters.cow_ksm).toBe(1);
    expect(host.shared.pages_sharing).toBe(59);
  });

  test("changes entries in place: reading a merged page makes no exit", () => {
    const { host, vms } = twins();
    host.mergePages();
    host.mergePages();
    const { exits } = vms[0].counters;
    for (let page = 0; page < 32; page++) expect(vms[0].load32(BigInt(page * 0x1000))).toBe(1 + (page % 4));
    expect(vms[0].counters.exits).toBe(exits);
  });

  test("a merged frame that is swapped out is one page in the store, for all who had it", () => {
    const { host, vms } = twins();
    host.mergePages();
    host.mergePages();
    expect(host.reclaim(4)).toBe(4);
    expect(host.swapped).toBe(4);
    for (const vm of vms)
      for (let page = 0; page < 32; page++) expect(vm.load32(BigInt(page * 0x1000))).toBe(1 + (page % 4));
    expect([host.swapped, host.counters.pswpout, host.counters.pswpin]).toEqual([0, 4, 64]);
  });

  test("leaves guests alone that do not ask for it", () => {
    const host = createHost({ frames: 128 });
    const vm = plainVm(host, 64 * 0x1000);
    fill(vm, 0, 32, () => 7);
    host.mergePages();
    expect(host.mergePages()).toBe(0);
  });
});

describe("huge pages", () => {
  test("come with the first touch, and shorten walks by one reference a lookup", () => {
    const host = createHost({ frames: 4096 });
    const { vm } = pagedVm(host, 512, { hugePages: true });
    expect(vm.load32(GVA)).toBe(0);
    expect(vm.translator.translate(GVA, READ).references).toHaveLength(19);
    expect(vm.counters.largepages).toBe(1);
    expect(host.counters.thp_fault_alloc).toBe(1);
    expect(vm.splitHugePage(DATA)).toBe(true);
    expect(vm.splitHugePage(DATA)).toBe(false);
    expect(vm.counters.largepages).toBe(0);
    vm.load32(GVA);
    expect(vm.translator.translate(GVA, READ).references).toHaveLength(24);
    expect(host.counters.thp_split_page).toBe(1);
  });

  test("are gathered from small ones, which keep what they hold", () => {
    const host = createHost({ frames: 2048 });
    const vm = plainVm(host, 2 * MIB, { hugePages: true });
    vm.load32(0n);
    vm.splitHugePage(0);
    for (let page = 1; page < 512; page += 2) vm.inflateBalloon(page);
    fill(vm, 0, 1, () => 5);
    vm.store32(0x2000n, 6);
    expect(host.collapseHugePages()).toBe(1);
    expect(host.collapseHugePages()).toBe(0);
    expect([vm.load32(0n), vm.load32(0x1000n), vm.load32(0x2000n)]).toEqual([5, 0, 6]);
    expect(vm.counters.largepages).toBe(1);
    expect(host.counters.thp_collapse_alloc).toBe(1);
    host.destroyVm(vm);
    expect(host.frames.free).toBe(2048);
  });

  test("are split when some of it must go: to the store, or into a balloon", () => {
    const host = createHost({ frames: 1100, store: createMemoryStore(600) });
    const vm = plainVm(host, 2 * MIB, { hugePages: true });
    fill(vm, 0, 512, (page) => page);
    vm.clearYoung(0);
    expect(host.reclaim(10)).toBe(10);
    vm.inflateBalloon(500);
    expect(host.counters.thp_split_page).toBe(1);
    for (let page = 0; page < 500; page++) expect(vm.load32(BigInt(page * 0x1000))).toBe(page);
    expect(vm.load32(500n * 0x1000n)).toBe(0);
  });

  test("are split even when no frame is free: the table was set aside", () => {
    const host = createHost({ frames: 560, store: createMemoryStore(2000) });
    const huge = plainVm(host, 2 * MIB, { hugePages: true });
    fill(huge, 0, 512, (page) => page);
    expect(host.counters.thp_fault_alloc).toBe(1);
    const other = plainVm(host, 2 * MIB);
    fill(other, 0, 512, (page) => -page);
    for (let page = 0; page < 512; page++) expect(huge.load32(BigInt(page * 0x1000))).toBe(page);
  });

  test("are not for blocks that a slot has only a part of", () => {
    const host = createHost({ frames: 2048 });
    const vm = plainVm(host, MIB, { hugePages: true });
    vm.load32(0n);
    expect(vm.counters.largepages).toBe(0);
  });
});

test("a balloon gives frames back; they read as zeros when the guest has them again", () => {
  const host = createHost({ frames: 64, store: createMemoryStore(8) });
  const vm = plainVm(host, 16 * 0x1000);
  fill(vm, 0, 16, () => 3);
  const free = host.frames.free;
  for (const gfn of [4, 5, 5]) vm.inflateBalloon(gfn);
  expect([host.frames.free - free, vm.balloon]).toEqual([2, 2]);
  vm.deflateBalloon(4);
  expect([vm.load32(0x4000n), vm.load32(0x6000n), vm.balloon]).toEqual([0, 3, 1]);
  expect(host.counters).toMatchObject({ balloon_inflate: 2, balloon_deflate: 1 });
  expect(() => vm.inflateBalloon(16)).toThrowError(expect.objectContaining({ code: "MMU_SLOTS" }));
});

describe("dirty logging", () => {
  const PAGES = 130;
  const bitsOf = (bits: Uint8Array): readonly number[] =>
    Array.from({ length: bits.length * 8 }, (_, i) => i).filter(
      (i) => ((bits[i >> 3] as number) & (1 << (i & 7))) !== 0,
    );
  const begin = (options: object = {}): VirtualMachine => {
    const vm = plainVm(createHost({ frames: 1024 }), PAGES * 0x1000, options);
    fill(vm, 0, PAGES, () => 1);
    return vm;
  };

  test.each([
    [{}, { method: "write-protect" }],
    [{}, { method: "dirty-flags" }],
    [{ scheme: "npt" }, { method: "write-protect" }],
    [{ scheme: "npt" }, { method: "dirty-flags" }],
    [{ accessedDirty: false }, { method: "write-protect" }],
  ] as const)("guest %j, log %j: what was written, and reading clears it", (guest, log) => {
    const vm = begin(guest);
    vm.startDirtyLog(0, log);
    fill(vm, 3, 2, () => 2);
    vm.load32(0x9000n);
    vm.memory.store32(129 * 0x1000, 5);
    const bits = vm.takeDirtyLog(0);
    // Whole words of 64 bits.
    expect(bits).toHaveLength(24);
    expect(bitsOf(bits)).toEqual([3, 4, 129]);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([]);
    fill(vm, 4, 1, () => 3);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([4]);
  });

  test("only the first write to a protected page is an exit", () => {
    const vm = begin();
    vm.startDirtyLog(0);
    const { exits } = vm.counters;
    for (let i = 0; i < 3; i++) fill(vm, 7, 1, () => i);
    expect(vm.counters.exits - exits).toBe(1);
  });

  test("manual: reading keeps the bits, clearing takes those that are named", () => {
    const vm = begin();
    vm.startDirtyLog(0, { manual: true });
    fill(vm, 62, 4, () => 2);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([62, 63, 64, 65]);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([62, 63, 64, 65]);
    vm.clearDirtyLog(0, 64, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([62, 63, 65]);
    const { exits } = vm.counters;
    fill(vm, 62, 4, () => 3);
    // Page 64 alone is protected again.
    expect(vm.counters.exits - exits).toBe(1);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([62, 63, 64, 65]);
  });

  test("initially set: all is dirty, and nothing is protected until it is cleared", () => {
    const vm = begin();
    vm.startDirtyLog(0, { manual: true, initiallySet: true });
    const { exits } = vm.counters;
    fill(vm, 0, PAGES, () => 2);
    expect(vm.counters.exits).toBe(exits);
    expect(bitsOf(vm.takeDirtyLog(0))).toHaveLength(PAGES);
    vm.clearDirtyLog(0, 0, new Uint8Array(24).fill(0xff));
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([]);
    fill(vm, 5, 1, () => 3);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([5]);
  });

  test("breaks large pages, which come back when it ends", () => {
    const host = createHost({ frames: 4096 });
    const vm = plainVm(host, 2 * MIB, { hugePages: true });
    fill(vm, 0, 2, () => 1);
    vm.startDirtyLog(0);
    expect(vm.counters.largepages).toBe(0);
    fill(vm, 1, 1, () => 2);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([1]);
    vm.stopDirtyLog(0);
    vm.load32(0x10_0000n);
    expect(vm.counters.largepages).toBe(1);
    expect(host.counters.thp_split_page).toBe(0);
  });

  test("sees the flags that shadow paging sets for the guest", () => {
    const { vm, tables } = pagedVm(createHost({ frames: 128 }), 2, { scheme: "shadow" });
    const pte = tables.entryAddress(GVA, 1) as number;
    vm.memory.store32(pte, vm.memory.load32(pte) & ~0x60);
    vm.startDirtyLog(0);
    vm.load32(GVA);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([Math.floor(pte / 0x1000)]);
    vm.store32(GVA, 1);
    expect(bitsOf(vm.takeDirtyLog(0))).toEqual([Math.floor(pte / 0x1000), DATA / 0x1000]);
  });

  test.each([
    ["naive nesting", (): unknown => begin({ scheme: "naive" }).startDirtyLog(0)],
    ["flags that are off", (): unknown => begin({ accessedDirty: false }).startDirtyLog(0, { method: "dirty-flags" })],
    ["initiallySet without manual", (): unknown => begin().startDirtyLog(0, { initiallySet: true })],
    ["no log", (): unknown => begin().takeDirtyLog(0)],
    ["clearing what clears itself", () => clear({}, 0, 8)],
    ["a first page inside a word", () => clear({ manual: true }, 3, 8)],
    ["half a word", () => clear({ manual: true }, 0, 4)],
    ["bits beyond the slot", () => clear({ manual: true }, 128, 16)],
  ])("is refused for %s", (_what, misuse) => {
    expect(misuse).toThrowError(expect.objectContaining({ code: "MMU_DIRTY_LOG" }));
  });
  const clear = (options: object, first: number, bytes: number): void => {
    const vm = begin();
    vm.startDirtyLog(0, options);
    vm.clearDirtyLog(0, first, new Uint8Array(bytes));
  };
});

describe("asynchronous page faults", () => {
  const swapped = (options: object = {}): { readonly host: Host; readonly vm: VirtualMachine } => {
    const host = createHost({ frames: 64, store: createMemoryStore(64) });
    const vm = plainVm(host, 8 * 0x1000, { asyncFaults: true, ...options });
    fill(vm, 0, 8, (page) => page + 1);
    host.reclaim(8);
    return { host, vm };
  };

  test("a guest is told that a page is away, does something else, and hears when it has come", () => {
    const { host, vm } = swapped();
    expect(vm.load32(0x2000n)).toEqual({ receiver: "guest", cause: "page-not-present", token: 1 });
    expect(vm.load32(0x3000n)).toMatchObject({ token: 2 });
    expect(vm.takeReadyTokens()).toEqual([]);
    expect(host.completeIo()).toBe(2);
    expect(vm.takeReadyTokens()).toEqual([1, 2]);
    expect(vm.takeReadyTokens()).toEqual([]);
    expect([vm.load32(0x2000n), vm.load32(0x3000n)]).toEqual([3, 4]);
    expect(host.counters.pgmajfault).toBe(2);
  });

  test("whoever asks for the same page again waits for it, and the token still comes", () => {
    const { host, vm } = swapped();
    expect(vm.load32(0x2000n)).toMatchObject({ token: 1 });
    expect(vm.load32(0x2000n)).toBe(3);
    host.completeIo();
    expect(vm.takeReadyTokens()).toEqual([1]);
    expect(host.counters.pgmajfault).toBe(1);
  });

  test("a guest that was never told of them waits", () => {
    const { vm } = swapped({ asyncFaults: false });
    expect(vm.load32(0x2000n)).toBe(3);
  });
});

describe("misuse", () => {
  const host = createHost({ frames: 64 });
  test.each([
    [[]],
    [[{ gpa: 0, bytes: 0 }]],
    [[{ gpa: 0x800, bytes: 0x1000 }]],
    [[{ gpa: 0, bytes: Number.NaN }]],
    [[{ gpa: 2 ** 46, bytes: 0x1000 }]],
    [
      [
        { gpa: 0, bytes: 0x3000 },
        { gpa: 0x2000, bytes: 0x1000 },
      ],
    ],
  ])("slots %j are refused", (slots) => {
    const free = host.frames.free;
    expect(() => host.createVm({ slots })).toThrowError(expect.objectContaining({ code: "MMU_SLOTS" }));
    expect(host.frames.free).toBe(free);
  });

  test.each([0, 31, 2 ** 24 + 1, 64.5, Number.NaN])("%d frames are no host", (frames) => {
    expect(() => createHost({ frames })).toThrowError(expect.objectContaining({ code: "MMU_MEMORY" }));
  });

  test("shadow tables are refused for guests without paging, and nothing is kept", () => {
    const free = host.frames.free;
    const options = { scheme: "shadow", slots: [{ gpa: 0, bytes: 0x1000 }] } as const;
    expect(() => host.createVm(options)).toThrowError(expect.objectContaining({ code: "MMU_HOST" }));
    const guest = { mode: "long4", registers: { cr3: -1 } } as const;
    const slots = [{ gpa: 0, bytes: 0x1000 }];
    expect(() => host.createVm({ guest, slots })).toThrowError(expect.objectContaining({ code: "MMU_REGISTERS" }));
    expect(host.frames.free).toBe(free);
  });
});
