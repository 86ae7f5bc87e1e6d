/** Milliseconds that one picture of the screen stands while more arrives by itself: nobody reads faster. */
const PICTURE_MS = 100;
/** Milliseconds after a key in which the screen follows at once: what arrives then is likely the answer. */
const ANSWER_MS = 1000;
/** A piece so large that it fills screens by itself. It is not made to wait, because the guest would wait with it. */
const FLOOD_BYTES = 16 * 1024;

/** A terminal that is not painted more often than somebody looks. */
export interface PicturePace {
  /** Shows bytes; resolves when the next may come. */
  show(bytes: Uint8Array): Promise<void>;
  /** Somebody has typed. */
  noteInput(): void;
}

/**
 * Takes bytes as `show` does, but no more than ten pieces a second while nobody types: what arrives meanwhile becomes one
 * piece, and is painted once. A browser that paints takes the processor from the guest. What comes after a silence is shown at once.
 */
export function createPicturePace(show: (bytes: Uint8Array) => Promise<void>): PicturePace {
  let answersUntilMs = Number.NEGATIVE_INFINITY;
  return {
    async show(bytes) {
      const shown = show(bytes);
      const waits = bytes.length < FLOOD_BYTES && performance.now() >= answersUntilMs;
      if (waits) await new Promise((resolve) => setTimeout(resolve, PICTURE_MS));
      await shown;
    },
    noteInput() {
      answersUntilMs = performance.now() + ANSWER_MS;
    },
  };
}
