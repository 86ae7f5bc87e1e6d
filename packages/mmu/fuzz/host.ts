import {
  createHost,
  createMemoryStore,
  type GuestPaging,
  type Host,
  type VirtualMachine,
  type VmOptions,
} from "../src/index.ts";
import { randomOf } from "../test/random-machine.ts";
import { garbageEntries, type Random } from "./garbage.ts";

const FRAMES = 6;
const MEMORY = 32 * 0x1000;

/** A guest whose tables are garbage does what it likes: the host answers, and has every frame back at the end. */
export function fuzzHost(seed: number): void {
  const random = randomOf(seed);
  const host = createHost({ frames: 96, store: createMemoryStore(64) });
  const vm = host.createVm(optionsOf(random));
  writeTables(vm, random);
  for (let i = 0; i < 60; i++) act(host, vm, random);
  host.destroyVm(vm);
  if (host.frames.free !== 96 || host.swapped !== 0) throw new Error(`${96 - host.frames.free} frames are lost`);
}

function optionsOf(random: Random): VmOptions {
  const scheme = (["ept", "npt", "shadow", "naive"] as const)[random(4)] as NonNullable<VmOptions["scheme"]>;
  const modes =
    scheme === "shadow"
      ? (["legacy32", "pae", "long4", "long5"] as const)
      : (["bare", "legacy32", "pae", "long4", "long5"] as const);
  const mode = modes[random(modes.length)] as GuestPaging["mode"];
  const registers = { cr3: random(FRAMES) * 0x1000, wp: random(2) === 0, nxe: random(2) === 0, pse: true };
  const guest = { mode, registers };
  const slots = [{ gpa: 0, bytes: MEMORY }];
  return { scheme, guest, slots, mergeable: true, asyncFaults: random(2) === 0, accessedDirty: random(2) === 0 };
}

function writeTables(vm: VirtualMachine, random: Random): void {
  let gpa = 0;
  for (const [low, high] of garbageEntries(random, FRAMES, 1 + random(100))) {
    vm.memory.store32(gpa, low);
    vm.memory.store32(gpa + 4, high);
    gpa += 8;
  }
}

function act(host: Host, vm: VirtualMachine, random: Random): void {
  const gva = BigInt.asIntN(48, (BigInt(random(2 ** 32)) << 30n) | BigInt(random(2 ** 30) * 4));
  const what = random(12);
  if (what < 4) vm.load32(gva, random(2) === 0);
  else if (what < 7) vm.store32(gva, random(2 ** 32), random(2) === 0);
  else if (what === 7) vm.writeCr3(random(2 ** 20) * 0x1000);
  else if (what === 8) host.reclaim(random(20));
  else if (what === 9) host.mergePages();
  else if (what === 10) host.completeIo();
  else vm.invalidate(gva);
}
