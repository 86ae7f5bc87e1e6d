import { ConfigError, type HostMemory, invariant } from "@tsvm/contracts";

/** Bytes of one WebAssembly page, the unit in which host memory is allocated. */
export const WASM_PAGE_BYTES = 65536;

/** Most a 32-bit WebAssembly memory can hold: 65536 pages. */
export const HOST_MEMORY_MAX_BYTES: number = 65536 * WASM_PAGE_BYTES;

export interface HostMemoryOptions {
  /** Bytes at the start that belong to the accelerator (`Accelerator.reservedBytes`); a multiple of 65536. */
  readonly reservedBytes: number;
  /** Bytes of guest RAM behind them; rounded up to whole pages. */
  readonly ramBytes: number;
}

/** Host memory just allocated: all zero, and of fixed size, so that views of its buffer never detach. */
export interface AllocatedMemory extends HostMemory {
  /** hva of the first byte of guest RAM. */
  readonly ramHva: number;
}

// TypeScript keeps WebAssembly in lib.dom, which no package below the frontends sees; this is all we need of it.
interface MemoryConstructor {
  new (descriptor: { initial: number; maximum: number }): { readonly buffer: ArrayBuffer };
}

/**
 * Allocates the one WebAssembly memory in which accelerator state and guest RAM lie side by side, so that generated code
 * reaches guest RAM with a plain load.
 * @throws ConfigError `CONFIG_MEMORY_SIZE` when more than 4 GiB is asked for, `CONFIG_MEMORY_REFUSED` when the host has not that much.
 */
export function allocateHostMemory(options: HostMemoryOptions): AllocatedMemory {
  const { reservedBytes, ramBytes } = options;
  invariant(reservedBytes >= 0 && reservedBytes % WASM_PAGE_BYTES === 0, "reserved bytes are whole pages");
  invariant(ramBytes > 0, "a machine has RAM");
  const pages = Math.ceil((reservedBytes + ramBytes) / WASM_PAGE_BYTES);
  if (pages * WASM_PAGE_BYTES > HOST_MEMORY_MAX_BYTES) {
    const most = Math.floor((HOST_MEMORY_MAX_BYTES - reservedBytes) / (1 << 20));
    throw new ConfigError("CONFIG_MEMORY_SIZE", `guest memory is too large: at most ${most} MiB fit`);
  }
  return { memory: newMemory(pages), ramHva: reservedBytes };
}

function newMemory(pages: number): { readonly buffer: ArrayBuffer } {
  const { WebAssembly } = globalThis as unknown as {
    readonly WebAssembly: { readonly Memory: MemoryConstructor };
  };
  try {
    // A maximum equal to the size makes the engine reserve exactly this and forbids growing, which would detach every view.
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    const mebibytes = Math.ceil((pages * WASM_PAGE_BYTES) / (1 << 20));
    throw new ConfigError("CONFIG_MEMORY_REFUSED", `the host refuses ${mebibytes} MiB of memory`, {
      cause,
    });
  }
}
