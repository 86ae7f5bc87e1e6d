import { ACCESS_AC, ACCESS_FETCH, ACCESS_READ, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "../access.ts";
import type { Access } from "../mmu.ts";
import type { PagingMode, Walker } from "../walker.ts";
import type { GuestFault } from "./translator.ts";

const KIND_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, fetch: ACCESS_FETCH } as const;

/** An access as walkers take it. */
export function accessBits({ kind, user, ac }: Access): AccessBits {
  return KIND_BITS[kind] | (user ? ACCESS_USER : 0) | (ac === true ? ACCESS_AC : 0);
}

/** Whether the mode's addresses can be `gva`. 32-bit modes take bits 31:0 of any. SDM vol. 1, "Canonical Addressing". */
export function isCanonical(mode: PagingMode, gva: bigint): boolean {
  if (mode !== "long4" && mode !== "long5") return true;
  const bits = mode === "long4" ? 48 : 57;
  return BigInt.asIntN(bits, gva) === BigInt.asIntN(64, gva);
}

/** Walks for a 64-bit address. */
export function walkGva(walker: Walker, gva: bigint, access: AccessBits): boolean {
  const low = Number(BigInt.asIntN(32, gva));
  return walker.walk(low, Number(BigInt.asIntN(32, gva >> 32n)), access);
}

/** Where the byte is that `walker` has just found the page of. */
export function physicalAddress(walker: Walker, gva: bigint): number {
  return walker.gfn * 0x1000 + Number(gva & 0xfffn);
}

/** #GP(0): the address is not canonical, or PDPTEs have reserved bits set. */
export const GENERAL_PROTECTION: GuestFault = { receiver: "guest", vector: 13, errorCode: 0 };

/** #PF. */
export function pageFault(errorCode: number): GuestFault {
  return { receiver: "guest", vector: 14, errorCode };
}
