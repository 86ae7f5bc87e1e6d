/** Where pages go that are swapped out: slots of 4096 bytes. It may throw; nothing has then changed in the host. */
export interface BackingStore {
  /** How many pages fit. */
  readonly slots: number;
  /** Keeps a copy of the 4096 bytes of `page`. */
  write(slot: number, page: Uint8Array): void;
  /** Fills the 4096 bytes of `page` with what was written to `slot` last. */
  read(slot: number, page: Uint8Array): void;
}

/** Byte-addressed storage: a file that is open, a block device, an `ArrayBuffer`. Both fill or take the whole array. */
export interface ByteStorage {
  readAt(offset: number, bytes: Uint8Array): void;
  writeAt(offset: number, bytes: Uint8Array): void;
}

const PAGE_BYTES = 0x1000;

/** A store in memory: takes room only for what is in it. @param slots how many pages may go there. */
export function createMemoryStore(slots: number): BackingStore {
  const pages = new Map<number, Uint8Array>();
  return {
    slots,
    write: (slot, page) => pages.set(slot, page.slice()),
    read: (slot, page) => page.set(pages.get(slot) ?? new Uint8Array(PAGE_BYTES)),
  };
}

/** A store on storage of the caller's, a swap file say. @param slots how many pages fit there, from offset 0 on. */
export function createStorageStore(storage: ByteStorage, slots: number): BackingStore {
  return {
    slots,
    write: (slot, page) => storage.writeAt(slot * PAGE_BYTES, page),
    read: (slot, page) => storage.readAt(slot * PAGE_BYTES, page),
  };
}

/** Which slots of a store are in use, and how often: a merged page that is swapped out has many users of one slot. */
export class SwapMap {
  readonly #store: BackingStore;
  readonly #uses = new Map<number, number>();
  readonly #free: number[] = [];
  #next = 0;

  constructor(store: BackingStore) {
    this.#store = store;
  }

  get free(): number {
    return this.#store.slots - this.#uses.size;
  }

  get used(): number {
    return this.#uses.size;
  }

  /** Writes a frame (undefined: zeros) for `users` page-table entries. @returns the slot; the caller knows one is free. */
  write(words: Int32Array | undefined, users: number): number {
    const slot = this.#free.pop() ?? this.#next++;
    try {
      this.#store.write(slot, words === undefined ? new Uint8Array(PAGE_BYTES) : bytesOf(words));
    } catch (error) {
      this.#free.push(slot);
      throw error;
    }
    this.#uses.set(slot, users);
    return slot;
  }

  /** The page in `slot`. */
  read(slot: number): Int32Array {
    const words = new Int32Array(PAGE_BYTES / 4);
    this.#store.read(slot, bytesOf(words));
    return words;
  }

  /** One user less. */
  release(slot: number): void {
    const uses = this.#uses.get(slot);
    if (uses === undefined) throw new Error(`slot ${slot} is in use`);
    if (uses > 1) {
      this.#uses.set(slot, uses - 1);
      return;
    }
    this.#uses.delete(slot);
    this.#free.push(slot);
  }

  /** Users of each slot, for comparisons. */
  uses(): ReadonlyMap<number, number> {
    return this.#uses;
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
