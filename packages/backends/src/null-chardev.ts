import type { Chardev } from "@tsvm/contracts";

const NOTHING = new Uint8Array(0);

/** Swallows output and never has input: a port with nothing plugged in. */
export function createNullChardev(): Chardev {
  return {
    write(): void {},
    read: () => NOTHING,
    onInput: () => ({ dispose(): void {} }),
  };
}
