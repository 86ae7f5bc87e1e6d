import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ACCESS_READ,
  ACCESS_USER,
  ACCESS_WRITE,
  createHost,
  createMemoryStore,
  createSimulatedMmu,
  type Host,
  type SimulatedMmu,
  type VirtualMachine,
  WalkStructures,
} from "../src/index.ts";
import { DATA, GVA, pagedVm } from "./host-model.ts";
import { randomOf } from "./random-machine.ts";

const PAGES = 16;

/** A guest behind a TLB, walk caches and a nested TLB that hear of the host's changes by `onFlush` alone. */
function cached(host: Host, scheme: "ept" | "npt" | "naive" | "shadow"): [VirtualMachine, SimulatedMmu] {
  const structures = new WalkStructures({
    walkCache: { level2: { entries: 8 }, level3: { entries: 4 } },
    hostWalkCache: { level2: { entries: 8 } },
    nestedTlb: { pages: ["4K", "2M"], entries: 16 },
  });
  let mmu: SimulatedMmu | undefined;
  const onFlush = (): void => {
    mmu?.invept(2, 0);
    mmu?.invvpid(2, 0, 0, 0);
    mmu?.invpcid(2, 0, 0, 0);
  };
  const { vm } = pagedVm(host, PAGES, { scheme, structures, onFlush, mergeable: true });
  mmu = createSimulatedMmu({
    translator: vm.translator,
    tlb: {
      l1: [
        { pages: ["4K"], entries: 16, ways: 4 },
        { pages: ["2M"], entries: 4 },
      ],
    },
  });
  return [vm, mmu];
}

/** One access by the cached processor; exits go to the hypervisor. @returns the host address. */
function reach(vm: VirtualMachine, mmu: SimulatedMmu, gva: bigint, isWrite: boolean): number {
  const access = { kind: isWrite ? "write" : "read", user: true } as const;
  for (let attempt = 0; attempt < 3; attempt++) {
    const [low, high] = [Number(BigInt.asIntN(32, gva)), Number(gva >> 32n)];
    if (mmu.access(low, high, ACCESS_USER | (isWrite ? ACCESS_WRITE : ACCESS_READ))) {
      const { outcome } = mmu.translate(gva, access);
      if (outcome.receiver !== "none") throw new Error("the same access twice ends alike");
      return outcome.hpa;
    }
    vm.access(gva, access);
  }
  throw new Error("the hypervisor resolves what it is asked for");
}

test.each(["ept", "npt", "naive", "shadow"] as const)("%s: no cache outlives what the host takes away", (scheme) => {
  let hits = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      const host = createHost({ frames: 200, store: createMemoryStore(200) });
      const [vm, mmu] = cached(host, scheme);
      for (let i = 0; i < 120; i++) {
        const what = random(12);
        if (what === 0) host.reclaim(1 + random(6));
        else if (what === 1) host.mergePages();
        else if (what === 2) vm.inflateBalloon(DATA / 0x1000 + random(PAGES));
        else {
          const page = random(PAGES);
          const isWrite = random(3) === 0;
          expect(reach(vm, mmu, GVA + BigInt(page * 0x1000), isWrite)).toBe(vm.hpaOf(DATA + page * 0x1000));
          // A frame that others share is never reached for writing.
          const use = host.reverseMap().find(({ hpa }) => hpa === vm.hpaOf(DATA + page * 0x1000));
          if (isWrite) expect(use?.kind).toBe("private");
        }
      }
      hits += mmu.counters.accesses - mmu.counters.walks;
    }),
    { numRuns: 20 },
  );
  // Worth something only while the TLB is used.
  expect(hits).toBeGreaterThan(1000);
});
