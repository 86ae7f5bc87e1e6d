import { integerField, listField, recordField, type StateField, u16Field, u32Field } from "@tsvm/contracts";
import type { DescriptorChain } from "./descriptor-chain.ts";
import type { ReturnedChain, Virtqueue, VirtqueueState } from "./virtqueue.ts";

/** A chain that was given back before its turn. */
interface HeldChain extends ReturnedChain {
  ordinal: number;
  written: number;
}

export interface OrderState {
  /** Ordinal of the next chain to be taken, and of the next one to go back; they wrap at 2^32. */
  taken: number;
  returned: number;
  held: HeldChain[];
}

export const orderField: StateField<OrderState> = recordField<OrderState>({
  taken: u32Field,
  returned: u32Field,
  held: listField(
    recordField<HeldChain>({ ordinal: u32Field, id: u16Field, slots: integerField(1, 0x8000), written: u32Field }),
    0,
    0x8000,
  ),
});

/** `inner` for a driver that wants its buffers back in the order it gave them: what ends early waits. VIRTIO_F_IN_ORDER. */
export function createInOrderQueue(inner: Virtqueue): Virtqueue {
  const held = new Map<number, HeldChain>();
  let taken = 0;
  let returned = 0;
  const next = (ordinal: number): number => (ordinal + 1) >>> 0;

  return {
    pop(): DescriptorChain | undefined {
      const chain = inner.pop();
      if (chain === undefined) return undefined;
      chain.ordinal = taken;
      taken = next(taken);
      return chain;
    },
    push({ ordinal, id, slots }: DescriptorChain, written: number): void {
      held.set(ordinal, { ordinal, id, slots, written });
      for (let first = held.get(returned); first !== undefined; first = held.get(returned)) {
        held.delete(returned);
        returned = next(returned);
        inner.push(first, first.written);
      }
    },
    takeSignal: () => inner.takeSignal(),
    close: () => inner.close(),
    save: () => ({
      ...inner.save(),
      order: { taken, returned, held: Array.from(held.values(), (one) => ({ ...one })) },
    }),
    restore(state: VirtqueueState): void {
      inner.restore(state);
      held.clear();
      taken = state.order?.taken ?? 0;
      returned = state.order?.returned ?? 0;
      for (const one of state.order?.held ?? []) held.set(one.ordinal, one);
    },
  };
}
