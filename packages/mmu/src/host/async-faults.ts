import type { AddressSpace } from "./address-space.ts";
import { HVA_BASE } from "./memory-slots.ts";

/** A guest is told that a page is being read back: it may run something else until it hears that the page is there. */
export interface AsyncPageFault {
  readonly receiver: "guest";
  /** As KVM's asynchronous page faults have it: reason "page not present". */
  readonly cause: "page-not-present";
  /** Comes again when the page is there. */
  readonly token: number;
}

/** Reads under way for one guest. KVM API, "Paravirtualized asynchronous page faults". */
export class AsyncFaults {
  readonly #space: AddressSpace;
  /** Tokens by the page's host virtual address. */
  readonly #pending = new Map<number, number>();
  #ready: number[] = [];
  #next = 1;

  constructor(space: AddressSpace) {
    this.#space = space;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Begins the read of a page that is in the store.
   * @returns undefined where the guest must wait: the page is no read away, or another task of the guest waits for it.
   */
  begin(gpa: number): AsyncPageFault | undefined {
    const hva = gpa + HVA_BASE;
    const page = hva - (hva % 0x1000);
    if (this.#pending.has(page) || !this.#space.isSwapped(page)) return undefined;
    const token = this.#next++;
    this.#pending.set(page, token);
    return { receiver: "guest", cause: "page-not-present", token };
  }

  /** The store has answered every read. @returns how many. */
  complete(): number {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [hva, token] of pending) {
      // Whoever could not wait may have brought it in, or the guest have given it away.
      if (this.#space.isSwapped(hva)) this.#space.fault(hva, false);
      this.#ready.push(token);
    }
    return pending.length;
  }

  /** Tokens of pages that have come, in their order; each is told once. */
  takeReady(): readonly number[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }
}
