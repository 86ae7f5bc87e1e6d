/** A worker that is loaded before its machine is wanted. */
export interface SpareWorker {
  /** Makes one if there is none. */
  prepare(): void;
  /** Hands it over, for good; without one, a new one. */
  take(): Worker;
}

export function createSpareWorker(create: () => Worker): SpareWorker {
  let spare: Worker | undefined;
  return {
    prepare() {
      if (spare !== undefined) return;
      const made = create();
      spare = made;
      // Nobody has asked yet, so nobody is told: who does ask gets another, and hears what became of that.
      made.addEventListener("error", (event) => {
        if (spare !== made) return;
        event.preventDefault();
        spare = undefined;
      });
    },
    take() {
      const taken = spare ?? create();
      spare = undefined;
      return taken;
    },
  };
}
