/**
 * Who keeps translations derived from a process's page tables, and must hear of changes before they happen. The model is
 * Linux, include/linux/mmu_notifier.h. Ranges are host virtual addresses of whole pages, the end exclusive.
 */
export interface MmuNotifier {
  /** What maps [start, end) is about to go or to lose rights: nothing derived from it may be used again. */
  invalidateRange(start: number, end: number): void;
  /** The page at `hva` is about to move to the frame at `hpa`, with the same content, read-only. Default: invalidation. */
  changePte?(hva: number, hpa: number): void;
  /** Whether anything derived from [start, end) was used since the last {@link clearYoung}. Default: no. */
  testYoung?(start: number, end: number): boolean;
  /** As {@link testYoung}, and forgets it. */
  clearYoung?(start: number, end: number): boolean;
}

/** The notifiers of one process, told in the order they came. */
export class NotifierChain implements Required<MmuNotifier> {
  readonly #notifiers: MmuNotifier[] = [];

  /** @returns a function that takes it off again. */
  add(notifier: MmuNotifier): () => void {
    this.#notifiers.push(notifier);
    return () => {
      const at = this.#notifiers.indexOf(notifier);
      if (at >= 0) this.#notifiers.splice(at, 1);
    };
  }

  invalidateRange(start: number, end: number): void {
    for (const notifier of this.#notifiers) notifier.invalidateRange(start, end);
  }

  changePte(hva: number, hpa: number): void {
    for (const notifier of this.#notifiers) {
      if (notifier.changePte === undefined) notifier.invalidateRange(hva, hva + 0x1000);
      else notifier.changePte(hva, hpa);
    }
  }

  testYoung(start: number, end: number): boolean {
    return this.#notifiers.some((notifier) => notifier.testYoung?.(start, end) === true);
  }

  clearYoung(start: number, end: number): boolean {
    // Every one is told: `some` would stop at the first that is young.
    return this.#notifiers.map((notifier) => notifier.clearYoung?.(start, end) === true).includes(true);
  }
}
