import { invariant } from "@tsvm/contracts";
import { CAPABILITIES_POINTER, CONFIG_LENGTH, type ConfigSpace, STATUS, STATUS_CAPABILITIES } from "./config-space.ts";

/** A capability: PCI Local Bus Specification 3.0, "Capabilities List". Offsets count from its first byte, the identifier. */
export interface PciCapability {
  readonly id: number;
  /** What follows identifier and next pointer. */
  readonly body: ArrayLike<number>;
  /** Bits of `body` that software can change; none by default. */
  readonly writable?: ArrayLike<number>;
  /** Software is about to read `size` bytes at `offset`: `bytes`, the whole capability, may be brought up to date. */
  readonly onRead?: (bytes: Uint8Array, offset: number, size: number) => void;
  /** Software has written there. */
  readonly onWrite?: (bytes: Uint8Array, offset: number, size: number) => void;
}

/** A capability with its place in configuration space. */
export interface PlacedCapability {
  readonly capability: PciCapability;
  readonly at: number;
  /** Live. */
  readonly bytes: Uint8Array;
}

/** Where the device's own part of configuration space begins. */
const FIRST = 0x40;

/** Links `capabilities` in their order, each at a multiple of 4, from 0x40 on. */
export function placeCapabilities(config: ConfigSpace, capabilities: readonly PciCapability[]): PlacedCapability[] {
  let at = FIRST;
  const placed: PlacedCapability[] = [];
  for (const [i, capability] of capabilities.entries()) {
    const length = 2 + capability.body.length;
    const next = Math.ceil((at + length) / 4) * 4;
    invariant(next <= CONFIG_LENGTH, `capabilities fit into ${CONFIG_LENGTH} bytes`);
    config.define(at, 1, capability.id);
    config.define(at + 1, 1, i + 1 < capabilities.length ? next : 0);
    for (let j = 0; j < capability.body.length; j++) {
      config.define(at + 2 + j, 1, capability.body[j] as number, capability.writable?.[j] ?? 0);
    }
    placed.push({ capability, at, bytes: config.bytes.subarray(at, at + length) });
    at = next;
  }
  if (placed.length > 0) {
    config.define(STATUS, 1, STATUS_CAPABILITIES);
    config.define(CAPABILITIES_POINTER, 1, FIRST);
  }
  return placed;
}
