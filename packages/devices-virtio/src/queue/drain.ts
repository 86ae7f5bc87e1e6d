import type { DescriptorChain } from "./descriptor-chain.ts";
import type { Virtqueue } from "./virtqueue.ts";

/**
 * Hands every waiting chain to `take`, at most `limit` of them: no more can be waiting in a queue of that many entries,
 * but a driver whose buffers overlap its rings could make the device supply itself for ever.
 */
export function drainQueue(queue: Virtqueue, limit: number, take: (chain: DescriptorChain) => void): void {
  for (let taken = 0; taken < limit; taken++) {
    const chain = queue.pop();
    if (chain === undefined) return;
    take(chain);
  }
}
