import { recordField } from "@tsvm/contracts";
import { type ModelHost, readOnlyConfig, type VirtioModel } from "../device/model.ts";
import type { DescriptorChain } from "../queue/descriptor-chain.ts";
import { drainQueue } from "../queue/drain.ts";

const DEVICE_ID = 4;
/** Unclassified device: what other virtio implementations answer for kinds that PCI has no class for. */
const CLASS_OTHER = 0x00_ff_00;
const QUEUE_SIZE = 64;
/** The most bytes for one buffer; a driver that wants more asks again. */
const REQUEST_LIMIT = 4096;

export interface VirtioRngOptions {
  /** 32 random bits a call. */
  readonly random: () => number;
  /** Default "virtio-rng". */
  readonly name?: string;
}

/** Has no state: every request is answered at once. */
export type VirtioRngState = Record<string, never>;

/** Random bytes for the driver. Virtio 1.2, "Entropy Device". */
export function createVirtioRng({ random, name = "virtio-rng" }: VirtioRngOptions): VirtioModel<VirtioRngState> {
  const bytes = new Uint8Array(REQUEST_LIMIT);
  const words = new DataView(bytes.buffer);
  let host: ModelHost | undefined;

  function answer(chain: DescriptorChain): void {
    const length = Math.min(chain.writableLength, REQUEST_LIMIT);
    for (let i = 0; i < length; i += 4) words.setUint32(i, random(), true);
    const queue = host?.queue(0);
    if (chain.write(bytes.subarray(0, length))) queue?.push(chain, length);
    else host?.fail();
  }

  return {
    name,
    deviceId: DEVICE_ID,
    classCode: CLASS_OTHER,
    features: 0n,
    queueSizes: [QUEUE_SIZE],
    config: readOnlyConfig(new Uint8Array(0)),
    attach(to): void {
      host = to;
    },
    start(): void {},
    notify(index): void {
      const queue = host?.queue(index);
      if (queue === undefined) return;
      drainQueue(queue, QUEUE_SIZE, answer);
      host?.signal(index);
    },
    reset(): void {},
    stateField: recordField<VirtioRngState>({}),
    save: () => ({}),
    restore(): void {},
  };
}
