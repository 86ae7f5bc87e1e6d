/** Characters the receiver holds in FIFO mode; in 16450 mode it holds one. */
export const FIFO_DEPTH = 16;

/** The character came with a break condition (LSR.BI). */
export const ENTRY_BREAK = 0x100;
/** The character was sent by this UART to itself (MCR.LOOP). */
export const ENTRY_LOOPED = 0x200;

/** A ring of received characters, each with its flags above bit 7. */
export interface ReceiverFifo {
  readonly count: number;
  /** Breaks anywhere in the ring: LSR bit 7. */
  readonly breaks: number;
  /** The oldest entry without taking it; undefined when empty. */
  peek(): number | undefined;
  /** Adds an entry. The caller knows that there is room. */
  push(entry: number): void;
  /** Puts another entry in the place of the newest: the overrun of 16450 mode. */
  replaceNewest(entry: number): void;
  /** Takes the oldest entry; 0 when empty. */
  pop(): number;
  clear(): void;
  /** Oldest first. */
  toArray(): number[];
}

export function createReceiverFifo(): ReceiverFifo {
  const ring = new Uint16Array(FIFO_DEPTH);
  let head = 0;
  let count = 0;
  let breaks = 0;
  const at = (i: number): number => (head + i) % FIFO_DEPTH;
  const breaksOf = (entry: number): number => ((entry & ENTRY_BREAK) === 0 ? 0 : 1);

  return {
    get count() {
      return count;
    },
    get breaks() {
      return breaks;
    },
    peek: () => (count === 0 ? undefined : ring[head]),
    push(entry: number): void {
      ring[at(count++)] = entry;
      breaks += breaksOf(entry);
    },
    replaceNewest(entry: number): void {
      const newest = at(count - 1);
      breaks += breaksOf(entry) - breaksOf(ring[newest] as number);
      ring[newest] = entry;
    },
    pop(): number {
      if (count === 0) return 0;
      const entry = ring[head] as number;
      head = at(1);
      count--;
      breaks -= breaksOf(entry);
      return entry;
    },
    clear(): void {
      count = 0;
      breaks = 0;
    },
    toArray: () => Array.from({ length: count }, (_, i) => ring[at(i)] as number),
  };
}
