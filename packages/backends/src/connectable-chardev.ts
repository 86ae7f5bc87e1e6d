import type { Chardev, Disposable } from "@tsvm/contracts";

/** A chardev whose other end comes and goes, as that of a socket does. */
export interface ConnectableChardev extends Chardev {
  /** Somebody is there now. */
  readonly isConnected: boolean;
  /** `sink` is called whenever somebody has come or left. */
  onConnection(sink: (isConnected: boolean) => void): Disposable;
}

/** True when a chardev tells whether anybody is at its other end. */
export function isConnectableChardev(chardev: Chardev): chardev is ConnectableChardev {
  return "isConnected" in chardev && "onConnection" in chardev;
}
