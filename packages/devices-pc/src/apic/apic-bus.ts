/**
 * What carries interrupt messages between local APICs, I/O APICs and devices that signal by MSI. A destination is the
 * 32-bit form; whoever has an 8-bit one widens it by {@link widenDestination}.
 */
import type { Gpa, MsiTarget } from "@tsvm/contracts";
import { DELIVERY_FIXED, DELIVERY_LOWEST_PRIORITY } from "./apic-registers.ts";

export const BROADCAST = 0xffff_ffff;

/** A local APIC as the bus sees it. */
export interface ApicBusMember {
  /** Whether a message for `destination` is for this one. */
  matches(destination: number, logical: boolean): boolean;
  /** The class of PPR: who is doing the least urgent work gets messages for the lowest priority. */
  readonly processorPriority: number;
  /** @returns false when it does not take the message: software-disabled, or an illegal vector */
  receive(deliveryMode: number, vector: number, level: boolean): boolean;
}

export interface ApicBus extends MsiTarget {
  attach(member: ApicBusMember): void;
  /** `listener` hears of every EOI of a level-triggered vector. */
  onEndOfInterrupt(listener: (vector: number) => void): void;
  endOfInterrupt(vector: number): void;
  /** @returns whether any member took the message */
  deliver(destination: number, logical: boolean, deliveryMode: number, vector: number, level: boolean): boolean;
  /** To every member but `self`. */
  deliverToOthers(self: ApicBusMember, deliveryMode: number, vector: number, level: boolean): void;
}

/** The 32-bit form of the 8-bit destination of xAPIC, I/O APIC and MSI. */
export function widenDestination(destination: number): number {
  return destination === 0xff ? BROADCAST : destination;
}

export function createApicBus(): ApicBus {
  const members: ApicBusMember[] = [];
  const listeners: ((vector: number) => void)[] = [];

  function lowestPriority(destination: number, logical: boolean): ApicBusMember | undefined {
    let lowest: ApicBusMember | undefined;
    for (const member of members) {
      if (!member.matches(destination, logical)) continue;
      if (lowest === undefined || member.processorPriority < lowest.processorPriority) lowest = member;
    }
    return lowest;
  }

  function deliver(destination: number, logical: boolean, mode: number, vector: number, level: boolean): boolean {
    if (mode === DELIVERY_LOWEST_PRIORITY) {
      return lowestPriority(destination, logical)?.receive(DELIVERY_FIXED, vector, level) ?? false;
    }
    let taken = false;
    for (const member of members) {
      if (member.matches(destination, logical) && member.receive(mode, vector, level)) taken = true;
    }
    return taken;
  }

  return {
    attach: (member) => void members.push(member),
    onEndOfInterrupt: (listener) => void listeners.push(listener),
    endOfInterrupt(vector: number): void {
      for (const listener of listeners) listener(vector);
    },
    deliver,
    deliverToOthers(self: ApicBusMember, mode: number, vector: number, level: boolean): void {
      for (const member of members) if (member !== self) member.receive(mode, vector, level);
    },
    /** SDM vol. 3A, "Message Signalled Interrupts". */
    signal(address: Gpa, data: number): void {
      // Addresses of MSI are below 4 GiB; what stands above bit 31 is the destination's extension, which we lack.
      const low = address >>> 0;
      const logical = (low & 0x4) !== 0;
      const redirected = (low & 0x8) !== 0;
      const asked = (data >>> 8) & 7;
      const mode = redirected && asked === DELIVERY_FIXED ? DELIVERY_LOWEST_PRIORITY : asked;
      const level = (data & 0x8000) !== 0;
      if (level && (data & 0x4000) === 0) return;
      deliver(widenDestination((low >>> 12) & 0xff), logical, mode, data & 0xff, level);
    },
  };
}
