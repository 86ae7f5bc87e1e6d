import type { Chardev, Disposable } from "@tsvm/contracts";

/**
 * A chardev whose output passes through the host at the host's pace. Frontends wait for it: before they exit (`flush`),
 * and while the guest runs, so that a guest that writes faster than the host takes is held, not buffered without bound.
 */
export interface BufferedChardev extends Chardev, Disposable {
  /** Bytes written by the guest and not yet taken by the host. */
  readonly backlog: number;
  /** Resolves when everything written so far was taken by the host, or can never be. Never rejects. */
  flush(): Promise<void>;
}

/** True when a chardev tells how far its host is behind. */
export function isBufferedChardev(chardev: Chardev): chardev is BufferedChardev {
  return "backlog" in chardev && "flush" in chardev;
}
