/** An entry that maps a page. */
export interface Leaf {
  /** Of the entry. */
  readonly gpa: number;
  /** First 4-KByte page of the mapping: address bits 63:12. */
  readonly vpn: number;
  readonly low: number;
  readonly high: number;
}

/** The page tables of one process, as its kernel keeps them: pages of one size, in whatever format. */
export interface ProcessTables {
  /** For CR3: a frame that no other process has. */
  readonly root: number;
  /** The entry that maps a page, present or not; undefined where there is none. */
  find(vpn: number): Leaf | undefined;
  /** Enters a page; what leads to it is made as needed. @param low flags of the entry, without address. */
  map(vpn: number, frame: number, low: number): void;
  /** Replaces an entry that maps a page. */
  store(gpa: number, frame: number, low: number): void;
  /** All entries that map pages, in the order of their addresses. */
  leaves(): Iterable<Leaf>;
  /** Clears every entry and gives back the frames. */
  free(): void;
}

/** Makes tables for one process after another. */
export interface TablesSource {
  create(): ProcessTables;
  /** 4-KByte frames that tables take. */
  readonly frames: number;
}

/** The guest's way to its own memory: loads are free, a store of an entry may trap. */
export interface TablePort {
  load32(gpa: number): number;
  /** Replaces an entry of eight bytes. */
  storeEntry(gpa: number, low: number, high: number): void;
}

/** Size of the pages a guest maps. */
export type GuestPageShift = 12 | 21 | 30;

/** Where the tables of a simulated guest begin: its pages lie far above. */
export const GUEST_TABLES = 0x20_0000;

/** Address of the frame an entry refers to. */
export function frameOf(low: number, high: number): number {
  return (high & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
}
