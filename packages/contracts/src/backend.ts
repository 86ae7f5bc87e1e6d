import type { Disposable } from "./addresses.ts";

/** Sectors of 512 bytes; promises reject with BackendError. */
export interface BlockBackend {
  readonly sectorCount: number;
  readonly readOnly: boolean;
  read(sector: number, buf: Uint8Array): Promise<void>;
  write(sector: number, buf: Uint8Array): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  /**
   * Makes `count` sectors read as zeroes without a buffer of them. `unmap`: the host may take their storage back. Where it
   * is missing, the caller writes zeroes.
   */
  writeZeroes?(sector: number, count: number, unmap: boolean): Promise<void>;
  /** A hint: nobody needs what `count` sectors hold, and they may read as anything. Where it is missing, nothing is lost. */
  discard?(sector: number, count: number): Promise<void>;
}

/** Ethernet frames without FCS. */
export interface NetBackend {
  send(frame: Uint8Array): void;
  onReceive(sink: (frame: Uint8Array) => void): Disposable;
}

/**
 * A byte stream both ways. Input is pulled, so that none is lost: the backend keeps what the device has not taken.
 */
export interface Chardev {
  write(bytes: Uint8Array): void;
  /** Takes at most `max` bytes of waiting input; empty when there is none. */
  read(max: number): Uint8Array;
  /** `sink` is called whenever input becomes available after a `read` found less than it asked for. */
  onInput(sink: () => void): Disposable;
}
