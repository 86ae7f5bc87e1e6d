/** Milliseconds that one picture of the screen stands while more arrives: nobody reads faster. */
const PICTURE_MS = 60;
/** A piece so large that it fills screens by itself. It is not made to wait, because the guest would wait with it. */
const FLOOD_BYTES = 16 * 1024;

/**
 * Takes bytes as `show` does, but no more than 16 pieces a second: what arrives meanwhile becomes one piece, and is painted
 * once. A browser that paints takes the processor from the guest. What comes after a silence is shown at once.
 */
export function paceByPictures(show: (bytes: Uint8Array) => Promise<void>): (bytes: Uint8Array) => Promise<void> {
  return async (bytes) => {
    const shown = show(bytes);
    if (bytes.length < FLOOD_BYTES) await new Promise((resolve) => setTimeout(resolve, PICTURE_MS));
    await shown;
  };
}
