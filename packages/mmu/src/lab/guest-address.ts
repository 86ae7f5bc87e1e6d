import { ACCESS_AC, ACCESS_FETCH, ACCESS_READ, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "../access.ts";
import type { Access } from "../mmu.ts";
import type { GuestFault } from "./translator.ts";

const KIND_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, fetch: ACCESS_FETCH } as const;

/** An access as walkers take it. */
export function accessBits({ kind, user, ac }: Access): AccessBits {
  return KIND_BITS[kind] | (user ? ACCESS_USER : 0) | (ac === true ? ACCESS_AC : 0);
}

/** The address of two halves, unsigned. */
export function gvaOf(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** #GP(0): the address is not canonical, or PDPTEs have reserved bits set. */
export const GENERAL_PROTECTION: GuestFault = { receiver: "guest", vector: 13, errorCode: 0 };

/** #PF. */
export function pageFault(errorCode: number): GuestFault {
  return { receiver: "guest", vector: 14, errorCode };
}
